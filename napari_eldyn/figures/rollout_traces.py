"""Plots of a rollout against time: divergence, electron count, extremes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from napari_eldyn.figures.divergence_plot import DivergencePlot
from napari_eldyn.figures.live_plot import FloatArray
from napari_eldyn.figures.rollout_plot import PlotChoices, RolloutPlot, ShownFrame, Yardstick
from napari_eldyn.figures.style import Palette
from napari_eldyn.figures.time_axis import frame_band
from napari_eldyn.figures.trace_plot import TracePlot
from napari_eldyn.observables.rollout_history import RolloutHistory

__all__ = ["RolloutDivergence", "RolloutElectrons", "RolloutExtremes"]

# Between the panels of the extremes, as a share of the height of one.
_GAP = 0.1


class RolloutDivergence(DivergencePlot, RolloutPlot):
    """Divergence of each frame and of the mean so far, with the levels that give it meaning.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    yardstick : Yardstick
        The reference.
    choices : PlotChoices
        Its `divergence` counts.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        yardstick: Yardstick,
        choices: PlotChoices,
        *,
        live: bool = False,
    ) -> None:
        super().__init__(axes, palette, divergence=choices.divergence, live=live)
        self._history: RolloutHistory | None = None
        self._noise: float | None = None
        levels = yardstick.levels
        if levels is not None:
            self._noise = self.scale * levels.noise.sjsd
            self.set_reference_levels(levels)

    def show(self, history: RolloutHistory | None, shown: ShownFrame) -> None:
        """Show the frames so far, and mark the time of the one looked at."""
        self._history = history
        if history is None:
            self.set_history([], [], [])
        else:
            frames, running = history.frame_sjsd, history.running_sjsd
            if self.scale != 1.0:
                frames, running = self.scale * frames, self.scale * running
            self.set_history(history.times, frames, running)
        self.set_cursor(shown.time)

    def table(self) -> dict[str, FloatArray]:
        """Return both divergences, frame by frame."""
        history, empty = self._history, np.empty(0)
        return {
            "time (fs)": empty if history is None else history.times,
            "sJSD of the frame (dimensionless)": empty if history is None else history.frame_sjsd,
            "sJSD of the mean so far (dimensionless)": (
                empty if history is None else history.running_sjsd
            ),
            "JSD of the frame (nats)": empty if history is None else history.frame_jsd,
            "JSD of the mean so far (nats)": empty if history is None else history.running_jsd,
        }

    def read(self, x: float, y: float) -> str:
        """Give the divergences at a time."""
        history = self._history
        place = None if history is None else self.frame_near(history.times, x)
        if history is None or place is None:
            return ""
        frame, running = history.frame_sjsd[place], history.running_sjsd[place]
        text = (
            f"{history.times[place]:g} fs: {self.label} of the frame {self.scale * frame:.3g}\n"
            f"of the mean so far {self.scale * running:.3g}"
        )
        if self._noise is not None:
            text += f" (noise of the reference {self._noise:.2g})"
        return text


class RolloutElectrons(TracePlot, RolloutPlot):
    """Electron count of each frame over the reference's.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    yardstick : Yardstick
        The reference.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self, axes: Axes, palette: Palette, yardstick: Yardstick, *, live: bool = False
    ) -> None:
        super().__init__(axes, palette, "electrons", least=2e-3, live=live)
        self._history: RolloutHistory | None = None
        self._expected = yardstick.reference.electrons
        series = yardstick.series
        self.set_level(
            self._expected,
            None if series is None else frame_band(series.electrons),
            f"expected {self._expected:.2f}",
        )
        self.legend()

    def show(self, history: RolloutHistory | None, shown: ShownFrame) -> None:
        """Show the frames so far, and mark the time of the one looked at."""
        self._history = history
        if history is None:
            self.set_history([], [])
        else:
            self.set_history(history.times, history.electrons)
        self.set_cursor(shown.time)

    def table(self) -> dict[str, FloatArray]:
        """Return the counts, frame by frame."""
        history = self._history
        return {
            "time (fs)": np.empty(0) if history is None else history.times,
            "electrons": np.empty(0) if history is None else history.electrons,
            "mean electrons of the reference": np.array([self._expected]),
        }

    def read(self, x: float, y: float) -> str:
        """Give the count at a time, and how far it is off."""
        history = self._history
        place = None if history is None else self.frame_near(history.times, x)
        if history is None or place is None:
            return ""
        count = float(history.electrons[place])
        off = 100 * (count / self._expected - 1)
        return (
            f"{history.times[place]:g} fs: {count:.3f} electrons\n"
            f"{off:+.3f} % of the expected {self._expected:.3f}"
        ).replace("-", "−")


class RolloutExtremes(TracePlot, RolloutPlot):
    """Smallest density of each frame over the reference's, and above it the largest.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    yardstick : Yardstick
        The reference.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self, axes: Axes, palette: Palette, yardstick: Yardstick, *, live: bool = False
    ) -> None:
        super().__init__(axes, palette, r"min $\rho$ (e/Å$^3$)", live=live)
        above = axes.inset_axes((0.0, 1.0 + _GAP, 1.0, 1.0))
        self._above = TracePlot(above, palette, r"max $\rho$ (e/Å$^3$)", live=live)
        above.set_xlabel("")
        above.tick_params(labelbottom=False)
        self._history: RolloutHistory | None = None
        self._usual: dict[str, float] = {}
        series, reference = yardstick.series, yardstick.reference
        for name, plot in (("minimum", self), ("maximum", self._above)):
            plot.axes.yaxis.set_major_locator(MaxNLocator(3))
            plot.axes.yaxis.label.set_fontsize("small")
            values = None if series is None else getattr(series, name)
            usual = getattr(reference, name) if values is None else np.median(values)
            self._usual[name] = float(usual)
            plot.set_level(float(usual), None if values is None else frame_band(values))
        self._above.legend()
        self.set_box(axes.get_position().bounds)

    @property
    def redraw_needed(self) -> bool:
        """Whether something that stays changed in one of the two since the last draw."""
        return self._redraw_needed or self._above.redraw_needed

    @property
    def region(self) -> Bbox:
        """Both panels, in pixels of the figure."""
        return Bbox.union([self.axes.bbox, self._above.axes.bbox])

    def mark_drawn(self) -> None:
        """Note that the lasting artists are now on the canvas as they are."""
        super().mark_drawn()
        self._above.mark_drawn()

    def draw_changing(self) -> None:
        """Draw what changes in both panels."""
        super().draw_changing()
        self._above.draw_changing()

    def set_box(self, box: tuple[float, float, float, float]) -> None:
        """Move both panels within their figure."""
        left, bottom, width, height = box
        self.axes.set_position((left, bottom, width, height / (2.0 + _GAP)))

    def set_time_range(self, start: float, stop: float) -> None:
        """Fix the time axis of both panels (fs)."""
        super().set_time_range(start, stop)
        self._above.set_time_range(start, stop)

    def set_cursor(self, time: float | None) -> None:
        """Mark the time of the frame being looked at (fs) in both panels, or none."""
        super().set_cursor(time)
        self._above.set_cursor(time)

    def show(self, history: RolloutHistory | None, shown: ShownFrame) -> None:
        """Show the frames so far, and mark the time of the one looked at."""
        self._history = history
        if history is None:
            self.set_history([], [])
            self._above.set_history([], [])
        else:
            self.set_history(history.times, history.minimum)
            self._above.set_history(history.times, history.maximum)
        self.set_cursor(shown.time)

    def table(self) -> dict[str, FloatArray]:
        """Return the extremes, frame by frame."""
        history, empty = self._history, np.empty(0)
        return {
            "time (fs)": empty if history is None else history.times,
            "minimum (electrons/Å³)": empty if history is None else history.minimum,
            "maximum (electrons/Å³)": empty if history is None else history.maximum,
        }

    def read(self, x: float, y: float) -> str:
        """Give the extremes at a time."""
        history = self._history
        place = None if history is None else self.frame_near(history.times, x)
        if history is None or place is None:
            return ""
        return (
            f"{history.times[place]:g} fs, in electrons/Å³:\n"
            f"maximum {history.maximum[place]:.4g} (reference {self._usual['maximum']:.4g})\n"
            f"minimum {history.minimum[place]:.3g} (reference {self._usual['minimum']:.3g})"
        ).replace("-", "−")
