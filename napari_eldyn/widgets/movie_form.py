"""The choices of the Movie dock: one widget for each of the movie's settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.formats import FORMATS
from napari_eldyn.export.movie_settings import MovieSettings
from napari_eldyn.figures.rollout_plots import PLOT_TITLES
from napari_eldyn.widgets.movie_keys import CameraKeys
from napari_eldyn.widgets.parts import note, row, set_note, spin
from napari_eldyn.widgets.section import Section

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["MovieForm"]

SIZES = {
    "HD, 1280×720": (1280, 720),
    "Full HD, 1920×1080": (1920, 1080),
    "4K, 3840×2160": (3840, 2160),
    "Square, 1080×1080": (1080, 1080),
    "Small, 640×360": (640, 360),
}
_OWN_SIZE = "Own size"
_SPIN_WIDTH = 80  # napari asks for more than numbers need
_CAMERAS = {"As in the window": "still", "Turntable": "turntable", "Key frames": "keys"}
_SLICES = {"None": "none", "Plane": "plane", "Cut open": "cut"}
_LAYOUTS = {
    "Plots at the right": "right",
    "Plots below": "below",
    "No plots": "none",
    "Whole window": "window",
}
_THEMES = {"As the window": "window", "Dark": "dark", "Light": "light"}


class MovieForm(QWidget):
    """All settings of a movie.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose camera gives key frames.
    """

    changed = Signal()
    """A choice was made."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._times: Sequence[float] = ()
        self._filling = False
        self._own_size = False  # asked for, though it may be one of the usual ones
        self._build()
        self._lay_out()
        self._connect()
        self._follow_choices()

    # -- widgets ------------------------------------------------------------------------------

    def _build(self) -> None:
        self.format = _combo({item.title: item.name for item in FORMATS.values()})
        self.format.setToolTip(
            "H.264 plays everywhere; VP9 and AV1 are smaller; ProRes is for editing; GIF for "
            "slides; PNG frames are exact"
        )
        self.preset = _combo({**{name: name for name in SIZES}, _OWN_SIZE: _OWN_SIZE})
        self.preset.setToolTip("Size of the movie in pixels")
        self.n_columns = _count(2, 16384, "Width in pixels; even for all formats but GIF and PNG")
        self.n_rows = _count(2, 16384, "Height in pixels; even for all formats but GIF and PNG")
        self.fps = _decimal(0.1, 240, 1, 20, "Frames per second")
        self.first = _count(0, 0, "First frame of the time axis")
        self.last = _count(0, 0, "Last frame of the time axis")
        self.times = note()
        self.times.setToolTip("Times of the first and the last frame in fs")
        self.pace = _combo({"Every frame once": "all", "fs per second": "speed", "Stand still": ""})
        self.pace.setToolTip(
            "How time runs: every frame once, a physical time in fs per second of the movie, or "
            "not at all (the first frame throughout, for camera and slices to move in)"
        )
        self.speed = _decimal(0.01, 1e6, 2, 80, "Physical time in fs per second of the movie")
        self.frozen = _decimal(0.1, 3600, 1, 6, "Length of the movie in seconds")
        self.hold_start = _decimal(0, 60, 1, 0, "Seconds for which the first picture stands still")
        self.hold_end = _decimal(0, 60, 1, 0, "Seconds for which the last picture stands still")
        self.camera = _combo(_CAMERAS)
        self.camera.setToolTip(
            "Where the camera is: as in the window, once round the vertical axis of the cell, or "
            "along key frames"
        )
        self.turns = _decimal(-100, 100, 2, 1, "Turns over the movie; negative: the other way")
        self.keys = CameraKeys(self._viewer, self._moment_shown)
        self.slices = _combo(_SLICES)
        self.slices.setToolTip(
            "A plane that moves through the volumes along a lattice direction: shown alone, or "
            "with what lies behind it"
        )
        self.axis = _combo({axis: axis for axis in "abc"})
        self.axis.setToolTip("Lattice direction along which the plane moves")
        self.slice_from = _decimal(0, 100, 0, 0, "Where the plane starts, in % of the cell")
        self.slice_to = _decimal(0, 100, 0, 100, "Where the plane ends, in % of the cell")
        self.thickness = _decimal(0.01, 100, 2, 0.5, "Thickness of the plane in Å")
        self.layout_choice = _combo(_LAYOUTS)
        self.layout_choice.setToolTip("What stands beside the volumes")
        self.plots = {name: QCheckBox(title) for name, title in PLOT_TITLES.items()}
        for box in self.plots.values():
            box.setToolTip("Show this plot; it grows with the movie's time")
        self.why_no_plots = note()
        self.why_no_plots.setWordWrap(True)
        self.title = QLineEdit()
        self.title.setPlaceholderText("none")
        self.title.setMaxLength(200)
        self.title.setToolTip("Above the picture; also stored in the movie")
        self.theme = _combo(_THEMES)
        self.theme.setToolTip("Colours around volumes and plots")
        self.extras = {
            name: QCheckBox(text)
            for name, text in (
                ("time", "Time"),
                ("scale_bar", "Scale bar"),
                ("colour_bar", "Colour bar"),
                ("names", "Names"),
            )
        }
        for box, tip in zip(
            self.extras.values(),
            (
                "Time in fs",
                "Length in Å at the centre of the view",
                "Density in electrons/Å³",
                "Names of the panels",
            ),
            strict=True,
        ):
            box.setToolTip(tip)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self._size_row = row(self.n_columns, QLabel("×"), self.n_rows)
        file = _form(
            ("Format", self.format), ("Size", self.preset), ("", self._size_row),
            ("Frames/s", self.fps),
        )  # fmt: skip
        self._time_form = _form(
            ("Frames", row(self.first, QLabel("to"), self.last)),
            ("", self.times),
            ("Time", self.pace),
            ("fs/s", self.speed),
            ("Seconds", self.frozen),
            ("Hold (s)", row(self.hold_start, QLabel("end"), self.hold_end)),
        )
        self._camera_form = _form(("Camera", self.camera), ("Turns", self.turns), ("", self.keys))
        self._slice_form = _form(
            ("Slices", self.slices),
            ("Along", self.axis),
            ("From (%)", row(self.slice_from, QLabel("to"), self.slice_to)),
            ("Thick (Å)", self.thickness),
        )
        plots = QWidget()
        grid = QGridLayout(plots)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        for place, box in enumerate(self.plots.values()):
            grid.addWidget(box, place, 0)
        self._plot_boxes = plots
        extras = QWidget()
        grid = QGridLayout(extras)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        for place, box in enumerate(self.extras.values()):
            grid.addWidget(box, place // 2, place % 2)
        frame = _form(
            ("Layout", self.layout_choice), ("Title", self.title), ("Theme", self.theme),
            ("Show", extras),
        )  # fmt: skip
        inside = QWidget()
        inner = QVBoxLayout(inside)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(4)
        for part in (frame, plots, self.why_no_plots):
            inner.addWidget(part)
        self.sections = {
            "File": Section("File", file),
            "Time": Section("Time", self._time_form),
            "Camera and slices": Section(
                "Camera and slices", _column(self._camera_form, self._slice_form)
            ),
            "Frame": Section("Frame", inside),
        }
        for section in self.sections.values():
            column.addWidget(section)

    def _connect(self) -> None:
        for combo in (
            self.format, self.pace, self.camera, self.slices, self.axis, self.layout_choice,
            self.theme,
        ):  # fmt: skip
            combo.currentIndexChanged.connect(self._choose)
        for box in (
            self.n_columns, self.n_rows, self.fps, self.first, self.last, self.speed, self.frozen,
            self.hold_start, self.hold_end, self.turns, self.slice_from, self.slice_to,
            self.thickness,
        ):  # fmt: skip
            box.valueChanged.connect(self._choose)
        for check in (*self.plots.values(), *self.extras.values()):
            check.toggled.connect(self._choose)
        self.title.textChanged.connect(self._choose)
        self.keys.changed.connect(self._choose)
        self.preset.currentIndexChanged.connect(self._choose_preset)

    # -- settings -----------------------------------------------------------------------------

    def settings(self) -> MovieSettings:
        """Return what is chosen.

        Raises
        ------
        EldynError
            If the choices do not go together.
        """
        pace = self.pace.currentData()
        values: dict[str, Any] = {
            "format": self.format.currentData(),
            "size": (self.n_columns.value(), self.n_rows.value()),
            "fps": self.fps.value(),
            "speed": self.speed.value() if pace == "speed" else None,
            "frozen": self.frozen.value() if pace == "" else None,
            "first": self.first.value(),
            "last": None if self.last.value() == self.last.maximum() else self.last.value(),
            "hold_start": self.hold_start.value(),
            "hold_end": self.hold_end.value(),
            "camera": self.camera.currentData(),
            "turns": self.turns.value(),
            "keys": self.keys.keys,
            "slices": self.slices.currentData(),
            "slice_axis": self.axis.currentData(),
            "slice_from": self.slice_from.value() / 100,
            "slice_to": self.slice_to.value() / 100,
            "slice_thickness": self.thickness.value(),
            "layout": self.layout_choice.currentData(),
            "plots": tuple(name for name, box in self.plots.items() if box.isChecked()),
            "title": self.title.text().strip(),
            "theme": self.theme.currentData(),
            **{name: box.isChecked() for name, box in self.extras.items()},
        }
        try:
            return MovieSettings(**values)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise EldynError(problem[0].upper() + problem[1:]) from error

    def set_settings(self, settings: MovieSettings) -> None:
        """Show other settings; frames that the time axis does not have are left out."""
        self._filling = True
        self._own_size = False
        _choose(self.format, settings.format)
        self.n_columns.setValue(settings.size[0])
        self.n_rows.setValue(settings.size[1])
        self.fps.setValue(settings.fps)
        if settings.frozen is not None:
            self.frozen.setValue(settings.frozen)
        if settings.speed is not None:
            self.speed.setValue(settings.speed)
        pace = "" if settings.frozen is not None else "all" if settings.speed is None else "speed"
        _choose(self.pace, pace)
        self.first.setValue(settings.first)
        self.last.setValue(self.last.maximum() if settings.last is None else settings.last)
        self.hold_start.setValue(settings.hold_start)
        self.hold_end.setValue(settings.hold_end)
        _choose(self.camera, settings.camera)
        self.turns.setValue(settings.turns)
        self.keys.set_keys(settings.keys)
        _choose(self.slices, settings.slices)
        _choose(self.axis, settings.slice_axis)
        self.slice_from.setValue(100 * settings.slice_from)
        self.slice_to.setValue(100 * settings.slice_to)
        self.thickness.setValue(settings.slice_thickness)
        _choose(self.layout_choice, settings.layout)
        for name, box in self.plots.items():
            box.setChecked(name in settings.plots)
        self.title.setText(settings.title)
        _choose(self.theme, settings.theme)
        for name, box in self.extras.items():
            box.setChecked(getattr(settings, name))
        self._filling = False
        self._choose()

    def set_times(self, times: Sequence[float]) -> None:
        """Lay out the time axis.

        Parameters
        ----------
        times : sequence of float
            Time of each step [fs]; empty if there is nothing to record.
        """
        if len(times) == len(self._times) and list(times) == list(self._times):
            return
        to_the_end = self.last.value() == self.last.maximum()
        self._times = times
        self._filling = True
        end = max(0, len(times) - 1)
        self.first.setMaximum(end)
        self.last.setMaximum(end)
        if to_the_end:
            self.last.setValue(end)
        self._filling = False
        self._choose()

    def set_why_no_plots(self, reason: str) -> None:
        """Say why plots cannot be shown; empty if they can."""
        self._plot_boxes.setEnabled(not reason)
        set_note(self.why_no_plots, f"No plots: {reason}." if reason else "")

    # -- reactions ----------------------------------------------------------------------------

    def _choose(self, *_: Any) -> None:
        if not self._filling:
            self._follow_choices()
            self.changed.emit()

    def _choose_preset(self) -> None:
        if self._filling:
            return
        size = SIZES.get(self.preset.currentData())
        self._own_size = size is None
        if size is not None:
            self._filling = True
            self.n_columns.setValue(size[0])
            self.n_rows.setValue(size[1])
            self._filling = False
        self._choose()

    def _follow_choices(self) -> None:
        """Show what belongs to the choices, and hide the rest."""
        even = FORMATS[self.format.currentData()].even
        for box, must in zip((self.n_columns, self.n_rows), even, strict=True):
            box.setSingleStep(2 if must else 1)
        size = (self.n_columns.value(), self.n_rows.value())
        names = [name for name, value in SIZES.items() if value == size and not self._own_size]
        name = names[0] if names else _OWN_SIZE
        self._filling = True
        _choose(self.preset, name)
        self._filling = False
        self._size_row.setVisible(name == _OWN_SIZE)
        pace, camera = self.pace.currentData(), self.camera.currentData()
        for form, widget, shown in (
            (self._time_form, self.speed, pace == "speed"),
            (self._time_form, self.frozen, pace == ""),
            (self._time_form, self.times, bool(self._times)),
            (self._camera_form, self.turns, camera == "turntable"),
            (self._camera_form, self.keys, camera == "keys"),
            (self._slice_form, self.axis, self.slices.currentData() != "none"),
            (self._slice_form, self.slice_from.parentWidget(), self.slices.currentData() != "none"),
            (self._slice_form, self.thickness, self.slices.currentData() == "plane"),
        ):
            rows = form.layout()
            assert isinstance(rows, QFormLayout)
            rows.setRowVisible(widget, shown)
        with_plots = self.layout_choice.currentData() in ("right", "below")
        self._plot_boxes.setVisible(with_plots)
        whole_window = self.layout_choice.currentData() == "window"
        for widget in (self.theme, *self.extras.values()):
            widget.setEnabled(not whole_window)
        if len(self._times):
            ends = (self._times[self.first.value()], self._times[self.last.value()])
            self.times.setText(
                f"t = {ends[0]:g} fs" if pace == "" else f"t = {ends[0]:g} to {ends[1]:g} fs"
            )
        self.last.setEnabled(pace != "")

    def _moment_shown(self) -> float | None:
        """Moment of the movie at which the step shown appears."""
        if self.pace.currentData() == "" or len(self._times) < 2:
            return None
        first, last = (self._times[box.value()] for box in (self.first, self.last))
        dims = self._viewer.dims
        if last <= first or dims.ndim < 4:
            return None
        share = (dims.point[dims.ndim - 4] - first) / (last - first)
        return float(min(max(share, 0.0), 1.0))


def _combo(items: dict[str, Any]) -> QComboBox:
    combo = QComboBox()
    for text, data in items.items():
        combo.addItem(text, data)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    return combo


def _choose(combo: QComboBox, data: Any) -> None:
    combo.setCurrentIndex(max(0, combo.findData(data)))


def _count(low: int, high: int, tip: str) -> QSpinBox:
    box = spin(low, high, tip)
    box.setMinimumWidth(_SPIN_WIDTH)
    return box


def _decimal(low: float, high: float, digits: int, value: float, tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(digits)
    box.setRange(low, high)
    box.setValue(value)
    box.setToolTip(tip)
    box.setKeyboardTracking(False)
    box.setMinimumWidth(_SPIN_WIDTH)
    return box


def _form(*rows: tuple[str, QWidget]) -> QWidget:
    holder = QWidget()
    form = QFormLayout(holder)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(4)
    for label, widget in rows:
        if label:
            form.addRow(label, widget)
        else:
            form.addRow(widget)
    return holder


def _column(*widgets: QWidget) -> QWidget:
    holder = QWidget()
    column = QVBoxLayout(holder)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(4)
    for widget in widgets:
        column.addWidget(widget)
    return holder
