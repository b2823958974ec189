"""What matters in the spatial family: short trainings that differ in one thing each, scored alike.

    python training/ablation_spatial.py OUT --data A.eldyn --data B.eldyn … \
        [--model sample_data/models/spatial_li32.safetensors]

Trains autoencoders of several latent sizes, then denoisers on one autoencoder with several numbers
of context frames, levels of context noise and strides; scores each on held-back frames; and scores
one finished model with several samplers. OUT/table.md is what training/README.md quotes. Stopped at
any time, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from eldyn_training.data import open_data
from eldyn_training.engine import fit
from eldyn_training.recipe import load_recipe

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.density.files import write_whole
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.emulator.ensemble_forecast import ensemble_forecast
from napari_eldyn.emulator.reconstruction import reconstruction
from napari_eldyn.observables.levels import Level
from napari_eldyn.observables.statistics import default_settings
from napari_eldyn.observables.trajectory_statistics import trajectory_statistics

AUTOENCODER_STEPS, DENOISER_STEPS, COPIES = 500, 500, 8
MEMBERS, STARTS, ROLLOUT_FRAMES = 8, 5, 400
LEADS = (8.0, 24.0, 48.0, 96.0)  # fs; multiples of both strides

Scores = dict[str, float]
Changes = dict[str, dict[str, object]]
AUTOENCODERS: Changes = {
    f"{channels} channels": {"latent_channels": channels} for channels in (1, 2, 4)
}
DENOISERS: dict[str, Changes] = {
    "base: 2 context frames, noise 0.1, 4 fs": {},
    "1 context frame": {"model.denoiser": {"context_frames": 1}},
    "3 context frames": {"model.denoiser": {"context_frames": 3}},
    "no context noise": {"objective": {"context_noise": 0.0}},
    "context noise 0.04": {"objective": {"context_noise": 0.04}},
    "context noise 0.2": {"objective": {"context_noise": 0.2}},
    "stride 2 (8 fs)": {"data": {"stride": 2}},
}
SAMPLERS = (("dpmpp_2m", 2), ("dpmpp_2m", 4), ("dpmpp_2m", 8), ("dpmpp_2m", 16), ("heun", 8))


def main() -> None:
    """Train, score, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--autoencoder", type=Path, help="of the denoisers; else the one trained")
    parser.add_argument("--model", type=Path, help="scored with several samplers")
    parser.add_argument("--held-back", type=Path, default=Path("sample_data/li32_800K.eldyn"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    data = open_data(options.data, print)
    held_back = DensityTrajectory.open(options.held_back)
    tables = [
        "| autoencoder | compression | NMAE of ρ [%] | MSE of ρ̃ | sJSD |\n|---|---|---|---|---|",
        *_autoencoders(options.out, data, held_back),
        "\n" + _header("denoiser"),
        *_denoisers(options.out, data, held_back, options.autoencoder),
    ]
    if options.model is not None:
        tables += ["\n" + _header("sampler"), *_samplers(options.out, options.model, held_back)]
    write_whole(options.out / "table.md", ("\n".join(tables) + "\n").encode())
    print("\n".join(tables))


def _autoencoders(
    out: Path, data: Sequence[DensityTrajectory], held_back: DensityTrajectory
) -> Iterator[str]:
    for name, changes in AUTOENCODERS.items():
        changed: Changes = {
            "model.autoencoder": changes,
            "training": {"steps": AUTOENCODER_STEPS},
            "refinement": {"steps": 1, "copies": 1},
        }
        path = _train(out / f"autoencoder {name}", changed, data, None)
        row = _scored(out / f"autoencoder {name}.json", partial(_reconstruction, path, held_back))
        yield (
            f"| {name} | {row['compression']:.0f} | {row['nmae']:.2f} | {row['mse']:.4f} "
            f"| {row['sjsd']:.5f} |"
        )


def _denoisers(
    out: Path,
    data: Sequence[DensityTrajectory],
    held_back: DensityTrajectory,
    autoencoder: Path | None,
) -> Iterator[str]:
    chosen = autoencoder or out / "autoencoder 2 channels" / "model.safetensors"
    for name, changes in DENOISERS.items():
        directory = out / name.split(":")[0]
        steps: Changes = {"refinement": {"steps": DENOISER_STEPS, "copies": COPIES}}
        path = _train(directory, steps | changes, data, chosen)
        score = partial(_dynamics, path, held_back)
        yield _row(name, _scored(_beside(directory, ".json"), score))


def _samplers(out: Path, path: Path, held_back: DensityTrajectory) -> Iterator[str]:
    for sampler, evaluations in SAMPLERS:
        name = f"{sampler}, {evaluations} evaluations"
        score = partial(_dynamics, path, held_back, sampler, evaluations)
        yield _row(name, _scored(out / f"{name}.json", score))


def _train(
    directory: Path,
    changes: Changes,
    data: Sequence[DensityTrajectory],
    autoencoder: Path | None,
) -> Path:
    """Train the recipe spatial_li32 with some keys changed; return the model."""
    lines = ['extends = "spatial_li32"']
    # The average of a short training must not remember its first steps.
    changes = {**changes, "training": {"ema_decay": 0.98, **changes.get("training", {})}}
    for section, keys in changes.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    recipe = _beside(directory, ".toml")
    write_whole(recipe, ("\n".join(lines) + "\n").encode())
    result = fit(
        load_recipe(recipe), data, directory, autoencoder=autoencoder, recipe_name=directory.name
    )
    if not result.finished:
        raise SystemExit(128 + result.signal)
    return result.model


def _beside(directory: Path, suffix: str) -> Path:
    """Return a file of the directory's name, in which a number may hold a point."""
    return directory.with_name(directory.name + suffix)


def _scored(path: Path, score: Callable[[], Scores]) -> Scores:
    """Score, unless it was done before."""
    if not path.exists():
        write_whole(path, json.dumps(score()).encode())
    found: Scores = json.loads(path.read_text())
    return found


def _reconstruction(path: Path, held_back: DensityTrajectory) -> Scores:
    model = Emulator.load(path)
    found = reconstruction(model, held_back, default_settings(held_back, model.normalisation))
    plain = found.scores["plain"]
    return {
        "compression": found.compression,
        "nmae": plain.nmae,
        "mse": plain.mse,
        "sjsd": float(plain.level.sjsd),
    }


def _dynamics(
    path: Path,
    held_back: DensityTrajectory,
    sampler: str | None = None,
    evaluations: int | None = None,
) -> Scores:
    model = Emulator.load(path)
    forecast = ensemble_forecast(
        model,
        held_back,
        members=MEMBERS,
        starts=STARTS,
        max_leads=25,
        sampler=sampler,
        evaluations=evaluations,
    )
    scores: Scores = {}
    ours = forecast.scores["model"]
    for lead in LEADS:
        index = int(np.argmin(np.abs(forecast.lead - lead)))
        ratio = ours.ratio
        scores[f"crps {lead:g}"] = float(ours.crps[index])
        scores[f"ratio {lead:g}"] = float("nan") if ratio is None else float(ratio[index])
    settings = default_settings(held_back, model.normalisation)
    stride = model.check_compatible(held_back)
    reference = trajectory_statistics(held_back, settings, lag=stride)
    first = 2 + (model.context_frames - 1) * stride
    rollout = Rollout(model, held_back, first, sampler, evaluations, 0)
    rollout.advance(ROLLOUT_FRAMES)
    generated = trajectory_statistics(rollout, settings)
    level = Level.of(generated.pooled, reference.pooled)
    sizes = [float(np.sqrt(np.mean(np.square(one.steps)))) for one in (generated, reference)]
    return scores | {
        "sjsd": float(level.sjsd),
        "amplitude": level.amplitude_error,
        "step": sizes[0] / sizes[1],
    }


def _header(first: str) -> str:
    leads = " | ".join(f"{lead:g} fs" for lead in LEADS)
    return (
        f"| {first} | CRPS of ρ̃ at {leads} | spread/skill at {leads} | sJSD of {ROLLOUT_FRAMES} "
        f"frames | S(q) error [%] | step / reference |\n|---|{'---|' * (2 * len(LEADS) + 3)}"
    )


def _row(name: str, scores: Scores) -> str:
    cells = [f"{scores[f'crps {lead:g}']:.3f}" for lead in LEADS]
    cells += [f"{scores[f'ratio {lead:g}']:.2f}" for lead in LEADS]
    cells += [f"{scores['sjsd']:.4f}", f"{100 * scores['amplitude']:.1f}", f"{scores['step']:.2f}"]
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
