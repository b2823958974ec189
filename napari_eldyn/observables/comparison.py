"""Judge a generated trajectory against a reference: every number, with the levels it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.errors import mse
from napari_eldyn.observables.forecast import ForecastErrors, forecast_errors
from napari_eldyn.observables.levels import ReferenceLevels, check_length, levels_from_statistics
from napari_eldyn.observables.metrics import (
    UNITS,
    add_uncertainty,
    describe,
    distribution_metrics,
    electron_metrics,
    forecast_metrics,
    level_metrics,
    plain,
    root_mean_square,
    structure_factor_metrics,
    timestep_or_none,
)
from napari_eldyn.observables.noise_floor import add_noise_floor
from napari_eldyn.observables.stability import stability_metrics
from napari_eldyn.observables.statistics import StatisticsSettings
from napari_eldyn.observables.trajectory_statistics import (
    TrajectoryStatistics,
    trajectory_statistics,
)
from napari_eldyn.observables.transfer import (
    cell_multiples,
    check_multiple,
    common_shells,
    per_cell,
)

__all__ = ["Comparison", "compare"]

# (stage, done, total), the stage in words.
StageProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A generated trajectory judged against a reference.

    Parameters
    ----------
    settings : StatisticsSettings
        Bins and shells.
    generated, reference : TrajectoryStatistics
        Statistics of every frame.
    levels : ReferenceLevels
        Noise, persistence, mean field.
    forecast : ForecastErrors or None
        Errors against lead time, if the generated trajectory started in the reference.
    metrics : dict
        All numbers, ready for JSON (non-finite ones are None).
    """

    settings: StatisticsSettings
    generated: TrajectoryStatistics
    reference: TrajectoryStatistics
    levels: ReferenceLevels
    forecast: ForecastErrors | None
    metrics: dict[str, Any]


def compare(
    generated: DensityTrajectory,
    reference: DensityTrajectory,
    settings: StatisticsSettings,
    *,
    start_frame: int = 0,
    started_in_reference: bool = False,
    transfer: bool = False,
    not_finite: int = 0,
    measured: TrajectoryStatistics | None = None,
    progress: StageProgress | None = None,
) -> Comparison:
    """Judge a generated trajectory against all frames of a reference.

    Parameters
    ----------
    generated, reference : DensityTrajectory
        On one grid and in one cell, or in one of several with `transfer`; any lengths, but at
        least four reference frames.
    settings : StatisticsSettings
        Bins and shells, from the reference.
    start_frame : int
        Frame of the reference repeated by the level *persistence*.
    started_in_reference : bool
        Whether the generated trajectory is a forecast from `start_frame` of this reference;
        only then do frames of equal time belong together.
    transfer : bool
        Whether the generated cell holds several of the reference's. S(q) is then compared at the
        wave vectors that both have, and sums are given for one reference cell.
    not_finite : int
        Frames at the end of the generated trajectory that were left out for not being finite.
    measured : TrajectoryStatistics, optional
        Of all reference frames with the same settings, as an earlier ``Comparison.reference``;
        used instead of another pass where its steps span the time that is needed.
    progress : callable, optional
        Called with (stage, done, total); what it raises ends the comparison.

    Returns
    -------
    Comparison
        The metrics and what figures need.

    Raises
    ------
    EldynError
        If grids, cells or density kinds differ, the reference is too short, a frame is not
        finite, or the start frame does not exist.
    """
    _check_comparable(generated, reference, start_frame, transfer)
    lags = _step_lags(generated, reference)
    own = settings
    if transfer:
        own = replace(settings, shells=common_shells(settings.shells, generated.grid))
    ours = trajectory_statistics(
        generated, own, _stage(progress, "generated frames"), lag=lags[0] if lags else 1
    )
    if transfer:
        ours = per_cell(ours, generated.grid.n_points // reference.grid.n_points)
    lag = lags[1] if lags else 1
    if measured is not None and measured.lag == lag and measured.settings is settings:
        theirs = measured
    else:
        theirs = trajectory_statistics(
            reference, settings, _stage(progress, "reference frames"), lag=lag
        )
    levels = levels_from_statistics(theirs, theirs[start_frame], start_frame)
    forecast = None
    if started_in_reference:
        forecast = forecast_errors(
            generated,
            reference,
            settings.normalisation,
            start_frame,
            theirs.mean_density,
            _stage(progress, "forecast errors"),
        )
    pooled = ours.pooled
    metrics: dict[str, Any] = {
        "units": dict(UNITS),
        "compared": {
            "generated": describe(generated),
            "reference": describe(reference),
            "statement": (
                f"all {len(generated)} generated frames pooled, against all "
                f"{len(reference)} reference frames pooled"
            ),
        },
        "distribution": distribution_metrics(ours, theirs, pooled, levels),
        "structure_factor": structure_factor_metrics(ours, theirs, pooled, levels),
        "electrons": {
            "generated": electron_metrics(ours, generated.times),
            "reference": electron_metrics(theirs, reference.times),
        },
        "extremes": {
            "generated": {"minimum": pooled.minimum, "maximum": pooled.maximum},
            "reference": {
                "minimum": levels.reference.minimum,
                "maximum": levels.reference.maximum,
            },
        },
        "step_size": _step_size(ours, theirs, lags, generated, reference, settings),
        "stability": stability_metrics(
            ours,
            theirs,
            levels,
            generated.times,
            same_interval=lags is not None,
            not_finite=not_finite,
        ),
        "levels": level_metrics(levels, theirs, reference),
        "forecast": forecast_metrics(forecast, started_in_reference),
    }
    add_uncertainty(metrics, ours, theirs, generated, reference)
    add_noise_floor(metrics, levels)
    return Comparison(settings, ours, theirs, levels, forecast, plain(metrics))


def _check_comparable(
    generated: DensityTrajectory, reference: DensityTrajectory, start_frame: int, transfer: bool
) -> None:
    if transfer:
        check_multiple(generated, reference)
    elif cell_multiples(generated.grid, reference.grid) not in (None, (1, 1, 1)):
        raise EldynError(
            f"the generated cell ({_grid(generated)}) holds several of the reference's "
            f"({_grid(reference)})",
            path=generated.path,
            remedy="Give it with --transfer instead: then only what the cells share is compared.",
        )
    elif not generated.grid.matches(reference.grid):
        same_points = generated.grid.shape == reference.grid.shape
        raise EldynError(
            f"the generated densities ({_grid(generated)}) and the reference ({_grid(reference)}) "
            f"lie {'in different cells' if same_points else 'on different grids'}",
            path=generated.path,
            remedy="Only densities in one cell can be compared: choose another reference."
            if same_points
            else "Bring the reference to the generated grid (eldyn convert --grid); the cells "
            "must be the same.",
        )
    kinds = {generated.kind, reference.kind}
    if len(kinds - {"unknown"}) > 1:
        raise EldynError(
            f"the generated density is of kind '{generated.kind}', the reference of kind "
            f"'{reference.kind}'",
            path=generated.path,
            remedy="Evaluate against a reference of the same kind.",
        )
    check_length(len(reference), reference)
    if len(generated) == 0:
        raise EldynError("the generated trajectory holds no frame", path=generated.path)
    if not 0 <= start_frame < len(reference):
        raise EldynError(
            f"start frame {start_frame} does not exist: the reference has {len(reference)} frames",
            path=reference.path,
        )


def _grid(trajectory: DensityTrajectory) -> str:
    lengths = np.linalg.norm(trajectory.grid.cell, axis=1)
    points = "×".join(map(str, trajectory.grid.shape))
    return f"{points} points, {' × '.join(f'{length:.4g}' for length in lengths)} Å"


def _stage(progress: StageProgress | None, name: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(name, done, total)


def _step_lags(
    generated: DensityTrajectory, reference: DensityTrajectory
) -> tuple[int, int] | None:
    """Frames of each that span the same, shortest possible time; None if nothing fits."""
    ours, theirs = timestep_or_none(generated), timestep_or_none(reference)
    if ours is None or theirs is None:
        return None
    ratio = Fraction(ours / theirs).limit_denominator(100)
    if abs(float(ratio) - ours / theirs) > 1e-3 * ours / theirs or ratio == 0:
        return None
    lags = ratio.denominator, ratio.numerator
    return lags if lags[0] < len(generated) and lags[1] < len(reference) else None


def _step_size(
    ours: TrajectoryStatistics,
    theirs: TrajectoryStatistics,
    lags: tuple[int, int] | None,
    generated: DensityTrajectory,
    reference: DensityTrajectory,
    settings: StatisticsSettings,
) -> dict[str, Any]:
    meaning = (
        "RMS over voxels and frames of the change of the normalised density over the time "
        "'interval'; ratio 0 is a frozen rollout, 1 the reference's own motion, "
        "'ratio_unrelated_frames' that of reference frames in random order"
    )
    if lags is None:
        return {
            "meaning": meaning,
            "ratio": None,
            "reason": "no common, uniform time step fits into both trajectories",
        }
    mine, real = root_mean_square(ours.steps), root_mean_square(theirs.steps)
    unrelated = _unrelated_step(reference, settings.normalisation)
    return {
        "meaning": meaning,
        "interval": lags[0] * generated.timestep,
        "generated": mine,
        "reference": real,
        "ratio": mine / real if real > 0 else None,
        "ratio_unrelated_frames": unrelated / real if real > 0 else None,
    }


def _unrelated_step(reference: DensityTrajectory, normalisation: LogNormalisation) -> float:
    """RMS difference of ρ̃ between up to 16 pairs of frames half the trajectory apart."""
    half = len(reference) // 2
    pairs = np.unique(np.linspace(0, half - 1, min(half, 16)).round().astype(int))
    squares = [
        mse(
            normalisation.normalise(reference[int(i)])[0],
            normalisation.normalise(reference[int(i) + half])[0],
        )
        for i in pairs
    ]
    return float(np.sqrt(np.mean(squares)))
