"""The Movie dock: compose volumes and plots into a movie of the rollout or trajectory shown."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.formats import FORMATS
from napari_eldyn.export.movie import Movie, MovieProgress, Recording, preview, record
from napari_eldyn.export.movie_settings import MovieSettings
from napari_eldyn.export.movie_source import MovieSource, movie_source
from napari_eldyn.export.timeline import make_timeline
from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.closing import ClosingWatch
from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.docking import place_dock
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.widgets.messages import MessageArea
from napari_eldyn.widgets.model_info import format_duration
from napari_eldyn.widgets.movie_form import MovieForm
from napari_eldyn.widgets.movie_preview import MoviePreview
from napari_eldyn.widgets.parts import least_size, scrolling

if TYPE_CHECKING:
    import napari

__all__ = ["MovieDock"]

_GROUP = "movie"
_LOOK_AGAIN_MS = 250
_WAIT_MS = 5
_BUSY = "A movie is being recorded."


class MovieDock(QWidget):
    """Settings of a movie, its preview, and its recording.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = unwrap(napari_viewer)
        self.controller = controller_of(napari_viewer)
        self._recording: Recording | None = None
        self._target = Path()
        self._dialog: MoviePreview | None = None
        self._folder = ""
        self._build()
        self._restore()
        self._look_later = self._single_shot(_LOOK_AGAIN_MS, self.look_again)
        self._stepping = self._single_shot(0, self._step)
        self._connect()
        self.look_again()
        place_dock(napari_viewer, self, "left")

    # -- widgets ------------------------------------------------------------------------------

    def _build(self) -> None:
        self.form = MovieForm(self.viewer)
        self.estimate = QLabel()
        self.estimate.setWordWrap(True)
        self.estimate.setToolTip("Frames, length in seconds, and about how large the file will be")
        self.preview_button = QPushButton("Preview …")
        self.preview_button.setToolTip("Compose one frame as it will be in the movie")
        self.record_button = QPushButton("Record …")
        self.record_button.setToolTip(
            "Choose a file and record; the viewer is as it was afterwards. While it records, this "
            "button cancels and leaves no file."
        )
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.progress = QLabel()
        self.progress.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.messages = MessageArea()
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(5, 6, 5, 6)  # of 320 pixels in all
        column.addWidget(self.form)
        column.addStretch(1)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self.preview_button)
        buttons.addWidget(self.record_button)
        foot = QVBoxLayout()
        foot.setContentsMargins(6, 2, 6, 4)
        foot.setSpacing(4)
        foot.addWidget(self.estimate)
        foot.addLayout(buttons)
        foot.addWidget(self.bar)
        foot.addWidget(self.progress)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(2)
        outside.addWidget(scrolling(inside), 1)
        outside.addLayout(foot)  # outside of what scrolls: always in sight
        outside.addWidget(self.messages)
        self._inside = inside
        self._set_bar(0, 1)

    def _connect(self) -> None:
        control = self.controller
        for signal in (
            control.state_changed,
            control.session_started,
            control.reference_ready,
            control.reference_changed,
            control.updated,
        ):
            signal.connect(self._look_soon)
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self._look_soon)
        self.form.changed.connect(self._choose)
        self.preview_button.clicked.connect(self.open_preview)
        self.record_button.clicked.connect(self._record_or_cancel)
        window = main_window(self.viewer)
        if window is not None:
            ClosingWatch(window, self.cancel)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Never cut the content at the side; it may be scrolled."""
        return least_size(self._inside, 260)

    # -- choices ------------------------------------------------------------------------------

    @property
    def is_recording(self) -> bool:
        """Whether a movie is being recorded."""
        return self._recording is not None

    def look_again(self) -> None:
        """Find out what there is to make a movie of."""
        if self.is_recording:
            return
        try:
            source = movie_source(self.viewer)
        except EldynError as error:
            self.form.set_times(())
            self.form.set_why_no_plots("")
            self.messages.set_hint(str(error))
            self._tell_estimate(None)
            return
        self.messages.set_hint("")
        self.form.set_times(source.times.tolist())
        self.form.set_why_no_plots(source.why_no_plots)
        self._tell_estimate(source)

    def _look_soon(self, *_: object) -> None:
        if not self._look_later.isActive():
            self._look_later.start()

    def _choose(self) -> None:
        try:
            settings = self.form.settings()
        except EldynError:
            pass  # told when it matters: a choice may be half made
        else:
            remember(_GROUP, settings=settings.model_dump(mode="json", exclude={"first", "last"}))
        self._look_soon()

    def session_state(self) -> dict[str, Any]:
        """Return the settings, for a saved session; none if they do not go together."""
        try:
            return {"settings": self.form.settings().model_dump(mode="json")}
        except EldynError:
            return {}

    def restore_session_state(self, state: dict[str, Any]) -> None:
        """Show the settings of a saved session, unless they are of another version."""
        with contextlib.suppress(ValidationError):
            self.form.set_settings(MovieSettings.model_validate(state.get("settings", {})))

    def _restore(self) -> None:
        known = remembered(_GROUP)
        self._folder = known["folder"] if isinstance(known.get("folder"), str) else ""
        try:
            self.form.set_settings(MovieSettings.model_validate(known.get("settings", {})))
        except ValidationError:  # of another version
            self.form.set_settings(MovieSettings())

    def _settings(self, source: MovieSource) -> MovieSettings:
        """Return what is chosen; a layout with plots becomes one without where there are none.

        Raises
        ------
        EldynError
            If the choices do not go together.
        """
        settings = self.form.settings()
        if source.why_no_plots and settings.shown_plots:
            settings = settings.model_copy(update={"plots": ()})
        return settings

    def _tell_estimate(self, source: MovieSource | None) -> None:
        self.preview_button.setEnabled(source is not None)
        self.record_button.setEnabled(source is not None)
        if source is None:
            self.estimate.setText("")
            return
        try:
            settings = self._settings(source)
            timeline = make_timeline(settings, source.times)
        except EldynError as error:
            self.estimate.setText(str(error))
            return
        n = len(timeline.moments)
        size = n * settings.size[0] * settings.size[1] * FORMATS[settings.format].bytes_per_pixel
        self.estimate.setText(
            f"{n} frame{'' if n == 1 else 's'}, {timeline.seconds:.3g} s, about "
            f"{_megabytes(size)}. {timeline.note}"
        )

    # -- preview ------------------------------------------------------------------------------

    def open_preview(self) -> None:
        """Show one frame as it will be."""
        if self._dialog is None:
            self._dialog = MoviePreview(self._compose, self)
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.refresh()

    def _compose(self, progress: float) -> NDArray[np.uint8] | None:
        self.messages.clear()
        if self.is_recording:
            self.messages.complain(_BUSY)
            return None
        try:
            source = movie_source(self.viewer)
            return preview(self.viewer, self._settings(source), progress, source)
        except EldynError as error:
            self.messages.complain(str(error))
            return None

    # -- recording ----------------------------------------------------------------------------

    def _record_or_cancel(self) -> None:
        if self.is_recording:
            self.cancel()
            self.messages.inform("Cancelled; no file was left.")
            return
        movie_format = FORMATS[self.form.format.currentData()]
        suffixes = " ".join(f"*{suffix}" for suffix in movie_format.suffixes)
        name = f"movie{movie_format.suffixes[0] if movie_format.suffixes else ''}"
        title = "Record a movie" if suffixes else "Record frames into a new folder"
        chosen, _ = QFileDialog.getSaveFileName(
            self, title, str(Path(self._folder) / name), f"{movie_format.title} ({suffixes or '*'})"
        )
        if not chosen:
            return
        path = Path(chosen)
        if movie_format.suffixes and path.suffix.lower() not in movie_format.suffixes:
            path = path.with_name(path.name + movie_format.suffixes[0])
            if path.exists():  # the dialog has asked about another name
                self.messages.complain(f"{path} exists already. Choose another name.")
                return
        self.record(path, overwrite=True)

    def record(self, path: Path, *, overwrite: bool = False) -> None:
        """Begin to record; it goes on while the window stays alive.

        Parameters
        ----------
        path : Path
            The movie, or the folder of PNG frames.
        overwrite : bool
            Replace what is there.
        """
        if self.is_recording:
            return
        self.messages.clear()
        self._folder = str(path.parent)
        remember(_GROUP, folder=self._folder)
        try:
            source = movie_source(self.viewer)
            self._recording = record(
                self.viewer, path, self._settings(source), source=source, overwrite=overwrite
            )
        except EldynError as error:
            self.messages.complain(str(error))
            return
        self._target = path
        self._show_recording(True)
        self._stepping.start(0)

    def cancel(self) -> None:
        """End a recording without a file; the viewer comes back as it was."""
        recording, self._recording = self._recording, None
        self._stepping.stop()
        if recording is not None:
            recording.close()
            self._show_recording(False)

    def _step(self) -> None:
        """Record one frame, and the next one in the next turn of the event loop."""
        recording = self._recording
        if recording is None:
            return
        try:
            news = next(recording)
        except StopIteration as end:
            self._finish(end.value)
            return
        except EldynError as error:
            self.cancel()
            self.messages.complain(str(error))
            return
        except BaseException:
            self.cancel()
            raise
        self._show_progress(news)
        self._stepping.start(0 if news.stage == "recording" else _WAIT_MS)

    def _finish(self, movie: Movie) -> None:
        self._recording = None
        self._show_recording(False)
        files = movie.path.iterdir() if movie.path.is_dir() else [movie.path]
        size = _megabytes(sum(file.stat().st_size for file in files))
        self.messages.inform(f"{movie.path}: {movie.n_frames} frames, {size}. {movie.note}")

    def _show_recording(self, is_recording: bool) -> None:
        self.form.setEnabled(not is_recording)
        self.preview_button.setEnabled(not is_recording)
        self.record_button.setText("Cancel" if is_recording else "Record …")
        self._set_bar(0, 0 if is_recording else 1)
        self.progress.setText("preparing …" if is_recording else "")
        if not is_recording:
            self._look_soon()

    def _show_progress(self, news: MovieProgress) -> None:
        self._set_bar(news.done, news.total if news.stage != "finishing" else 0)
        text = f"{news.done} / {news.total} frames"
        if news.stage == "waiting":
            text += "   decoding …"
        elif news.stage == "finishing":
            text += "   finishing the file …"
        elif news.seconds_left is not None:
            text += f"   {format_duration(news.seconds_left)} left"
        self.progress.setText(text)

    def _set_bar(self, value: int, maximum: int) -> None:
        """Set the bar (busy if the maximum is 0) without Qt's repainting the window at once."""
        self.bar.setUpdatesEnabled(False)
        self.bar.setMaximum(maximum)
        self.bar.setValue(value)
        self.bar.setUpdatesEnabled(True)

    def _single_shot(self, milliseconds: int, action: Callable[[], object]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(action)
        return timer


def _megabytes(n_bytes: float) -> str:
    """Return a size in words, to two digits."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.2g} {unit}"
    return f"{max(1, n_bytes / 1e3):.0f} kB"
