"""Switches of what stands beside reference and generated density."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.panels import RolloutPanels

__all__ = ["PanelSwitches"]


class PanelSwitches(QWidget):
    """Check boxes of the panels: reconstruction, and the aligned view where it helps.

    Parameters
    ----------
    panels : RolloutPanels
        Those of the viewer.
    """

    def __init__(self, panels: RolloutPanels) -> None:
        super().__init__()
        self.reconstruction = QCheckBox("Reconstruction")
        self.reconstruction.setToolTip(
            "A third panel: the reference encoded and decoded. Its error is the autoencoder's; "
            "what the generated density errs beyond it is the rollout's."
        )
        self.aligned = QCheckBox("Aligned")
        self.aligned.setToolTip(
            "Move each generated frame by the shift that brings it nearest to the reference "
            "(FFT cross-correlation). The model generates statistics, not positions; the "
            "statistics are those of the frames as they are."
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        for box in (self.reconstruction, self.aligned):
            layout.addWidget(box)
        layout.addStretch(1)
        self.reconstruction.setChecked(panels.shows_reconstruction)
        self.aligned.setChecked(panels.aligned)
        self.aligned.hide()
        panels.reconstruction_toggled.connect(self.reconstruction.setChecked)
        panels.aligned_toggled.connect(self.aligned.setChecked)
        self.reconstruction.toggled.connect(lambda on: setattr(panels, "shows_reconstruction", on))
        self.aligned.toggled.connect(lambda on: setattr(panels, "aligned", on))

    def show_model(self, model: LoadedModel | None) -> None:
        """Offer what makes sense for a model."""
        self.aligned.setVisible(model is not None and not model.positions_comparable)
