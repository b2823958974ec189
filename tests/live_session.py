"""A live session under test: the viewer, its controller, and what the controller has said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import napari
from pytestqt.qtbot import QtBot

from napari_eldyn.viewer.controller import RolloutController


@dataclass
class Live:
    """A viewer, its controller, and what the controller has said."""

    viewer: napari.Viewer
    control: RolloutController
    qtbot: QtBot
    failures: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    updates: list[Any] = field(default_factory=list)

    def wait(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        self.qtbot.waitUntil(condition, timeout=int(1000 * seconds))

    def wait_state(self, *states: str) -> None:
        self.wait(lambda: self.control.state in states)

    def run_to_end(self) -> None:
        self.control.run()
        self.wait_state("ready", "idle")

    @property
    def text(self) -> str:
        return str(self.viewer.canvas.overlays.text.text)

    @property
    def n_frames(self) -> int:
        session = self.control.session
        return 0 if session is None else session.n_generated
