"""What a figure shows and in which style: the choices of the Figures dock."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.kinds import FIGURE_KINDS
from napari_eldyn.figures.presets import COLUMNS, PRESETS, THEMES, FigureStyle
from napari_eldyn.viewer.controller import RolloutController
from napari_eldyn.widgets.figure_rollouts import FigureRollouts
from napari_eldyn.widgets.parts import row, spin

__all__ = ["FigureForm"]

_KIND_HELP = {
    "fig2": "Mid-plane slices of the reference and of rollouts at the same times",
    "fig3": "Distribution of the normalised density and S(q), with sJSD",
    "s1": "Distribution of the reference with its log-normal fit, μ and σ",
    "s2": "Reconstruction error of the autoencoder against optimisation steps of a training run",
    "isosurface": "Isosurfaces at a level, with the camera of the window",
    "volume": "Volumes as the window shows them: camera, contrast, colours, projection",
}


class FigureForm(QWidget):
    """Kind, journal, width, theme, resolution, title, rollouts, times and level of a figure.

    Parameters
    ----------
    controller : RolloutController
        That of the viewer.
    """

    kind_changed = Signal()
    restyled = Signal()
    """Another style or title."""
    changed = Signal()
    """Times or level."""

    def __init__(self, controller: RolloutController) -> None:
        super().__init__()
        self.kind = QComboBox()
        for name, one in FIGURE_KINDS.items():
            self.kind.addItem(one.title, name)
            place = self.kind.count() - 1
            self.kind.setItemData(place, _KIND_HELP[name], Qt.ItemDataRole.ToolTipRole)
        self.preset = QComboBox()
        for name, rules in PRESETS.items():
            self.preset.addItem(rules.title, name)
            tip = f"{rules.single:g} or {rules.double:g} mm wide, text of {rules.size:g} points"
            self.preset.setItemData(self.preset.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.preset.setToolTip("Widths (mm), fonts (points) and lines of a journal or slide")
        self.columns = QComboBox()
        self.columns.addItems([name.capitalize() for name in COLUMNS])
        self.columns.setToolTip("One or two columns of the journal, in mm")
        self.theme = QComboBox()
        self.theme.addItems([name.capitalize() for name in THEMES])
        self.theme.setToolTip("Dark writing on white, or light writing on dark")
        self.dpi = spin(72, 2400, "Dots per inch of pictures and renderings; journals ask for 300")
        self.dpi.setSuffix(" dpi")
        self.dpi.setValue(300)
        for box in (self.kind, self.preset, self.columns):
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            box.setMinimumContentsLength(8)
        self.title = QLineEdit()
        self.title.setPlaceholderText("none")
        self.title.setToolTip("Written above the figure")
        self.rollouts = FigureRollouts(controller)
        self.times = QLineEdit()
        self.times.setPlaceholderText("evenly spread")
        self.times.setToolTip(
            "Times since the start in fs, separated by commas: the columns of the figure"
        )
        self.level = QDoubleSpinBox()
        self.level.setDecimals(4)
        self.level.setRange(0.0, 1000.0)
        self.level.setSingleStep(0.005)
        self.level.setSpecialValueText("as in the window")
        self.level.setKeyboardTracking(False)
        self.level.setToolTip("Level of the isosurface in electrons/Å³")
        self.run = QPushButton("Training run …")
        self.run.setToolTip("Choose the folder that eldyn-train fit wrote; its log has the error")
        self._lay_out()
        self._connect()
        self._show_kind()
        self._show_widths()

    def _lay_out(self) -> None:
        self._rows = form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow("Figure", self.kind)
        form.addRow("Journal", self.preset)
        form.addRow("Width", self.columns)
        form.addRow("Style", row(self.dpi, self.theme))
        form.addRow("Title", self.title)
        form.addRow("Rollouts", self.rollouts)
        form.addRow("Times (fs)", self.times)
        form.addRow("Level (e/Å³)", self.level)
        form.addRow("", self.run)

    def _connect(self) -> None:
        self.kind.currentIndexChanged.connect(self._choose_kind)
        for box in (self.preset, self.columns, self.theme):
            box.currentIndexChanged.connect(self._restyle)
        self.dpi.valueChanged.connect(self._restyle)
        self.title.editingFinished.connect(self._restyle)
        self.times.editingFinished.connect(self.changed)
        self.level.valueChanged.connect(self.changed)

    # -- what is chosen -----------------------------------------------------------------------

    @property
    def chosen_kind(self) -> str:
        """Key of the kind of figure."""
        return str(self.kind.currentData())

    @property
    def style_chosen(self) -> FigureStyle:
        """Preset, width, theme and dots per inch as chosen."""
        return FigureStyle(
            str(self.preset.currentData()),
            COLUMNS[self.columns.currentIndex()],
            THEMES[self.theme.currentIndex()],
            self.dpi.value(),
        )

    @property
    def title_chosen(self) -> str:
        """Title, or an empty text."""
        return self.title.text().strip()

    @property
    def times_chosen(self) -> list[float] | None:
        """Times since the start in fs, rising; None for evenly spread ones.

        Raises
        ------
        EldynError
            If what was written are not numbers.
        """
        text = self.times.text()
        if not text.strip():
            return None
        parts = text.replace(";", ",").split(",")
        try:
            return sorted({float(part) for part in parts if part.strip()})
        except ValueError as error:
            raise EldynError(
                f"the times '{text}' are not numbers", remedy="For instance 0, 100, 200 (fs)."
            ) from error

    def choices(self) -> dict[str, Any]:
        """Return what is chosen, as `choose` takes it."""
        style = self.style_chosen
        return {
            "kind": self.chosen_kind,
            "preset": style.preset,
            "columns": style.columns,
            "theme": style.theme,
            "dpi": style.dpi,
            "level": self.level.value(),
            "times": self.times.text(),
        }

    def choose(self, choices: dict[str, Any]) -> None:
        """Take up what was chosen, as far as it is still possible."""
        for box, key in ((self.kind, "kind"), (self.preset, "preset")):
            place = box.findData(choices.get(key))
            box.setCurrentIndex(max(place, 0))
        for box, key, known in ((self.columns, "columns", COLUMNS), (self.theme, "theme", THEMES)):
            value = choices.get(key)
            box.setCurrentIndex(known.index(value) if value in known else 0)
        dpi, level = choices.get("dpi"), choices.get("level")
        if isinstance(dpi, int) and 72 <= dpi <= 2400:
            self.dpi.setValue(dpi)
        if isinstance(level, (int, float)) and 0 <= level <= 1000:
            self.level.setValue(level)
        if isinstance(times := choices.get("times"), str):
            self.times.setText(times)

    def show_as(self, kind: str) -> None:
        """Show a kind of figure that was chosen elsewhere, without saying that it changed."""
        self.kind.blockSignals(True)
        self.kind.setCurrentIndex(self.kind.findData(kind))
        self.kind.blockSignals(False)
        self._show_kind()

    def _choose_kind(self) -> None:
        self._show_kind()
        self.kind_changed.emit()

    def _restyle(self) -> None:
        self._show_widths()
        self.restyled.emit()

    def _show_kind(self) -> None:
        """Show the controls that the kind of figure has."""
        kind = self.chosen_kind
        for widget, kinds in (
            (self.rollouts, ("fig2", "fig3", "isosurface", "volume")),
            (self.times, ("fig2", "isosurface", "volume")),
            (self.level, ("isosurface",)),
            (self.run, ("s2",)),
        ):
            self._rows.setRowVisible(widget, kind in kinds)
        self.kind.setToolTip(_KIND_HELP[kind])

    def _show_widths(self) -> None:
        """Say how wide the columns of the journal are."""
        rules = PRESETS[str(self.preset.currentData())]
        for place, width in enumerate((rules.single, rules.double)):
            self.columns.setItemText(place, f"{COLUMNS[place].capitalize()}, {width:g} mm")
