"""Commands on a virtual screen: a real Xvfb, seen from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCREENLESS = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
START = """
import sys
from napari_eldyn.export.screen import continue_on_virtual_screen, has_screen
assert not has_screen()
continue_on_virtual_screen([sys.executable, "-c", sys.argv[1]], (1234, 567))
"""
SHOW_SCREEN = """
from qtpy.QtWidgets import QApplication
from napari_eldyn.export.screen import has_screen, on_virtual_screen
app = QApplication([])
size = app.primaryScreen().size()
print(has_screen(), on_virtual_screen(), size.width(), size.height())
"""
LOOK_TWICE = """
import subprocess, sys
from napari_eldyn.export.screen import has_screen
LOOK = "from qtpy.QtWidgets import QApplication; QApplication([]).primaryScreen()"
for _ in range(2):
    subprocess.run([sys.executable, "-c", LOOK], check=True)
print(has_screen())
"""
WAIT = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(os.environ["DISPLAY"], flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""


def command(code: str) -> list[str]:
    return [sys.executable, "-c", START, code]


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(code),
        env=SCREENLESS | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def is_gone(display: str) -> bool:
    return not Path(f"/tmp/.X11-unix/X{display.lstrip(':')}").exists()


def test_a_window_system_of_the_size_asked_for() -> None:
    done = run(SHOW_SCREEN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True", "1234", "567"]


def test_a_program_that_leaves_does_not_end_the_screen() -> None:
    done = run(LOOK_TWICE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 128 + 9)],
)
def test_exit_code_is_the_commands(code: str, expected: int) -> None:
    done = run(f"import os; print(os.environ['DISPLAY'], flush=True); {code}")
    assert done.returncode == expected
    assert is_gone(done.stdout.strip())


@pytest.mark.parametrize(
    ("number", "to_group", "expected"), [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 7)]
)
def test_signals_reach_the_command_and_the_screen_ends(
    number: signal.Signals, to_group: bool, expected: int
) -> None:
    with subprocess.Popen(
        command(WAIT), env=SCREENLESS, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        display = process.stdout.readline().strip()
        if to_group:  # what a terminal does on Ctrl-C
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        assert process.wait(30) == expected
    assert is_gone(display)


def test_no_xvfb(tmp_path: Path) -> None:
    done = run("pass", PATH=str(tmp_path))
    assert done.returncode != 0
    assert "no Xvfb to make a virtual one" in done.stderr
