"""Members of the ensemble: make more, and choose which one the generated panel shows."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_eldyn.viewer.controller import RolloutController
from napari_eldyn.viewer.run_progress import RunProgress
from napari_eldyn.widgets.model_info import format_duration
from napari_eldyn.widgets.parts import row, spin

__all__ = ["MemberBox"]

_MOST = 64


class MemberBox(QWidget):
    """Member picker, number of members to make, progress.

    Parameters
    ----------
    controller : RolloutController
        That of the viewer.
    """

    def __init__(self, controller: RolloutController) -> None:
        super().__init__()
        self.controller = controller
        self.member = QComboBox()
        self.member.setToolTip(
            "Which member the generated panel shows. Difference, aligned and the numbers on the "
            "canvas are then that member's."
        )
        self.member.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.member.setMinimumContentsLength(12)
        self.n_members = spin(
            1, _MOST, "Rollouts to add that differ from the present one in the seed alone"
        )
        self.n_members.setValue(2)
        self.n_members.setPrefix("add ")
        self.run = QPushButton("Run members")
        self.stop = QPushButton("Stop")
        self.stop.setToolTip("Give up the member in the making; members that are done are kept")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.progress = QLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(row(self.n_members, self.run, self.stop))
        column.addWidget(self.bar)
        column.addWidget(self.progress)
        self.run.clicked.connect(lambda: controller.run_members(self.n_members.value()))
        self.stop.clicked.connect(controller.stop)
        self.member.activated.connect(self._choose)
        controller.panels.possible_changed.connect(self._fill)
        controller.panels.member_changed.connect(self._fill)
        controller.shelf.changed.connect(self._fill)
        controller.state_changed.connect(self._update)
        controller.settings_changed.connect(self._update)
        controller.updated.connect(self._update)
        controller.progressed.connect(self._show_progress)
        self._fill()

    def _choose(self, place: int) -> None:
        members = self.controller.panels.members
        if place < len(members):
            self.controller.panels.member = place

    def _fill(self) -> None:
        panels, live = self.controller.panels, self.controller.session
        members = panels.members
        self.member.clear()
        for place, session in enumerate(members):
            seed = session.settings.seed
            self.member.addItem(f"seed {seed} (current)" if session is live else f"seed {seed}")
            if place == panels.member or (panels.member is None and session is live):
                self.member.setCurrentIndex(place)
        if not members:
            self.member.addItem("one member")
        self.member.setEnabled(len(members) > 1)
        self._update()

    def _update(self, _: object = None) -> None:
        control = self.controller
        making = control.state == "members"
        why = self._why_not()
        self.run.setEnabled(not why)
        n_frames = len(control.generated_statistics)
        self.run.setToolTip(
            why
            or f"Generate rollouts of {n_frames} frames with the next seeds, in the background; "
            "mean and standard deviation are then over all members"
        )
        self.stop.setVisible(making)
        self.bar.setVisible(making)
        self.progress.setVisible(making)

    def _why_not(self) -> str:
        control = self.controller
        if not control.has_frames:
            return "Run the rollout first: its members get as many frames."
        if control.state not in ("ready", "paused"):
            return "Something else is under way."
        if control.needs_reset:
            return "The settings make another rollout: reset or keep the present one first."
        return ""

    def _show_progress(self, progress: RunProgress) -> None:
        if self.controller.state != "members":
            return
        self.bar.setMaximum(progress.total)
        self.bar.setValue(progress.done)
        text = f"{progress.done} / {progress.total} frames"
        if progress.what:
            text = f"{progress.what}: {text}"
        if progress.remaining is not None and progress.done < progress.total:
            text += f", {format_duration(progress.remaining)} left"
        self.progress.setText(text)
