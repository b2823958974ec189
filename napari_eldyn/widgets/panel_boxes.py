"""Choice of panels, of 3D or 2D, and of the time offset of the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QWidget,
)

from napari_eldyn.viewer.panels import PANELS, RolloutPanels
from napari_eldyn.viewer.shortcuts import MENU_KEYS
from napari_eldyn.widgets.parts import note, set_note, spin

if TYPE_CHECKING:
    import napari

__all__ = ["PANEL_TITLES", "OffsetRow", "PanelBoxes", "ViewSwitch"]

PANEL_TITLES = {
    "generated": "Generated",
    "reference": "Reference",
    "reconstruction": "Reconstruction",
    "difference": "Difference",
    "aligned": "Aligned",
    "mean": "Ensemble mean",
    "std": "Ensemble std",
}

_TIPS = {
    "generated": "What the model generates, in electrons/Å³",
    "reference": "The reference trajectory at the same time, in electrons/Å³",
    "reconstruction": "The reference encoded and decoded. Its error is the autoencoder's; what the "
    "generated density errs beyond it is the rollout's.",
    "difference": "Generated − reference in electrons/Å³: orange where there is more than in the "
    "reference, blue where there is less",
    "aligned": "The generated frame moved by the shift that brings it nearest to the reference "
    "(FFT cross-correlation); the canvas tells the shift in Å and the correlation",
    "mean": "Mean over the members of the ensemble (the same rollout with other seeds), in "
    "electrons/Å³",
    "std": "Standard deviation over the members of the ensemble, in electrons/Å³: where the model "
    "is uncertain",
}


class PanelBoxes(QWidget):
    """A check box for each panel.

    Parameters
    ----------
    panels : RolloutPanels
        Those of the viewer.
    """

    def __init__(self, panels: RolloutPanels) -> None:
        super().__init__()
        self._panels = panels
        self.boxes: dict[str, QCheckBox] = {}
        self.fit = QPushButton("Fit scales")
        self.fit.setToolTip(
            "Spread the colours of difference and standard deviation over the frame shown; the "
            "scales then stay as they are"
        )
        self.fit.clicked.connect(panels.fit_scales)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(3)
        for place, name in enumerate(PANELS):
            box = self.boxes[name] = QCheckBox(PANEL_TITLES[name])
            box.clicked.connect(lambda on, name=name: panels.set_shown(name, on))
            grid.addWidget(box, place // 2, place % 2)
        grid.addWidget(self.fit, len(PANELS) // 2, len(PANELS) % 2)
        panels.shown_changed.connect(self._update)
        panels.possible_changed.connect(self._update)
        self._update()

    def _update(self, *_: object) -> None:
        shown = [name for name in PANELS if self._panels.is_shown(name)]
        for name, box in self.boxes.items():
            reason = self._panels.why_not(name)
            last = shown == [name]
            box.setChecked(name in shown)
            box.setEnabled(not reason and not last)
            tip = f"{_TIPS[name]} [{MENU_KEYS[name]}]"
            if reason:
                tip += f"\n\nNot now: {reason}."
            elif last:
                tip += "\n\nOne panel stays."
            box.setToolTip(tip)
        self.fit.setEnabled(bool({"difference", "std"}.intersection(shown)))


class ViewSwitch(QWidget):
    """3D volumes or 2D slices.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.volumes, self.slices = QPushButton("3D volumes"), QPushButton("2D slices")
        self.volumes.setToolTip("Whole cells, projected")
        self.slices.setToolTip(
            "The mid-plane of the cell, and below the canvas a strip of the same plane at other "
            "times"
        )
        group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for button, ndisplay in ((self.volumes, 3), (self.slices, 2)):
            button.setCheckable(True)
            group.addButton(button)
            row.addWidget(button)
            button.clicked.connect(lambda _=False, n=ndisplay: setattr(viewer.dims, "ndisplay", n))
        viewer.dims.events.ndisplay.connect(self._update)
        self._update()

    def _update(self, event: object = None) -> None:
        is_3d = self._viewer.dims.ndisplay == 3
        self.volumes.setChecked(is_3d)
        self.slices.setChecked(not is_3d)


class OffsetRow(QWidget):
    """Time offset of the reference, in its frames and in fs.

    Parameters
    ----------
    panels : RolloutPanels
        Those of the viewer.
    """

    def __init__(self, panels: RolloutPanels) -> None:
        super().__init__()
        self._panels = panels
        self.frames = spin(
            0,
            0,
            "Reference frames by which the reference is shown later than the generated frame "
            "(negative: earlier). Reference, reconstruction, difference, aligned and the numbers "
            "on the canvas follow it; the statistics do not.",
        )
        self.frames.setSuffix(" frames")
        self.time = note()
        self.time.setToolTip("The offset in fs: positive is later")
        self.reset = QPushButton("0")
        self.reset.setToolTip("No offset: both at the same time")
        self.reset.setMaximumWidth(28)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.frames, 1)
        row.addWidget(self.time)
        row.addWidget(self.reset)
        self.frames.valueChanged.connect(lambda value: setattr(panels, "offset", value))
        self.reset.clicked.connect(lambda: setattr(panels, "offset", 0))
        panels.offset_changed.connect(self._update)
        panels.possible_changed.connect(self._update)
        self._update()

    def _update(self, *_: object) -> None:
        offset, pairing = self._panels.offset, self._panels.pairing
        self.frames.blockSignals(True)
        self.frames.setRange(*self._panels.offset_range)
        self.frames.setValue(offset)
        self.frames.blockSignals(False)
        self.setEnabled(pairing is not None)
        self.reset.setEnabled(offset != 0)
        time = 0.0 if pairing is None else pairing.offset_time
        text = f"= {time:+g} fs" if time else "= 0 fs"
        set_note(self.time, "" if pairing is None else text.replace("-", "−"))
