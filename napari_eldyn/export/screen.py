"""A screen to draw on: the one that is there, or a virtual one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from napari_eldyn.exceptions import EldynError

__all__ = ["continue_on_virtual_screen", "has_screen", "on_virtual_screen"]

_MARK = "NAPARI_ELDYN_VIRTUAL_SCREEN"  # set for commands that run on a screen made here
_START_SECONDS = 30.0  # to greet a client, on a busy machine


def has_screen() -> bool:
    """Whether windows can be opened here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def on_virtual_screen() -> bool:
    """Whether this process was started by `continue_on_virtual_screen`."""
    return bool(os.environ.get(_MARK))


def continue_on_virtual_screen(
    argv: Sequence[str], size: tuple[int, int] = (1600, 1000)
) -> NoReturn:
    """Run a command on a virtual screen, and end this process with its exit code.

    napari draws with OpenGL into a window, so it needs a screen even if nobody looks. The user's
    napari settings are neither read nor changed. Ctrl-C and SIGTERM reach the command; the screen
    ends after it.

    Parameters
    ----------
    argv : sequence of str
        The whole command: ``[sys.executable, "-m", "napari_eldyn.cli", "movie", …]``.
    size : tuple of int
        Width and height of the screen in pixels.

    Raises
    ------
    EldynError
        If there is no Xvfb, or it does not start.
    """
    with _virtual_screen(size) as display:
        environment = {key: value for key, value in os.environ.items() if key != "WAYLAND_DISPLAY"}
        environment |= {
            _MARK: "1",
            "DISPLAY": display,
            "QT_QPA_PLATFORM": "xcb",
            "NAPARI_CONFIG": "",  # default settings
        }
        code = _run(argv, environment)
    sys.exit(code)


def _run(argv: Sequence[str], environment: dict[str, str]) -> int:
    """Run a command that gets our signals; death by a signal counts as 128 + its number."""
    # Ctrl-C reaches the command by itself, as it belongs to the same process group.
    interrupt = signal.signal(signal.SIGINT, lambda *_: None)
    command = subprocess.Popen(argv, env=environment)
    terminate = signal.signal(signal.SIGTERM, lambda number, _: command.send_signal(number))
    try:
        code = command.wait()
    finally:
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGTERM, terminate)
    return code if code >= 0 else 128 - code


@contextmanager
def _virtual_screen(size: tuple[int, int]) -> Iterator[str]:
    """Start Xvfb on a free display, yield the display's name, and end it."""
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        raise EldynError(
            "there is no screen (DISPLAY is not set), and no Xvfb to make a virtual one",
            remedy="Install it (Debian: apt-get install xvfb), or run this on a desktop.",
        )
    reading, writing = os.pipe()
    options = ["-displayfd", str(writing), "-screen", "0", f"{size[0]}x{size[1]}x24"]
    # -terminate: it also ends if we get killed, as soon as its last client is gone.
    options += ["-nolisten", "tcp", "-terminate"]
    server = subprocess.Popen(
        [xvfb, *options],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # out of reach of Ctrl-C
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as answer:
            number = answer.readline().strip()
        if not number:
            assert server.stderr is not None
            reason = server.stderr.read().decode(errors="replace").strip().splitlines()
            raise _did_not_start(size, reason[-1] if reason else "no message")
        # A client of our own: or the server would end when any program that comes before the
        # command has looked at the display and left.
        with _client(number, size):
            yield f":{number}"
    finally:
        server.terminate()
        server.wait()
        if server.stderr is not None:
            server.stderr.close()


def _client(number: str, size: tuple[int, int]) -> socket.socket:
    """Return an open connection to a display, which has been greeted by it.

    The greeting is that of the X protocol, version 11.0, little-endian, without authorisation.
    """
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(_START_SECONDS)
    try:
        client.connect(f"/tmp/.X11-unix/X{number}")
        client.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        greeting = client.recv(8)
    except OSError as error:
        client.close()
        raise _did_not_start(size, str(error)) from error
    if not greeting.startswith(b"\x01"):
        client.close()
        raise _did_not_start(size, "it refuses clients")
    return client


def _did_not_start(size: tuple[int, int], reason: str) -> EldynError:
    return EldynError(f"the virtual screen of {size[0]}×{size[1]} pixels did not start ({reason})")
