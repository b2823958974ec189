"""Plots of a rollout's density waves: structure factor and intermediate scattering function."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from napari_eldyn.figures.correlation_plot import MOST_SHELLS, CorrelationPlot
from napari_eldyn.figures.live_plot import FloatArray
from napari_eldyn.figures.rollout_plot import PlotChoices, RolloutPlot, ShownFrame, Yardstick
from napari_eldyn.figures.shell_strip import add_shell_strip, below_strip
from napari_eldyn.figures.structure_factor_plot import StructureFactorPlot
from napari_eldyn.figures.style import Palette
from napari_eldyn.figures.time_axis import nearest
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.observables.scattering.waves import DensityWaves
from napari_eldyn.observables.statistics import FrameStatistics, RunningStatistics

__all__ = ["RolloutCorrelation", "RolloutStructureFactor", "usual_shells"]

#: Wave numbers around the main peak of liquid metals, 1/Å, from which shells are chosen.
MAIN_PEAK = (1.0, 2.6)

_USUAL_SHELLS = 3


def usual_shells(waves: DensityWaves) -> tuple[int, ...]:
    """Choose shells of F(q,t) unless told otherwise.

    Parameters
    ----------
    waves : DensityWaves
        The shells there are.

    Returns
    -------
    tuple of int
        In each third of 1.0-2.6/Å the shell with the most points; the first three shells where
        none lies there.
    """
    chosen = []
    limits = np.linspace(*MAIN_PEAK, _USUAL_SHELLS + 1)
    for low, high in pairwise(limits):
        inside = np.flatnonzero((waves.q >= low) & (waves.q < high))
        if len(inside):
            chosen.append(int(inside[np.argmax(waves.counts[inside])]))
    return tuple(chosen) or tuple(range(min(_USUAL_SHELLS, len(waves.q))))


class RolloutStructureFactor(StructureFactorPlot, RolloutPlot):
    """S(q) of a rollout over the reference's, with the points per shell.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    yardstick : Yardstick
        The reference.
    choices : PlotChoices
        Its `convention` and `ratio` count.
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
        shells = yardstick.settings.shells
        super().__init__(
            axes,
            palette,
            shells.q,
            convention=choices.convention,
            relative=choices.ratio,
            live=live,
        )
        self._yardstick = yardstick
        self._mean: RunningStatistics | None = None
        self._shown_frame = ShownFrame()
        levels = yardstick.levels
        self.set_reference(
            self.s_of_q(yardstick.reference),
            None
            if levels is None
            else (self.s_of_q(levels.halves[0]), self.s_of_q(levels.halves[1])),
        )
        self.legend(with_noise=choices.ratio)
        add_shell_strip(axes, palette, shells.q, shells.counts)
        self.set_box(axes.get_position().bounds)

    def set_box(self, box: tuple[float, float, float, float]) -> None:
        """Move the plot, with the strip above it, within its figure."""
        self.axes.set_position(below_strip(box))

    def show(self, history: RolloutHistory | None, shown: ShownFrame) -> None:
        """Show the mean so far, and the frame being looked at."""
        self._mean = history.running if history is not None and history.n else None
        self._shown_frame = shown
        self.set_running(None if self._mean is None else self.s_of_q(self._mean))
        frames = (shown.generated, shown.reference)
        self.set_frame(*(None if frame is None else self.s_of_q(frame) for frame in frames))

    def table(self) -> dict[str, FloatArray]:
        """Return S(q) in both conventions, shell by shell."""
        levels = self._yardstick.levels
        found: dict[str, FrameStatistics | RunningStatistics | None] = {
            "reference": self._yardstick.reference,
            "first half of the reference": None if levels is None else levels.halves[0],
            "second half of the reference": None if levels is None else levels.halves[1],
            "generated": self._mean,
            "generated frame": self._shown_frame.generated,
            "reference frame": self._shown_frame.reference,
        }
        shells = self._yardstick.settings.shells
        columns: dict[str, FloatArray] = {
            "q (1/Å)": shells.q,
            "points per shell": shells.counts.astype(np.float64),
        }
        for name, one in found.items():
            if one is not None:
                columns[f"{name} S(q) amplitude (electrons)"] = one.amplitude
                columns[f"{name} S(q) intensity (electrons)"] = one.intensity
        return columns

    def read(self, x: float, y: float) -> str:
        """Give S of the nearest shell."""
        shells = self._yardstick.settings.shells
        place = nearest(self.q, x, 0.5 * float(np.diff(self.q, append=2 * self.q[-1]).max()))
        if place is None:
            return ""
        reference = float(self.s_of_q(self._yardstick.reference)[place])
        text = f"q = {self.q[place]:.2f} 1/Å, "
        if self._mean is None:
            text += f"S of the reference = {reference:.3g} electrons"
        else:
            generated = float(self.s_of_q(self._mean)[place])
            text += f"S = {generated:.3g} electrons (reference {reference:.3g}"
            text += f", ratio {generated / reference:.3f})" if reference > 0 else ")"
        return f"{text}\n{shells.counts[place]} points in the shell"


class RolloutCorrelation(CorrelationPlot, RolloutPlot):
    """F(q,t)/F(q,0) of a rollout as it grows, beside the reference's by the same estimator.

    Only lags up to half of the frames are drawn: beyond, too few time origins are left.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    yardstick : Yardstick
        The reference.
    choices : PlotChoices
        Its `shells` count; those that do not exist are left out.
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
        waves = self._waves = yardstick.settings.waves
        asked = usual_shells(waves) if choices.shells is None else choices.shells
        self._shells = [s for s in asked if 0 <= s < len(waves.q)][:MOST_SHELLS]
        super().__init__(axes, palette, [float(q) for q in waves.q[self._shells]], live=live)
        self._series = yardstick.series
        self._history: RolloutHistory | None = None
        known = None if self._series is None else self._series.scattering
        self._reference = known
        if known is not None and self._series is not None:
            self._drawn = _drawn(len(known.lag), len(self._series))
            error = known.normalised_error
            self.set_reference(
                known.lag[: self._drawn],
                known.normalised[self._shells, : self._drawn],
                None if error is None else error[self._shells, : self._drawn],
            )
        self._name_lines(0)

    def show(self, history: RolloutHistory | None, shown: ShownFrame) -> None:
        """Show F(q,t) of the frames so far."""
        self._history = history if history is not None and history.n > 1 else None
        if self._history is None:
            self.set_running([], np.empty((len(self._shells), 0)))
            return
        scattering = self._history.scattering
        lags = _drawn(len(scattering.lag), self._history.n)
        self.set_running(
            scattering.lag[:lags],
            scattering.normalised[self._shells, :lags],
        )
        if not self._live:  # writing takes longer than all lines: the dock's headline counts
            self._name_lines(self._history.n)

    def table(self) -> dict[str, FloatArray]:
        """Return F(q,t), whole and normalised, of the shells drawn, with the time origins."""
        columns: dict[str, FloatArray] = {}
        if self._history is not None:
            growing = self._history.scattering
            columns |= {"generated lag (fs)": growing.lag}
            columns |= {"generated time origins": growing.origins.astype(np.float64)}
            columns |= self._curves("generated", growing.values, growing.normalised)
        known = self._reference
        if known is not None and self._series is not None:
            origins = len(self._series) - np.arange(len(known.lag), dtype=np.float64)
            columns |= {"reference lag (fs)": known.lag, "reference time origins": origins}
            columns |= self._curves("reference", known.values, known.normalised)
            if known.normalised_error is not None:
                for shell in self._shells:
                    name = f"reference standard error of F(q,t)/F(q,0) at {self._named(shell)}"
                    columns[name] = known.normalised_error[shell]
        return columns

    def read(self, x: float, y: float) -> str:
        """Give F of the nearest shell at the nearest lag."""
        generated = self._at(x, y)
        if generated is None:
            return ""
        shell, time, text = generated
        name = f"q = {self._waves.q[shell]:.2f} 1/Å ({self._waves.counts[shell]} points)"
        return f"{name}, t = {time:g} fs: F(q,t)/F(q,0)\n{text}".replace("-", "−")

    def _at(self, x: float, y: float) -> tuple[int, float, str] | None:
        known = self._reference
        growing = None if self._history is None else self._history.scattering
        lag = growing.lag if growing is not None else None if known is None else known.lag
        if lag is None or not self._shells:
            return None
        low, high = self.axes.get_xlim()
        place = nearest(lag, x, 0.5 * float(lag[1] - lag[0]) + 0.01 * (high - low))
        if place is None:
            return None
        time = float(lag[place])
        heights: list[FloatArray] = []
        if growing is not None:
            heights.append(growing.normalised[self._shells, place])
        other = None if known is None else nearest(known.lag, time, 1e-3 + 1e-6 * time)
        if known is not None and other is not None:
            heights.append(known.normalised[self._shells, other])
        distance = np.nanmin(np.abs(np.array(heights) - y), axis=0)
        shell = self._shells[int(np.argmin(distance))]
        lines = []
        if growing is not None:
            value = growing.normalised[shell, place]
            lines.append(f"generated {value:.3f} from {growing.origins[place]} time origins")
        if known is not None and other is not None and self._series is not None:
            value = known.normalised[shell, other]
            error = known.normalised_error
            spread = "" if error is None else f" ± {error[shell, other]:.3f}"
            lines.append(f"reference {value:.3f}{spread} from {len(self._series) - other}")
        return shell, time, "\n".join(lines)

    def _curves(
        self, name: str, values: FloatArray, normalised: FloatArray
    ) -> dict[str, NDArray[np.float64]]:
        columns = {}
        for shell in self._shells:
            columns[f"{name} F(q,t) (electrons) at {self._named(shell)}"] = values[shell]
            columns[f"{name} F(q,t)/F(q,0) at {self._named(shell)}"] = normalised[shell]
        return columns

    def _named(self, shell: int) -> str:
        return f"q = {self._waves.q[shell]:.4f} 1/Å"

    def _name_lines(self, n_frames: int) -> None:
        generated, reference = "generated", "reference"
        if n_frames:
            generated += f" ({n_frames})"
        if self._reference is not None and self._series is not None:
            reference += f" ({len(self._series)} frames)"
        self.legend(generated, reference)


def _drawn(lags: int, n_frames: int) -> int:
    """Count the lags drawn."""
    return min(lags, max(1, n_frames // 2) + 1)
