"""The numbers of a comparison, section by section, as JSON will hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.distribution import jsd, scaled_jsd
from napari_eldyn.observables.forecast import ForecastErrors
from napari_eldyn.observables.levels import Level, ReferenceLevels
from napari_eldyn.observables.statistics import RunningStatistics
from napari_eldyn.observables.trajectory_statistics import TrajectoryStatistics
from napari_eldyn.observables.uncertainty import (
    BLOCK_FS,
    block_frames,
    block_means,
    bootstrap_error,
)

__all__ = [
    "UNITS",
    "add_uncertainty",
    "describe",
    "distribution_metrics",
    "electron_metrics",
    "forecast_metrics",
    "judged_metrics",
    "level_metrics",
    "plain",
    "root_mean_square",
    "structure_factor_metrics",
    "timestep_or_none",
]

FloatArray = NDArray[np.float64]

# Below this, S(q) of the density is large; above, the shells hold many more points.
LOW_Q = 1.5

UNITS: Mapping[str, str] = {
    "time, lead, timestep": "fs",
    "q, width": "1/Å",
    "density (minimum, maximum)": "electrons/Å³",
    "normalised density": "(ln ρ − mean)/std, dimensionless",
    "amplitude": "⟨|F(q)|⟩, electrons (the paper's S(q), eq. S18)",
    "intensity": "⟨|F(q)|²⟩/N_e, electrons",
    "electrons": "electrons",
    "jsd": "nats (0 … ln 2)",
    "sjsd": "jsd/(½ ln 2), dimensionless (0 … 2)",
    "nmae": "percent",
    "mse": "square of the normalised density",
    "relative differences": "(generated − reference)/reference",
}


def timestep_or_none(trajectory: DensityTrajectory) -> float | None:
    """Return the time step in fs, or None where the frames are not equally spaced."""
    try:
        return trajectory.timestep
    except EldynError:
        return None


def describe(trajectory: DensityTrajectory) -> dict[str, Any]:
    """State which frames of a trajectory were used, and what they are."""
    return {
        "name": trajectory.name,
        "path": None if trajectory.path is None else str(trajectory.path),
        "kind": trajectory.kind,
        "n_frames": len(trajectory),
        "first_frame": 0,
        "last_frame": len(trajectory) - 1,
        "first_time": trajectory.times[0],
        "last_time": trajectory.times[-1],
        "timestep": timestep_or_none(trajectory),
        "grid": list(trajectory.grid.shape),
        "cell": trajectory.grid.cell,
    }


def distribution_metrics(
    ours: TrajectoryStatistics,
    theirs: TrajectoryStatistics,
    pooled: RunningStatistics,
    levels: ReferenceLevels,
) -> dict[str, Any]:
    """Give divergences, moments and counts of ρ̃, pooled and per frame."""
    target = levels.reference.probabilities
    per_frame = np.asarray(scaled_jsd(ours.probabilities, target))
    return {
        "of": "normalised density",
        "normalisation": {
            "mean": ours.settings.normalisation.mean,
            "std": ours.settings.normalisation.std,
        },
        "jsd": jsd(pooled.probabilities, target),
        "sjsd": scaled_jsd(pooled.probabilities, target),
        "sjsd_single_frames": {
            "generated": _quantiles(per_frame),
            "reference": _quantiles(levels.frame_sjsd),
        },
        "edges": ours.settings.edges,
        "generated": _values(pooled),
        "reference": _values(levels.reference),
    }


def _values(pooled: RunningStatistics) -> dict[str, Any]:
    return {
        "moments": asdict(pooled.moments),
        "counts": pooled.counts,
        "n_below_range": pooled.n_below,
        "n_above_range": pooled.n_above,
        "n_clipped_to_floor": pooled.n_clipped,
        "n_values": int(pooled.counts.sum()) + pooled.n_below + pooled.n_above,
    }


def _quantiles(values: FloatArray) -> dict[str, float]:
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {
        "q05": low,
        "median": median,
        "q95": high,
        "first": values[0],
        "last": values[-1],
    }


def structure_factor_metrics(
    ours: TrajectoryStatistics,
    theirs: TrajectoryStatistics,
    pooled: RunningStatistics,
    levels: ReferenceLevels,
) -> dict[str, Any]:
    """Give S(q) in both conventions, its spread over frames and its differences."""
    shells = ours.settings.shells
    judged = Level.of(pooled, levels.reference)
    result: dict[str, Any] = {
        "q": shells.q,
        "shell_counts": shells.counts,
        "width": shells.width,
        "low_q_below": LOW_Q,
    }
    for name in ("amplitude", "intensity"):
        difference = getattr(judged, f"{name}_difference")
        result[name] = {
            "generated": getattr(pooled, name),
            "reference": getattr(levels.reference, name),
            "generated_std_over_frames": getattr(ours, name).std(axis=0),
            "reference_std_over_frames": getattr(theirs, name).std(axis=0),
            "relative_difference": difference,
            **_bands(difference, shells.q),
        }
    return result


def _bands(difference: FloatArray, q: FloatArray) -> dict[str, float | None]:
    """Mean |relative difference| over shells, at the smallest q, low q and high q."""
    size = np.abs(difference)

    def mean(selected: NDArray[np.bool_]) -> float | None:
        return float(np.nanmean(size[selected])) if np.isfinite(size[selected]).any() else None

    return {
        "difference_smallest_q": float(size[0]),
        "difference_low_q": mean(q < LOW_Q),
        "difference_high_q": mean(q >= LOW_Q),
    }


def electron_metrics(statistics: TrajectoryStatistics, times: FloatArray) -> dict[str, Any]:
    """Give the electron count over the frames and its linear drift per ps."""
    counts = statistics.electrons
    drift = None
    if len(counts) > 1:
        drift = float(np.polyfit((times - times[0]) / 1000.0, counts, 1)[0])
    return {
        "mean": counts.mean(),
        "std": counts.std(),
        "minimum": counts.min(),
        "maximum": counts.max(),
        "first": counts[0],
        "last": counts[-1],
        "drift_per_ps": drift,
    }


def root_mean_square(values: FloatArray) -> float:
    """Return the square root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def level_metrics(
    levels: ReferenceLevels, theirs: TrajectoryStatistics, reference: DensityTrajectory
) -> dict[str, Any]:
    """Give noise, persistence and mean field, with what each of them means."""
    q = theirs.settings.shells.q
    half = levels.halves[0].n_frames
    n = len(reference)
    length = reference.times[half - 1] - reference.times[0]
    meanings = {
        "noise": f"reference frames 0-{half - 1} against reference frames {half}-{n - 1}; "
        f"fluctuations slower than a half ({length:g} fs) do not show",
        "persistence": f"reference frame {levels.start_frame} repeated, against all of them",
        "mean_field": "mean density of the reference at every time, against its frames",
    }
    result: dict[str, Any] = {}
    for name, meaning in meanings.items():
        result[name] = {"meaning": meaning, **judged_metrics(getattr(levels, name), q)}
    result["persistence"]["start_frame"] = levels.start_frame
    return result


def judged_metrics(level: Level, q: FloatArray) -> dict[str, Any]:
    """Give the divergences of a prediction, and its S(q) in both conventions."""
    return {
        "jsd": level.jsd,
        "sjsd": level.sjsd,
        "amplitude": {
            "values": level.amplitude,
            "relative_difference": level.amplitude_difference,
            **_bands(level.amplitude_difference, q),
        },
        "intensity": {
            "values": level.intensity,
            "relative_difference": level.intensity_difference,
            **_bands(level.intensity_difference, q),
        },
    }


def forecast_metrics(errors: ForecastErrors | None, started_in_reference: bool) -> dict[str, Any]:
    """Give the errors against lead time, or the reason why there are none."""
    if errors is None:
        reason = (
            "no generated frame shares its time with a later frame of the reference"
            if started_in_reference
            else "the generated trajectory did not start from a frame of this reference, so "
            "frames of equal time do not belong together"
        )
        return {"available": False, "reason": reason}
    return {
        "available": True,
        "correspondence": "frames of equal time; generated_frames[i] with reference_frames[i]",
        "note": "a model with a pooled latent does not know positions: its voxel-wise errors "
        "are those of an unrelated frame; 'aligned' allows for the best circular shift",
        **asdict(errors),
    }


def plain(value: Any) -> Any:
    """Turn arrays and numpy scalars into what JSON holds; NaN and infinity become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def add_uncertainty(
    metrics: dict[str, Any],
    ours: TrajectoryStatistics,
    theirs: TrajectoryStatistics,
    generated: DensityTrajectory,
    reference: DensityTrajectory,
) -> None:
    """Add block-bootstrap standard errors of S(q) and of the divergences."""
    blocks: dict[str, dict[str, FloatArray] | None] = {}
    for side, statistics, trajectory in (
        ("generated", ours, generated),
        ("reference", theirs, reference),
    ):
        step = timestep_or_none(trajectory)
        blocks[side] = None
        if step is not None:
            size = block_frames(step)
            blocks[side] = {
                name: block_means(getattr(statistics, name), size)
                for name in ("probabilities", "amplitude", "intensity")
            }
    for side, means in blocks.items():
        for name in ("amplitude", "intensity"):
            metrics["structure_factor"][name][f"{side}_standard_error"] = (
                None if means is None else bootstrap_error(means[name])
            )
    mine = blocks["generated"]
    target = theirs.pooled.probabilities
    metrics["distribution"]["sjsd_standard_error"] = (
        None
        if mine is None
        else bootstrap_error(mine["probabilities"], lambda p: scaled_jsd(p, target))
    )
    metrics["uncertainty"] = {
        "method": f"bootstrap over blocks of at least {BLOCK_FS:g} fs; null below four blocks. "
        "The error of sjsd is that of the generated frames alone.",
        "blocks": {
            side: None if means is None else len(means["amplitude"])
            for side, means in blocks.items()
        },
    }
