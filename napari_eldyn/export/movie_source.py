"""What a viewer has to make a movie of: a rollout beside its reference, or a trajectory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.rollout_plots import (
    PlotChoices,
    RolloutPlot,
    ShownFrame,
    build_plot,
)
from napari_eldyn.figures.style import Palette
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.versions import installed_versions
from napari_eldyn.viewer.controller import RolloutController, controller_of
from napari_eldyn.viewer.layers import layer_trajectory, shows_density, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from napari import Viewer

    from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = ["MovieSource", "RolloutSource", "TrajectorySource", "movie_source"]


class MovieSource:
    """What a movie is made of.

    Attributes
    ----------
    times : ndarray, shape (steps,)
        Time of each step of the viewer's time axis [fs].
    cell : ndarray, shape (3, 3)
        Cell vectors as rows [Å].
    """

    times: NDArray[np.float64]
    cell: NDArray[np.float64]

    @property
    def why_no_plots(self) -> str:
        """Why plots cannot be shown; empty if they can."""
        return ""

    def point(self, step: int) -> float:
        """Where on the viewer's time axis a step is [fs]."""
        return float(self.times[step])

    def provenance(self) -> dict[str, Any]:
        """Where it comes from, as JSON values."""
        return {"versions": _versions()}

    def is_ready(self, step: int) -> bool:
        """Whether the volumes of a step are there, so that the viewer shows them."""
        return True

    def check(self) -> None:
        """Raise EldynError if no movie can be made now."""

    def describe(self, step: int) -> str:
        """Time of a step, as written into the frame."""
        return f"t = {self.times[step]:g} fs"

    def announce(self, step: int) -> None:
        """Tell the docks which step is shown, at once."""

    def notes(self, step: int) -> str:
        """Return remarks on a step."""
        return ""

    def warning(self, step: int) -> str:
        """Say what is missing or must not be overlooked at a step."""
        return ""

    def build(self, name: str, axes: Axes, palette: Palette) -> RolloutPlot:
        """Make a plot without frames."""
        raise EldynError(f"the plots cannot be shown: {self.why_no_plots}")

    def show(self, plots: dict[str, RolloutPlot], step: int) -> None:
        """Bring plots to a step: they show the rollout up to it."""


class TrajectorySource(MovieSource):
    """A trajectory shown by a layer."""

    def __init__(self, trajectory: DensityTrajectory, layer: Any) -> None:
        self._trajectory, self._layer = trajectory, layer
        self.times = np.asarray(trajectory.times)
        self.cell = np.asarray(trajectory.grid.cell)

    def point(self, step: int) -> float:
        """Return the place on the time axis; the slider has equal steps, the times may not."""
        first, increment = time_axis(self._trajectory)
        return first + step * increment

    @property
    def why_no_plots(self) -> str:
        """Plots compare a rollout with its reference."""
        return "plots compare a rollout with its reference, and there is no rollout"

    def provenance(self) -> dict[str, Any]:
        """Name and origin of the trajectory, and versions."""
        return _trajectory_record(self._trajectory) | {"versions": _versions()}

    def warning(self, step: int) -> str:
        """Say why a frame cannot be shown."""
        return str(self._layer.data.problems.get(step, ""))


class RolloutSource(MovieSource):
    """The present rollout of a viewer, beside its reference.

    Parameters
    ----------
    control : RolloutController
        With a rollout.
    choices : PlotChoices
        How the plots are drawn.
    """

    def __init__(self, control: RolloutController, choices: PlotChoices) -> None:
        session, comparison = control.session, control.comparison
        assert session is not None
        assert comparison is not None
        self._control, self._choices, self._session = control, choices, session
        self._pairing = comparison.pairing
        self._n_generated = session.n_generated
        self.times = np.array([self._pairing.time(k) for k in range(self._n_generated + 1)])
        self.cell = np.asarray(self._pairing.trajectory.grid.cell)
        self._history: RolloutHistory | None = None

    @property
    def why_no_plots(self) -> str:
        """Nothing is generated yet, or the reference is still being measured."""
        if self._n_generated == 0:
            return "no frames have been generated yet"
        if self._control.measured is None:
            return "the reference is still being measured"
        if len(self._control.generated_statistics) < self._n_generated:
            return "the statistics of the frames are still being counted"
        return ""

    def provenance(self) -> dict[str, Any]:
        """Model, seed, sampler, start, reference and versions."""
        return {
            "rollout": self._session.rollout.origin.model_dump(
                mode="json", exclude={"start_latent", "normalisation"}
            ),
            "generated frames": self._n_generated,
            "reference offset [fs]": self._pairing.offset_time,
            **_trajectory_record(self._pairing.trajectory),
            "versions": _versions(),
        }

    def check(self) -> None:
        """Raise EldynError while frames are generated, or after the rollout has been replaced."""
        state = self._control.state
        if state in ("running", "stopping", "loading", "saving"):
            raise EldynError(
                f"the rollout is {state}",
                remedy="Pause or stop it, then record: a movie needs frames that stay.",
            )
        if self._control.session is not self._session:
            raise EldynError("the rollout was replaced while the movie was recorded")

    def is_ready(self, step: int) -> bool:
        """Whether all panels show what they are to show."""
        return self._control.panels.is_ready(step)

    def announce(self, step: int) -> None:
        """Tell the docks, which otherwise hear of it a little later."""
        self._control.frame_shown.emit(step)

    def notes(self, step: int) -> str:
        """Return what the canvas of the window says, apart from the time."""
        return "   ".join(self._control.panels.remarks(step))

    def warning(self, step: int) -> str:
        """Say what the canvas of the window says in another colour."""
        return self._control.panels.warning(step)

    def build(self, name: str, axes: Axes, palette: Palette) -> RolloutPlot:
        """Make a plot with its reference, its time axis laid out for the whole rollout."""
        measured = self._control.measured
        if self.why_no_plots or measured is None:
            raise EldynError(f"the plots cannot be shown: {self.why_no_plots}")
        ends = (float(self.times[0]), float(self.times[-1]))
        return build_plot(name, axes, palette, measured.yardstick, self._choices, ends, live=True)

    def show(self, plots: dict[str, RolloutPlot], step: int) -> None:
        """Show the frames up to a step as lines that grow, and the step's frame alone."""
        measured = self._control.measured
        if measured is None or not plots:
            return
        made = self._control.generated_statistics
        if self._history is None or self._history.n > step:
            yardstick = measured.yardstick
            self._history = RolloutHistory(yardstick.settings, yardstick.reference)
        for index in range(self._history.n, min(step, len(made))):
            self._history.add(index, float(self.times[index + 1]), made[index])
        frame = self._pairing.reference_frame(step)
        shown = ShownFrame(
            float(self.times[step]),
            made[step - 1] if 0 < step <= len(made) else None,
            None if frame is None else measured.statistics[frame],
        )
        for plot in plots.values():
            plot.show(self._history, shown)


def movie_source(viewer: Viewer, choices: PlotChoices | None = None) -> MovieSource:
    """Find what a viewer has to make a movie of.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    choices : PlotChoices, optional
        How plots are drawn.

    Raises
    ------
    EldynError
        If there is neither a rollout nor a visible trajectory.
    """
    control = controller_of(viewer)
    if control.session is not None and control.comparison is not None:
        return RolloutSource(control, choices or PlotChoices())
    for layer in reversed(viewer.layers):
        trajectory = layer_trajectory(layer)
        if layer.visible and trajectory is not None and shows_density(layer):
            return TrajectorySource(trajectory, layer)
    raise EldynError(
        "there is nothing to make a movie of",
        remedy="Open a density trajectory, or make it visible in the layer list.",
    )


def _trajectory_record(trajectory: DensityTrajectory) -> dict[str, Any]:
    return {
        "trajectory": trajectory.name,
        "frames": len(trajectory),
        "time step [fs]": float(np.diff(trajectory.times).mean()) if len(trajectory) > 1 else None,
        "origin": trajectory.provenance,
    }


def _versions() -> dict[str, str]:
    return installed_versions("napari-eldyn", "napari", "vispy", "matplotlib", "numpy", "torch")
