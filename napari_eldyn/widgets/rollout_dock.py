"""The Rollout dock: choose model, reference and sampler; run, keep, compare, look back, save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QSize
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.figures.style import palette_on
from napari_eldyn.viewer.controller import RolloutController, controller_of
from napari_eldyn.viewer.docking import place_dock
from napari_eldyn.viewer.layers import layer_trajectory
from napari_eldyn.viewer.reopening import is_rollout
from napari_eldyn.viewer.run_progress import RunProgress
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.session_commands import open_rollout
from napari_eldyn.widgets.messages import MessageArea
from napari_eldyn.widgets.model_info import format_duration
from napari_eldyn.widgets.offer import Offer
from napari_eldyn.widgets.parts import least_size, row, scrolling
from napari_eldyn.widgets.rollout_choices import RolloutChoices
from napari_eldyn.widgets.rollout_form import RolloutForm
from napari_eldyn.widgets.rollout_list import RolloutList
from napari_eldyn.widgets.section import Section

if TYPE_CHECKING:
    import napari

__all__ = ["RolloutDock"]

_BUTTONS = (
    ("Step", "Generate one frame [S]"),
    ("Run", "Generate the number of frames set above; after a pause, those left [Space]"),
    ("Pause", "Finish the frame in the making, then wait; Run goes on [Space]"),
    ("Stop", "End at once; the frames made so far are kept [Esc]"),
    ("Reset", "Start over with the settings above; frames that are not kept are discarded"),
    ("Keep", "Keep this rollout in the list, to compare others with it or to come back to it"),
    ("Save …", "Write the generated frames as an .eldyn trajectory, latents included"),
    (
        "Open …",
        "Take up a stored rollout (.eldyn with latents): it goes on where it ended, beside the "
        "trajectory that it started from",
    ),
)


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
        self.choices = RolloutChoices(self, self.controller)
        self._build()
        self._lay_out()
        self._connect()
        self._update_enabled()
        self.choices.restore()
        place_dock(napari_viewer, self, "left")

    # -- widgets ------------------------------------------------------------------------------

    def _build(self) -> None:
        self.form = RolloutForm(self.viewer, self.controller)
        self.rollouts = RolloutList(self.controller)
        self.rollouts.keep.hide()  # it is among the buttons here
        self._follow_theme()
        self.rollouts_section = Section("Rollouts", self.rollouts)
        self.buttons: dict[str, QPushButton] = {}
        for name, tip in _BUTTONS:
            self.buttons[name] = QPushButton(name)
            self.buttons[name].setToolTip(tip)
        self.follow = QCheckBox("Follow live")
        self.follow.setChecked(True)
        self.follow.setToolTip(
            "Show the newest frame while it runs. Moving the time slider switches this off; tick "
            "it to come back. [L]"
        )
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.progress = QLabel()
        # A longer text never widens the dock.
        self.progress.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.offer = Offer()
        self.messages = MessageArea()

    def _lay_out(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        column.addWidget(self.form)
        column.addWidget(self.rollouts_section)
        column.addStretch(1)
        pinned = QWidget()
        below = QVBoxLayout(pinned)
        below.setContentsMargins(6, 2, 6, 2)
        below.setSpacing(4)
        grid = QGridLayout()
        grid.setSpacing(4)
        for place, button in enumerate(self.buttons.values()):
            button.setMinimumWidth(20)  # four fit into a narrow column
            grid.addWidget(button, place // 4, place % 4)
        below.addLayout(grid)
        below.addWidget(row(self.bar, self.follow))
        below.addWidget(self.progress)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(0)
        outside.addWidget(scrolling(inside), 1)
        # Outside of what scrolls: what runs it, and an error, are always in sight.
        outside.addWidget(pinned)
        outside.addWidget(self.offer)
        outside.addWidget(self.messages)
        self._inside, self._pinned = inside, pinned

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Never cut the content at the side; it may be scrolled."""
        least = least_size(self._inside, 240)
        return least.expandedTo(QSize(self._pinned.minimumSizeHint().width(), 0))

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for the height of the content: a dock below takes the rest."""
        heights = [x.sizeHint().height() for x in (self._inside, self._pinned, self.messages)]
        return QSize(self._inside.sizeHint().width(), sum(heights))

    # -- wiring -------------------------------------------------------------------------------

    def _connect(self) -> None:
        control = self.controller
        control.state_changed.connect(self._update_enabled)
        for news in (
            control.settings_changed,
            control.model_changed,
            control.reference_changed,
            control.shelf.changed,
        ):
            news.connect(self._update_enabled)
        control.session_started.connect(self._show_session)
        control.progressed.connect(self._show_progress)
        control.follow_changed.connect(self.follow.setChecked)
        control.message.connect(self.messages.inform)
        control.failed.connect(self.messages.complain)
        control.shelf.changed.connect(self._offer_discarded)
        self.form.acted.connect(self.messages.clear)
        self.form.device.activated.connect(
            lambda: self.choices.note_device(self.form.device.currentText())
        )
        for name, action in (
            ("Step", control.step),
            ("Run", control.run),
            ("Pause", control.pause),
            ("Stop", control.stop),
            ("Reset", control.reset),
            ("Keep", control.keep),
            ("Save …", self._save),
            ("Open …", lambda: open_rollout(self.viewer)),
        ):
            self.buttons[name].clicked.connect(lambda _=False, act=action: self._act(act))
        self.follow.toggled.connect(lambda on: setattr(control, "follow_live", on))
        self.viewer.layers.events.inserted.connect(self._offer_stored)
        self.viewer.events.theme.connect(self._follow_theme)

    def _follow_theme(self, event: object = None) -> None:
        theme = get_theme(self.viewer.theme)
        self.rollouts.set_palette(palette_on(str(theme.background), str(theme.text)))

    def _act(self, action: Any) -> None:
        self.messages.clear()
        action()

    def _save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the rollout", "rollout.eldyn", "Density trajectory (*.eldyn)"
        )
        if name:
            path = Path(name)
            # The dialog has already asked whether to replace what is there.
            self.controller.save(path.with_suffix(".eldyn"), overwrite=True)

    # -- offers -------------------------------------------------------------------------------

    def _offer_discarded(self) -> None:
        """Offer to bring back frames that were discarded."""
        discarded = self.controller.shelf.discarded
        if discarded is None:
            if self.offer.button.text() == "Bring back":
                self.offer.withdraw()
            return
        self.offer.make(
            f"{len(discarded.statistics)} frames were discarded.",
            "Bring back",
            f"{discarded.description}: show it again; the present rollout is kept",
            self.controller.bring_back,
        )

    def _offer_stored(self, event: Any) -> None:
        """Offer to take up a stored rollout that was opened as a trajectory."""
        layer = event.value
        trajectory = layer_trajectory(layer)
        if trajectory is None or trajectory.path is None or not is_rollout(trajectory):
            return
        path = trajectory.path

        def take_up() -> None:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
            self._act(lambda: self.controller.open_rollout(path))

        self.offer.make(
            f"{trajectory.name} is a stored rollout.",
            "Take it up",
            "Show it beside the trajectory that it started from, and go on with it where it ended; "
            "this takes the place of the layer",
            take_up,
        )

    # -- what the controller says -------------------------------------------------------------

    def _show_session(self, session: Session | None) -> None:
        self._set_bar(0, 1)
        self.progress.setText("")
        self._update_enabled()

    def _show_progress(self, progress: RunProgress) -> None:
        self._set_bar(progress.done, progress.total)
        text = f"{progress.done} / {progress.total} frames"
        if progress.what:
            text = f"{progress.what}: {text}"
        if progress.rate is not None:
            text += f"   {progress.rate:.3g} frames/s"
        if progress.remaining is not None and progress.done < progress.total:
            text += f"   {format_duration(progress.remaining)} left"
        self.progress.setText(text)

    def _update_enabled(self, _news: object = None) -> None:
        control = self.controller
        state, current = control.state, control.shelf.current
        stale = control.needs_reset and control.frames_to_lose > 0
        resting = state in ("ready", "paused")
        can_run = resting and not control.needs_reset
        is_kept = current is not None and current.is_kept
        for name, enabled in (
            ("Step", can_run),
            ("Run", can_run),
            ("Pause", state == "running"),
            ("Stop", state in ("running", "paused", "loading", "saving", "measuring", "members")),
            ("Reset", (resting and control.has_frames) or _was_given_up(control)),
            ("Keep", resting and control.has_frames and not is_kept),
            ("Save …", resting and control.has_frames),
            ("Open …", state in ("idle", "ready", "paused")),
        ):
            self.buttons[name].setEnabled(enabled)
        self.buttons["Run"].setText("Resume" if state == "paused" else "Run")
        self.form.set_free(state not in ("running", "stopping", "saving", "measuring", "members"))
        self.rollouts_section.setVisible(bool(control.shelf.rollouts))
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
            return (
                "These settings make another rollout. Keep holds on to the "
                f"{control.frames_to_lose} frames so far and starts it; Reset discards them."
            )
        if state == "measuring":
            return "Counting the statistics of the stored frames; Stop and Run go on later."
        if state == "idle":
            missing = [
                name
                for name, value in (
                    ("a model", control.model),
                    ("a reference trajectory", control.reference_layer),
                )
                if value is None
            ]
            if missing:
                return f"Choose {' and '.join(missing)}."
            return "The rollout was not started. Reset starts it."
        return ""

    # -- a saved session ----------------------------------------------------------------------

    def session_state(self) -> dict[str, Any]:
        """Return the choices that are the dock's own, for a saved session."""
        return {
            "rollouts_open": self.rollouts_section.header.isChecked(),
            "follow": self.follow.isChecked(),
        }

    def restore_session_state(self, state: dict[str, Any]) -> None:
        """Take choices of a saved session over."""
        if isinstance(state.get("rollouts_open"), bool):
            self.rollouts_section.set_open(state["rollouts_open"])
        if isinstance(state.get("follow"), bool):
            self.follow.setChecked(state["follow"])


def _was_given_up(control: RolloutController) -> bool:
    """Whether starting a rollout was stopped, or failed, with all that it needs."""
    chosen = control.model is not None and control.reference_layer is not None
    return control.state == "idle" and chosen
