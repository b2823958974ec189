"""What happened to one trajectory, one JSON object a line, written where it runs."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from napari_eldyn.density.files import writing
from napari_eldyn.versions import installed_versions

__all__ = ["Journal", "JournalSummary", "now"]

_PROGRAMS = ("napari-eldyn", "gpaw", "ase", "numpy", "parsl")


def now() -> str:
    """Return the time as ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class JournalSummary:
    """What a journal says in all."""

    attempts: int
    """How often the trajectory was started."""
    started: str | None
    """First start."""
    active: bool
    """Whether the last attempt has not told of its end; it may have been killed."""
    host: str | None
    """Where the last attempt ran."""
    process: int | None
    """Its process there."""
    versions: dict[str, str]
    """Of the programs of the last attempt."""


@dataclass(frozen=True)
class Journal:
    """A file that each attempt at a trajectory adds a line to, at its start and at its end."""

    path: Path

    def start(self) -> None:
        """Tell that an attempt begins in this process."""
        self._append(
            {
                "event": "start",
                "time": now(),
                "host": socket.gethostname(),
                "process": os.getpid(),
                "versions": installed_versions(*_PROGRAMS),
            }
        )

    def end(self, outcome: str) -> None:
        """Tell how the attempt ended."""
        self._append({"event": "end", "time": now(), "outcome": outcome})

    def summary(self) -> JournalSummary:
        """Count and date the attempts."""
        starts, active = [], False
        for entry in self._entries():
            active = entry["event"] == "start"
            if active:
                starts.append(entry)
        last = starts[-1] if starts else {}
        return JournalSummary(
            attempts=len(starts),
            started=starts[0]["time"] if starts else None,
            active=active,
            host=last.get("host"),
            process=last.get("process"),
            versions=last.get("versions", {}),
        )

    def _append(self, entry: Mapping[str, Any]) -> None:
        with writing(self.path), self.path.open("ab+") as file:
            # A killed process may have left a line without its end.
            if file.tell() and _last_byte(file) != b"\n":
                file.write(b"\n")
            file.write(json.dumps(dict(entry)).encode() + b"\n")

    def _entries(self) -> Iterator[dict[str, Any]]:
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and "event" in entry:
                yield entry


def _last_byte(file: Any) -> bytes:
    file.seek(-1, os.SEEK_END)
    last: bytes = file.read(1)
    return last
