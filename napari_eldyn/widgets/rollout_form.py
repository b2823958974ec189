"""What a rollout is made with: model, reference, start, sampler, frames, seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QPushButton, QWidget

from napari_eldyn.viewer.controller import RolloutController
from napari_eldyn.viewer.layers import layer_trajectory
from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.reopening import is_rollout
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.widgets.model_info import ModelCardDialog, describe_model
from napari_eldyn.widgets.model_list import ModelList
from napari_eldyn.widgets.parts import note, row, set_note, spin

if TYPE_CHECKING:
    import napari

__all__ = ["RolloutForm"]

_SAMPLER_HELP = {
    "ddpm": "the paper's ancestral sampler, made for as many evaluations as the noise schedule "
    "has steps",
    "ddim": "deterministic from its first noise on, good with few evaluations",
    "heun": "second order in two evaluations a step (Karras et al. 2022), for few evaluations",
    "dpmpp_2m": "second order in one evaluation a step (DPM-Solver++), for few evaluations",
}


class RolloutForm(QWidget):
    """The settings of the next rollout, as the controller has them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Its trajectories can be the reference.
    control : RolloutController
        The viewer's.
    """

    acted = Signal()
    """The user chose something: messages so far are old."""

    def __init__(self, viewer: napari.viewer.Viewer, control: RolloutController) -> None:
        super().__init__()
        self.viewer = viewer
        self.controller = control
        self._build()
        self._lay_out()
        self._connect()
        self._fill_references()
        self._show_settings(control.settings)
        self._show_model(control.model)
        self._show_reference(control.reference_layer)

    def set_free(self, free: bool) -> None:
        """Let the settings of the rollout be changed, or not."""
        for widget in (self.start_frame, self.sampler, self.evaluations, self.seed):
            widget.setEnabled(free)

    # -- widgets ------------------------------------------------------------------------------

    def _build(self) -> None:
        self.model = ModelList()
        self.reference = QComboBox()
        self.reference.setToolTip(
            "Density trajectory to start from and to compare with; open one by dropping it into "
            "the window"
        )
        self.reference.setSizeAdjustPolicy(self.model.sizeAdjustPolicy())
        self.reference.setMinimumContentsLength(12)
        self.device = QComboBox()
        self.device.setToolTip("Where the model runs; auto takes a GPU if there is one")
        self.device.addItems(["auto", "cpu"])
        self.device_used = note()
        self.device_used.setToolTip("Device in use")
        self.model_info = QLabel("No model loaded")
        self.model_info.setWordWrap(True)
        self.model_info.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.card = QPushButton("Card …")
        self.card.setToolTip(
            "Model card: data, recipe, scores and versions that the model was trained with"
        )
        self.card.setEnabled(False)
        self.start_frame = spin(0, 0, "Frame of the reference to start from")
        self.start_time = note()
        self.start_time.setToolTip("Time of the start frame in fs")
        self.sampler = QComboBox()
        self.sampler.setPlaceholderText("the model's own")
        self.sampler.setToolTip("How frames are drawn from the model; choose a model first")
        self.evaluations = spin(
            0, 10_000, "Evaluations of the denoiser per generated frame: more is slower and better"
        )
        self.evaluations.setSpecialValueText("the model's own")
        self.n_frames = spin(1, 1_000_000, "Frames that Run generates")
        self.run_time = note()
        self.run_time.setToolTip("Simulated time of that many frames")
        self.seed = spin(0, 2**31 - 1, "Seed of the noise: the same seed gives the same frames")

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow("Model", row(self.model, self.card))
        form.addRow("Device", row(self.device, self.device_used))
        form.addRow(self.model_info)
        form.addRow("Reference", self.reference)
        form.addRow("Start frame", row(self.start_frame, self.start_time))
        form.addRow("Sampler", self.sampler)
        form.addRow("Evaluations", self.evaluations)
        form.addRow("Frames", row(self.n_frames, self.run_time))
        form.addRow("Seed", self.seed)

    # -- wiring -------------------------------------------------------------------------------

    def _connect(self) -> None:
        control = self.controller
        control.settings_changed.connect(self._show_settings)
        control.model_changed.connect(self._show_model)
        control.reference_changed.connect(self._show_reference)
        self.model.chosen.connect(self._choose_model)
        self.device.activated.connect(self._choose_device)
        self.reference.activated.connect(self._choose_reference)
        self.start_frame.valueChanged.connect(lambda v: control.configure(start_frame=v))
        self.sampler.activated.connect(self._choose_sampler)
        self.evaluations.valueChanged.connect(lambda v: control.configure(evaluations=v))
        self.n_frames.valueChanged.connect(lambda v: control.configure(n_frames=v))
        self.seed.valueChanged.connect(lambda v: control.configure(seed=v))
        self.card.clicked.connect(self._open_card)
        layers = self.viewer.layers.events
        layers.inserted.connect(self._fill_references)
        layers.removed.connect(self._fill_references)

    def _choose_model(self, path: Path) -> None:
        self.acted.emit()
        self.controller.set_model(path, self.device.currentText())

    def _choose_device(self) -> None:
        path = self.model.path()
        if path is not None:
            self._choose_model(path)

    def _open_card(self) -> None:
        if self.controller.model is not None:
            ModelCardDialog(self.controller.model, self).show()

    def _choose_reference(self) -> None:
        self.acted.emit()
        self.controller.set_reference(self.reference.currentData())

    def _choose_sampler(self) -> None:
        sampler, model = self.sampler.currentText(), self.controller.model
        if model is not None:
            self.controller.configure(sampler=sampler, evaluations=model.samplers[sampler])

    # -- what the controller says -------------------------------------------------------------

    def _fill_references(self, event: Any = None) -> None:
        layers = [x for x in self.viewer.layers if layer_trajectory(x) is not None]
        chosen = self.controller.reference_layer
        self.reference.clear()
        self.reference.addItem("choose …" if layers else "open a trajectory first", None)
        for layer in layers:
            trajectory = layer_trajectory(layer)
            self.reference.addItem(trajectory.name if trajectory else layer.name, layer)
            if layer is chosen:
                self.reference.setCurrentIndex(self.reference.count() - 1)
        if chosen is None and len(layers) == 1:
            only = layer_trajectory(layers[0])
            if only is not None and not is_rollout(only) and not self.controller.is_busy:
                self.controller.set_reference(layers[0])

    def _show_reference(self, layer: Any) -> None:
        self._fill_references()
        trajectory = layer_trajectory(layer)
        self.start_frame.setMaximum(0 if trajectory is None else len(trajectory) - 1)
        self._show_times()

    def _show_settings(self, settings: RolloutSettings) -> None:
        self.start_frame.setValue(settings.start_frame)
        self.sampler.setCurrentIndex(self.sampler.findText(settings.sampler))
        self.evaluations.setValue(settings.evaluations)
        self.n_frames.setValue(settings.n_frames)
        self.seed.setValue(settings.seed)
        self._show_times()

    def _show_times(self) -> None:
        """Show what the counts of frames mean in fs."""
        trajectory = layer_trajectory(self.controller.reference_layer)
        model, settings = self.controller.model, self.controller.settings
        set_note(
            self.start_time,
            ""
            if trajectory is None or settings.start_frame >= len(trajectory)
            else f"t = {trajectory.times[settings.start_frame]:g} fs",
        )
        set_note(
            self.run_time,
            "" if model is None else f"= {settings.n_frames * model.emulator.timestep:g} fs",
        )

    def _show_model(self, model: LoadedModel | None) -> None:
        if model is None:
            return
        self.model.add_model(model.path)
        set_note(self.device_used, f"on {model.device}")
        for name in model.devices:
            if self.device.findText(name) < 0:
                self.device.addItem(name)
        self.evaluations.setMaximum(model.most_evaluations)
        self._show_samplers(model)
        self.model_info.setText(describe_model(model))
        self.card.setEnabled(True)
        self._show_times()

    def _show_samplers(self, model: LoadedModel) -> None:
        self.sampler.clear()
        for place, (name, usual) in enumerate(model.samplers.items()):
            self.sampler.addItem(name)
            tip = f"{_SAMPLER_HELP.get(name, name)}; usually {usual} evaluations"
            self.sampler.setItemData(place, tip, Qt.ItemDataRole.ToolTipRole)
        helps = [f"{name}: {_SAMPLER_HELP.get(name, '')}" for name in model.samplers]
        self.sampler.setToolTip("\n".join(helps))
        self.sampler.setCurrentIndex(self.sampler.findText(self.controller.settings.sampler))
