"""The one error that users are shown."""

from __future__ import annotations

from pathlib import Path

__all__ = ["EldynError"]


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
