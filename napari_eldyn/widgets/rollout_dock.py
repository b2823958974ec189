"""The Rollout dock: choose model, reference and sampler; run, pause, look back, save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.docking import place_dock
from napari_eldyn.viewer.layers import layer_trajectory
from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.run_progress import RunProgress
from napari_eldyn.viewer.session import Session
from napari_eldyn.widgets.messages import MessageArea
from napari_eldyn.widgets.model_info import ModelCardDialog, describe_model, format_duration
from napari_eldyn.widgets.model_list import ModelList
from napari_eldyn.widgets.parts import note, row, set_note, spin

if TYPE_CHECKING:
    import napari

__all__ = ["RolloutDock"]

_SAMPLER_HELP = {
    "ddpm": "the paper's ancestral sampler, made for as many evaluations as the noise schedule "
    "has steps",
    "ddim": "deterministic from its first noise on, good with few evaluations",
    "heun": "second order in two evaluations a step (Karras et al. 2022), for few evaluations",
    "dpmpp_2m": "second order in one evaluation a step (DPM-Solver++), for few evaluations",
}


class RolloutDock(QWidget):
    """A thin face of the viewer's `RolloutController`.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.controller = controller_of(napari_viewer)
        self._build()
        self._connect()
        self._fill_references()
        self._show_settings(self.controller.settings)
        self._show_model(self.controller.model)
        self._show_reference(self.controller.reference_layer)
        self._update_enabled()
        place_dock(napari_viewer, self, "left")

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
        self.card = QPushButton("Model card …")
        self.card.setToolTip("Data, recipe, scores and versions that the model was trained with")
        self.card.setEnabled(False)

        self.start_frame = spin(0, 0, "Frame of the reference to start from")
        self.start_time = note()
        self.start_time.setToolTip("Time of the start frame in fs")
        self.sampler = QComboBox()
        self.sampler.setPlaceholderText("the model's own")
        self.evaluations = spin(
            0, 10_000, "Evaluations of the denoiser per generated frame: more is slower and better"
        )
        self.evaluations.setSpecialValueText("the model's own")
        self.n_frames = spin(1, 1_000_000, "Frames that Run generates")
        self.run_time = note()
        self.run_time.setToolTip("Simulated time of that many frames")
        self.seed = spin(0, 2**31 - 1, "Seed of the noise: the same seed gives the same frames")

        self.buttons: dict[str, QPushButton] = {}
        for name, tip in (
            ("Step", "Generate one frame"),
            ("Run", "Generate the number of frames set above; after a pause, those left"),
            ("Pause", "Finish the frame in the making, then wait; Run goes on"),
            ("Stop", "End at once; the frames made so far are kept"),
            ("Reset", "Discard the generated frames and start over with the settings above"),
            ("Save …", "Write the generated frames as an .eldyn trajectory"),
        ):
            self.buttons[name] = QPushButton(name)
            self.buttons[name].setToolTip(tip)
        self.follow = QCheckBox("Follow live")
        self.follow.setChecked(True)
        self.follow.setToolTip(
            "Show the newest frame while it runs. Moving the time slider switches this off; tick "
            "it to come back."
        )
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.progress = QLabel()
        # A longer text never widens the dock.
        self.progress.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.messages = MessageArea()
        self._lay_out()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow("Model", self.model)
        form.addRow("Device", row(self.device, self.device_used))
        form.addRow(self.model_info)
        form.addRow("", self.card)
        form.addRow("Reference", self.reference)
        form.addRow("Start frame", row(self.start_frame, self.start_time))
        form.addRow("Sampler", self.sampler)
        form.addRow("Evaluations", self.evaluations)
        form.addRow("Frames", row(self.n_frames, self.run_time))
        form.addRow("Seed", self.seed)
        grid = QGridLayout()
        grid.setSpacing(4)
        for place, button in enumerate(self.buttons.values()):
            grid.addWidget(button, place // 3, place % 3)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        column.addLayout(form)
        column.addLayout(grid)
        column.addWidget(row(self.bar, self.follow))
        column.addWidget(self.progress)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(scroll, 1)
        outside.addWidget(self.messages)  # outside of what scrolls: an error is always in sight
        self._inside = inside

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Never cut the content at the side; it may be scrolled."""
        style = self.style()
        assert style is not None
        bar = style.pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
        return QSize(self._inside.minimumSizeHint().width() + bar, 200)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for the height of the content: a dock below takes the rest."""
        return self._inside.sizeHint() + QSize(0, self.messages.sizeHint().height())

    # -- wiring -------------------------------------------------------------------------------

    def _connect(self) -> None:
        control = self.controller
        control.state_changed.connect(self._update_enabled)
        control.settings_changed.connect(self._show_settings)
        control.model_changed.connect(self._show_model)
        control.reference_changed.connect(self._show_reference)
        control.session_started.connect(self._show_session)
        control.progressed.connect(self._show_progress)
        control.follow_changed.connect(self.follow.setChecked)
        control.message.connect(self.messages.inform)
        control.failed.connect(self.messages.complain)
        self.model.chosen.connect(self._choose_model)
        self.device.activated.connect(self._choose_device)
        self.reference.activated.connect(self._choose_reference)
        self.start_frame.valueChanged.connect(lambda v: control.configure(start_frame=v))
        self.sampler.activated.connect(self._choose_sampler)
        self.evaluations.valueChanged.connect(lambda v: control.configure(evaluations=v))
        self.n_frames.valueChanged.connect(lambda v: control.configure(n_frames=v))
        self.seed.valueChanged.connect(lambda v: control.configure(seed=v))
        for name, action in (
            ("Step", control.step),
            ("Run", control.run),
            ("Pause", control.pause),
            ("Stop", control.stop),
            ("Reset", control.reset),
            ("Save …", self._save),
        ):
            self.buttons[name].clicked.connect(lambda _=False, act=action: self._act(act))
        self.card.clicked.connect(self._open_card)
        self.follow.toggled.connect(lambda on: setattr(control, "follow_live", on))
        layers = self.viewer.layers.events
        layers.inserted.connect(self._fill_references)
        layers.removed.connect(self._fill_references)

    def _act(self, action: Any) -> None:
        self.messages.clear()
        action()

    def _choose_model(self, path: Path) -> None:
        self._act(lambda: self.controller.set_model(path, self.device.currentText()))

    def _choose_device(self) -> None:
        path = self.model.path()
        if path is not None:
            self._choose_model(path)

    def _open_card(self) -> None:
        if self.controller.model is not None:
            ModelCardDialog(self.controller.model, self).show()

    def _choose_reference(self) -> None:
        self._act(lambda: self.controller.set_reference(self.reference.currentData()))

    def _choose_sampler(self) -> None:
        sampler, model = self.sampler.currentText(), self.controller.model
        if model is not None:
            self.controller.configure(sampler=sampler, evaluations=model.samplers[sampler])

    def _save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the rollout", "rollout.eldyn", "Density trajectory (*.eldyn)"
        )
        if name:
            path = Path(name)
            # The dialog has already asked whether to replace what is there.
            self.controller.save(path.with_suffix(".eldyn"), overwrite=True)

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
            self.controller.set_reference(layers[0])

    def _show_reference(self, layer: Any) -> None:
        self._fill_references()
        trajectory = layer_trajectory(layer)
        self.start_frame.setMaximum(0 if trajectory is None else len(trajectory) - 1)
        self._show_times()
        self._update_enabled()

    def _show_settings(self, settings: RolloutSettings) -> None:
        self.start_frame.setValue(settings.start_frame)
        self.sampler.setCurrentIndex(self.sampler.findText(settings.sampler))
        self.evaluations.setValue(settings.evaluations)
        self.n_frames.setValue(settings.n_frames)
        self.seed.setValue(settings.seed)
        self._show_times()
        self._update_enabled()

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

    def _show_session(self, session: Session | None) -> None:
        self._set_bar(0, 1)
        self.progress.setText("")
        self._update_enabled()

    def _show_progress(self, progress: RunProgress) -> None:
        self._set_bar(progress.done, progress.total)
        text = f"{progress.done} / {progress.total} frames"
        if progress.rate is not None:
            text += f"   {progress.rate:.3g} frames/s"
        if progress.remaining is not None and progress.done < progress.total:
            text += f"   {format_duration(progress.remaining)} left"
        self.progress.setText(text)

    def _update_enabled(self, _state: str = "") -> None:
        control = self.controller
        state, stale = control.state, control.needs_reset and control.has_frames
        resting = state in ("ready", "paused")
        can_run = resting and not stale
        for name, enabled in (
            ("Step", can_run),
            ("Run", can_run),
            ("Pause", state == "running"),
            ("Stop", state in ("running", "paused", "loading", "saving")),
            ("Reset", resting and control.has_frames),
            ("Save …", resting and control.has_frames),
        ):
            self.buttons[name].setEnabled(enabled)
        self.buttons["Run"].setText("Resume" if state == "paused" else "Run")
        free = state not in ("running", "stopping", "saving")
        for widget in (self.start_frame, self.sampler, self.evaluations, self.seed):
            widget.setEnabled(free)
        self.messages.set_hint(self._hint(state, stale))
        if state in ("loading", "saving", "stopping"):
            self._set_bar(0, 0)
            self.progress.setText({"loading": "loading …", "saving": "saving …"}.get(state, "…"))
        elif self.bar.maximum() == 0:
            self._set_bar(0, 1)
            self.progress.setText("")

    def _set_bar(self, value: int, maximum: int) -> None:
        """Set the bar (busy if the maximum is 0) without Qt's repainting the window at once."""
        self.bar.setUpdatesEnabled(False)
        self.bar.setMaximum(maximum)
        self.bar.setValue(value)
        self.bar.setUpdatesEnabled(True)

    def _hint(self, state: str, stale: bool) -> str:
        control = self.controller
        if stale:
            n = len(control.generated_statistics)
            return (
                f"These settings make another rollout. Reset starts it and discards {n} frames; "
                "save them first to keep them."
            )
        if state == "idle":
            missing = [
                name
                for name, value in (
                    ("a model", control.model),
                    ("a reference trajectory", control.reference_layer),
                )
                if value is None
            ]
            return f"Choose {' and '.join(missing)}." if missing else ""
        return ""
