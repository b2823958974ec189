"""The one error that users are shown, and how commands show it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["EldynError", "MissingInformationError", "run_command"]


class EldynError(Exception):
    """Bad input or a missing resource, told in words a user can act on.

    Parameters
    ----------
    problem : str
        What is wrong, as a sentence without a final full stop.
    path : path-like, optional
        The file or directory concerned; put in front of the message.
    remedy : str, optional
        What the user can do about it.
    """

    def __init__(
        self, problem: str, *, path: str | Path | None = None, remedy: str | None = None
    ) -> None:
        self.problem = problem
        self.path = None if path is None else Path(path)
        self.remedy = remedy
        message = f"{path}: {problem}" if path is not None else problem
        super().__init__(f"{message}. {remedy}" if remedy else message)


class MissingInformationError(EldynError):
    """A file leaves something open that the user can say, and that must not be guessed.

    Parameters
    ----------
    problem : str
        What the file does not say.
    option : {"cell", "unit", "timestep", "dataset", "kind"}
        The field of `OpenOptions` that answers it; on the command line ``--OPTION``.
    choices : tuple of str
        The answers to choose from, where there are but a few.
    path : path-like, optional
        The file.
    remedy : str, optional
        How to answer; by default, it names the option.
    """

    def __init__(
        self,
        problem: str,
        *,
        option: str,
        choices: tuple[str, ...] = (),
        path: str | Path | None = None,
        remedy: str | None = None,
    ) -> None:
        self.option = option
        self.choices = choices
        one_of = f" (one of {', '.join(choices)})" if choices else ""
        super().__init__(problem, path=path, remedy=remedy or f"Give it with --{option}{one_of}.")


_EXTRAS = {"torch": "emulator", "safetensors": "emulator", "h5py": "hdf5"}
"""Which extra of the distribution brings a module that only some commands need."""


def run_command(command: Callable[[], object], name: str) -> None:
    """Run a command line to its exit code.

    Parameters
    ----------
    command : callable
        Reads ``sys.argv`` and does the work.
    name : str
        Put in front of messages.

    Notes
    -----
    Errors that users can act on end in one message on stderr and exit code 1, Ctrl-C in 130. A
    command whose libraries are not installed names the extra that brings them.
    """
    try:
        command()
    except EldynError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRAS:
            raise
        print(
            f"{name}: this needs {module}, which is not installed. Install it with: "
            f"pip install 'napari-eldyn[{_EXTRAS[module]}]'",
            file=sys.stderr,
        )
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(130)
