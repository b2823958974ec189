"""``eldyn-train fit``: train a model."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from eldyn_training.cli import app

__all__ = ["fit"]


class _Storage(StrEnum):
    auto = "auto"
    memory = "memory"
    mapped = "mapped"


@app.command()
def fit(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped recipe.")],
    data: Annotated[
        list[Path],
        typer.Option(
            help="Density trajectory to learn from, any format, or a campaign's directory; "
            "may be given several times."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Run directory; an existing run is resumed.")],
    frames: Annotated[
        str | None, typer.Option(help="Training frames A:B[:S] instead of the recipe's.")
    ] = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            help="A model whose autoencoder and normalisation are used as they are; only the "
            "denoiser is trained."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    checkpoint_minutes: Annotated[
        float, typer.Option(min=0.0, help="Wall time between checkpoints, in minutes.")
    ] = 5.0,
    storage: Annotated[
        _Storage,
        typer.Option(
            help="Keep normalised frames in memory or in a mapped file beside OUT; auto maps "
            "what takes over half of the free memory."
        ),
    ] = _Storage.auto,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log to OUT/tensorboard, too.")
    ] = False,
) -> None:
    """Train a model; the result is OUT/model.safetensors.

    Ctrl-C or SIGTERM saves a checkpoint and stops; the same command goes on from there. Losses
    of every step, and validations, are in OUT/log.jsonl, one JSON object per line.

    On several CPUs, GPUs or machines: torchrun --nproc-per-node N -m eldyn_training fit …
    """
    from eldyn_training.data import open_data
    from eldyn_training.engine import fit as run_fit
    from eldyn_training.recipe import load_recipe, parse_recipe

    is_first = os.environ.get("RANK", "0") == "0"
    chosen = load_recipe(recipe)
    if frames is not None:
        values = chosen.model_dump()
        values["data"]["frames"] = frames
        chosen = parse_recipe(values)

    def tell(line: str) -> None:
        if is_first:
            print(line, file=sys.stderr)

    result = run_fit(
        chosen,
        open_data(data, tell),
        out,
        autoencoder=autoencoder,
        device=device,
        checkpoint_minutes=checkpoint_minutes,
        storage=storage.value,
        tensorboard=tensorboard,
        recipe_name=Path(recipe).stem,
    )
    if not result.finished:
        tell(f"stopped after step {result.step} of {chosen.total_steps}; the same command goes on")
        raise typer.Exit(128 + result.signal)
    if not is_first:
        return
    for states, scores in (
        ("training states", result.scores),
        ("validation states", result.validation_scores),
    ):
        for name, value in scores.items():
            text = "none" if value is None else f"{value:.4g}"
            print(f"{name:26s} {text:10s} ({states}, averaged weights)")
    print(result.model)
