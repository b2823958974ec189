"""Opens what is dropped on a window: on a thread, several files as one series, asking what lacks.

napari calls a reader once for every file, and waits. What comes from the user's hand (a drop, the
File menu) is therefore taken up here: all files of one drop together, one trajectory after the
other, with a way to cancel. Scripts call the reader and get their layers at once.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QDialog, QProgressDialog

from napari_eldyn.density.formats import open_any
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import MissingInformationError
from napari_eldyn.viewer._compat import is_shown, is_user_opening, main_window, unwrap
from napari_eldyn.viewer.layers import LayerTuple, trajectory_layers
from napari_eldyn.viewer.opening_answers import keep_answers, known_answers
from napari_eldyn.viewer.opening_paths import group_paths, sort_out
from napari_eldyn.viewer.opening_question import OptionQuestion
from napari_eldyn.viewer.worker import Job, explain_error, start_job

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Opening", "ask_for", "open_now", "opening_of"]

_PATIENCE_MS = 500  # before a window says that it is opening something
_MOST_CHECKED = 16  # files of a series whose headers are looked at when they are opened by hand


@dataclass(frozen=True)
class _Wish:
    """One trajectory to open."""

    paths: tuple[Path, ...]
    options: OpenOptions

    @property
    def name(self) -> str:
        first = self.paths[0].name
        return first if len(self.paths) == 1 else f"{first} and {len(self.paths) - 1} more"


class Opening(QObject):
    """Opens trajectories in a window, one after the other.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(main_window(viewer))
        self._viewer = weakref.ref(viewer)
        self._dropped: list[Path] = []
        self._wishes: deque[_Wish] = deque()
        self._now: tuple[_Wish, Job[list[LayerTuple]]] | None = None
        self._dialog: QProgressDialog | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._take_dropped)

    @property
    def is_busy(self) -> bool:
        """Whether something is being opened, or waits for it."""
        return bool(self._dropped or self._wishes or self._now)

    def take(self, paths: Sequence[str], stack: bool) -> list[str]:
        """Open the paths that are surely ours; return the others, for napari to open.

        Parameters
        ----------
        paths : sequence of str
            What was dropped, or chosen in a dialog.
        stack : bool
            Whether they are one trajectory whatever they are called.
        """
        ours, others = sort_out(paths)
        if ours and not (stack and others):
            self.open([ours] if stack else group_paths(ours))
            return others
        return list(paths)

    def gather(self, paths: Sequence[Path]) -> None:
        """Add to what one drop brings; it is opened when napari has gone through all of it."""
        self._dropped += paths
        self._soon.start()

    def open(self, groups: Sequence[Sequence[Path]]) -> None:
        """Open trajectories, each of one or several files."""
        self._wishes += [_Wish(tuple(group), known_answers(group[0])) for group in groups]
        self._next()

    def _take_dropped(self) -> None:
        if is_user_opening():  # napari shows its progress meanwhile, and so comes by here
            self._soon.start(20)
            return
        dropped, self._dropped = self._dropped, []
        if dropped:
            self.open(group_paths(dropped))

    def _next(self) -> None:
        if self._now is not None or not self._wishes:
            return
        wish = self._wishes.popleft()
        job = Job(f"Open {wish.name}", lambda job: _read(wish, job))
        self._now = (wish, job)
        self._show_progress(wish)
        start_job(job, self._finished)

    def _show_progress(self, wish: _Wish) -> None:
        viewer = self._viewer()
        if viewer is None or not is_shown(viewer):
            return
        dialog = QProgressDialog(f"Opening {wish.name} …", "Cancel", 0, 0, main_window(viewer))
        dialog.setWindowTitle("Open")
        dialog.setMinimumDuration(_PATIENCE_MS)
        dialog.canceled.connect(self.cancel)
        self._dialog = dialog

    def cancel(self) -> None:
        """Give up what is being opened, and what waits."""
        self._wishes.clear()
        if self._now is not None:
            self._now[1].stop()
        self._hide_progress()

    def _hide_progress(self) -> None:
        dialog, self._dialog = self._dialog, None
        if dialog is not None:
            dialog.canceled.disconnect(self.cancel)
            dialog.reset()  # or it would show itself later
            dialog.deleteLater()

    def _finished(self) -> None:
        assert self._now is not None
        (wish, job), self._now = self._now, None
        self._hide_progress()
        viewer = self._viewer()
        if viewer is not None and not job.should_stop():
            if isinstance(job.error, MissingInformationError):
                options = ask_for(viewer, job.error, wish.options)
                if options is not None:
                    self._wishes.appendleft(_Wish(wish.paths, options))
            elif job.error is not None:
                _show_error(explain_error(job.error))
            elif job.result is not None:
                keep_answers(wish.paths[0], wish.options)
                _add(viewer, job.result)
        self._next()


def _read(wish: _Wish, job: Job[Any]) -> list[LayerTuple]:
    """Open a trajectory and its first frame (worker thread)."""
    paths = wish.paths
    trajectory = open_any(paths[0] if len(paths) == 1 else paths, wish.options)
    for index in range(min(len(trajectory), _MOST_CHECKED) if len(paths) > 1 else 0):
        job.check()
        trajectory.positions_at(index)  # whose header says whether the file is one of the series
    job.check()
    return trajectory_layers(trajectory)


def open_now(viewer: Viewer | None, paths: Sequence[Path]) -> DensityTrajectory | None:
    """Open a trajectory at once, asking for what it lacks if the window is shown.

    Parameters
    ----------
    viewer : napari.Viewer or None
        Whose window asks.
    paths : sequence of Path
        One, or several of one trajectory.

    Returns
    -------
    DensityTrajectory or None
        None if the user gave up.

    Raises
    ------
    EldynError
        If it cannot be opened.
    """
    options = known_answers(paths[0])
    while True:
        try:
            trajectory = open_any(paths[0] if len(paths) == 1 else list(paths), options)
        except MissingInformationError as error:
            if viewer is None or not is_shown(viewer):
                raise
            answered = ask_for(viewer, error, options)
            if answered is None:
                return None
            options = answered
        else:
            keep_answers(paths[0], options)
            return trajectory


def ask_for(
    viewer: Viewer, error: MissingInformationError, options: OpenOptions
) -> OpenOptions | None:
    """Ask for what a file lacks; None if the user gives up, or there is no window to ask in."""
    if not is_shown(viewer):
        _show_error(str(error))
        return None
    question = OptionQuestion(error, main_window(viewer))
    try:
        if question.exec() != QDialog.DialogCode.Accepted:
            return None
        return question.answered(options)
    finally:
        question.deleteLater()


def _add(viewer: Viewer, layers: Sequence[LayerTuple]) -> None:
    from napari.layers import Layer

    for layer in layers:
        viewer.add_layer(Layer.create(*layer))


def _show_error(text: str) -> None:
    from napari.utils.notifications import show_error

    show_error(text)


_openings: weakref.WeakKeyDictionary[Any, Opening] = weakref.WeakKeyDictionary()


def opening_of(viewer: Viewer) -> Opening:
    """Return what opens trajectories in a viewer, made at the first call."""
    viewer = unwrap(viewer)
    opening = _openings.get(viewer)
    if opening is None:
        opening = _openings[viewer] = Opening(viewer)
    return opening
