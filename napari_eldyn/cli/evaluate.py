"""``eldyn evaluate``: judge a rollout against a reference trajectory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_eldyn.cli import app
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from tqdm import tqdm

    from napari_eldyn.density import DensityTrajectory, LogNormalisation
    from napari_eldyn.emulator import Emulator
    from napari_eldyn.observables.comparison import Comparison

__all__ = ["evaluate"]

_METRICS = "metrics.json"


@app.command()
def evaluate(
    rollout: Annotated[
        Path,
        typer.Argument(
            metavar="ROLLOUT",
            help="The generated trajectory: what eldyn rollout wrote, or any other trajectory.",
            show_default=False,
        ),
    ],
    reference: Annotated[
        Path,
        typer.Option(
            metavar="TRAJ",
            help="The trajectory to compare with: all its frames are used, at least 4; same "
            "grid, cell and kind of density.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Directory for metrics.json, distribution.{pdf,png}, "
            "structure_factor.{pdf,png}; made if missing.",
            show_default=False,
        ),
    ],
    start_frame: Annotated[
        int | None,
        typer.Option(
            metavar="I",
            help="Frame of TRAJ from which the rollout started. Recorded in rollouts that "
            "started from TRAJ itself; otherwise the level 'persistence' repeats frame 0 and "
            "no frames are paired in time.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="M",
            help="The model that made ROLLOUT (.safetensors): adds its autoencoder alone "
            "(encode, decode) and the agreement of its ∂ρ̃/∂τ channel with finite differences.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier evaluation in DIR.")
    ] = False,
) -> None:
    """Judge a rollout against a reference: metrics.json and the panels of the paper's Fig. 3.

    sJSD (0 to 2) and JSD (nats) of the normalised density; S(q) as amplitude and as intensity
    (electrons) against q (1/Å); electron count, extremes (electrons/Å³), step size, errors
    against lead time (fs).

    Beside each score stand the levels that give it meaning: persistence (the start frame
    repeated), the trajectory mean, and one half of the reference against the other half.
    """
    from napari_eldyn.density import DensityTrajectory
    from napari_eldyn.density.files import writing
    from napari_eldyn.observables.comparison import compare
    from napari_eldyn.observables.report import metrics_table, write_metrics
    from napari_eldyn.observables.statistics import default_settings

    _check_output(out, overwrite)
    generated, truth = DensityTrajectory.open(rollout), DensityTrajectory.open(reference)
    start = _start(generated, truth, start_frame)
    normalisation, normalisation_source = _normalisation(generated, truth)
    emulator = None if model is None else _model_of(model, generated)
    with _Stages() as stages:
        comparison = compare(
            generated,
            truth,
            default_settings(truth, normalisation),
            start_frame=start.frame,
            started_in_reference=start.in_reference,
            progress=stages.report,
        )
        assessed = (
            {}
            if emulator is None
            else {"model": _assess(emulator, generated, truth, comparison, stages)}
        )
    origin = {
        key: value
        for key, value in generated.provenance.items()
        if key not in ("normalisation", "start_latent")
    }
    metrics = {
        "format": "napari-eldyn metrics",
        "format_version": 1,
        "provenance": origin,
        "start": {"reference_frame": start.frame, "source": start.source},
        "normalisation": {**normalisation.model_dump(), "source": normalisation_source},
        **comparison.metrics,
        **assessed,
    }
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_metrics(metrics, out / _METRICS)
    _draw(comparison, out, {**origin, "reference": truth.name, "generated": generated.name})
    typer.echo(metrics_table(metrics))
    typer.echo(f"\nWrote {_METRICS}, distribution and structure_factor (.pdf, .png) to {out}")


def _check_output(out: Path, overwrite: bool) -> None:
    """Refuse before the work what would be refused after it."""
    if out.exists() and not out.is_dir():
        raise EldynError("this is a file, not a directory for results", path=out)
    if (out / _METRICS).exists() and not overwrite:
        raise EldynError(
            f"the directory already holds an evaluation ({_METRICS})",
            path=out,
            remedy="Choose another directory, or give --overwrite to replace it.",
        )


@dataclass(frozen=True)
class _Start:
    """Frame of the reference that persistence repeats, and how it is known."""

    frame: int
    in_reference: bool
    source: str


def _start(
    generated: DensityTrajectory, reference: DensityTrajectory, start_frame: int | None
) -> _Start:
    if start_frame is not None:
        if not -len(reference) <= start_frame < len(reference):
            raise EldynError(
                f"--start-frame {start_frame} does not exist: the trajectory has "
                f"{len(reference)} frames",
                path=reference.path,
            )
        return _Start(start_frame % len(reference), True, "given by --start-frame")
    recorded = _recorded_start(generated.provenance)
    if recorded is None:
        return _Start(0, False, "no start is recorded in the generated trajectory")
    name, frame, time = recorded
    if (
        reference.path is not None
        and name == reference.path.name
        and 0 <= frame < len(reference)
        and abs(reference.times[frame] - time) < 1e-3
    ):
        return _Start(frame, True, "recorded in the rollout")
    return _Start(0, False, f"the rollout started elsewhere (frame {frame} of {name})")


def _recorded_start(provenance: Mapping[str, Any]) -> tuple[str, int, float] | None:
    """File name, frame and time [fs] of a rollout's start, if they are recorded."""
    start = provenance.get("start")
    if not isinstance(start, Mapping):
        return None
    try:
        return str(start["trajectory"]), int(start["frame"]), float(start["time_fs"])
    except (KeyError, TypeError, ValueError):
        return None


def _normalisation(
    generated: DensityTrajectory, reference: DensityTrajectory
) -> tuple[LogNormalisation, str]:
    from tqdm import tqdm

    from napari_eldyn.config import parse_config
    from napari_eldyn.density import LogNormalisation, fit_normalisation

    recorded = generated.provenance.get("normalisation")
    if recorded is not None:
        if not isinstance(recorded, Mapping):
            raise EldynError("the recorded normalisation is damaged", path=generated.path)
        return parse_config(LogNormalisation, recorded, path=generated.path), "the model's"
    with tqdm(desc="Fitting the normalisation", unit="frame", delay=0.2) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return fit_normalisation(reference, report)[0], "fitted on the reference"


def _model_of(path: Path, generated: DensityTrajectory) -> Emulator:
    from napari_eldyn.emulator import Emulator

    model = Emulator.load(path)
    made_by = generated.provenance.get("model_sha256")
    if made_by != model.sha256:
        known = f"by the model of sha256 {str(made_by)[:12]}" if made_by else "by no known model"
        raise EldynError(
            f"this is not the model of the rollout: {generated.name} was made {known}",
            path=path,
            remedy="Give the model that made the rollout, or leave --model out.",
        )
    return model


def _assess(
    model: Emulator,
    generated: DensityTrajectory,
    reference: DensityTrajectory,
    comparison: Comparison,
    stages: _Stages,
) -> dict[str, Any]:
    from napari_eldyn.emulator.assessment import rate_consistency, reconstruction
    from napari_eldyn.observables.metrics import judged_metrics, plain

    alone = reconstruction(
        model, reference, comparison.settings, progress=stages.of("reconstructions")
    )
    result: dict[str, Any] = {
        "reconstruction": {
            "meaning": "reference frames encoded and decoded, against the same frames",
            "frames": alone.frames,
            "nmae": alone.nmae,
            "mse": alone.mse,
            **judged_metrics(alone.level, comparison.settings.shells.q),
        }
    }
    latents = generated.extra.get("latents")
    if latents is not None and len(generated) >= 3:
        rate = rate_consistency(model, latents[:], progress=stages.of("rates"))
        result["rate_consistency"] = {
            "meaning": "decoded rate of the normalised density against the central difference "
            "of the frames before and after; 'relative_error' in units of the difference's RMS",
            **asdict(rate),
        }
    return dict(plain(result))


class _Stages:
    """One progress bar for each stage of the comparison."""

    def __init__(self) -> None:
        self._name = ""
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> _Stages:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def of(self, name: str) -> Callable[[int, int], None]:
        """Return the report of one stage."""
        return lambda done, total: self.report(name, done, total)

    def report(self, name: str, done: int, total: int) -> None:
        """Show that `done` of `total` frames of a stage are done."""
        from tqdm import tqdm

        if self._bar is None or name != self._name:
            if self._bar is not None:
                self._bar.close()
            self._name = name
            self._bar = tqdm(desc=name.capitalize(), total=total, unit="frame", delay=0.2)
        self._bar.update(done - self._bar.n)


def _draw(comparison: Comparison, out: Path, provenance: Mapping[str, Any]) -> None:
    from napari_eldyn.figures.paper import (
        distribution_figure,
        save_figure,
        structure_factor_figure,
    )

    reference, generated = comparison.levels.reference, {"generated": comparison.generated.pooled}
    for name, figure in (
        ("distribution", distribution_figure),
        ("structure_factor", structure_factor_figure),
    ):
        drawn = figure(reference, generated, levels=comparison.levels)
        save_figure(drawn, out / name, provenance=provenance)
