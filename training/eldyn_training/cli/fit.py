"""``eldyn-train fit``: train a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from eldyn_training.cli import app

__all__ = ["fit"]


@app.command()
def fit(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped recipe.")],
    data: Annotated[
        list[Path],
        typer.Option(
            help="Density trajectory to learn from, any format, or the directory of a campaign; "
            "may be given several times."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Run directory; an existing run is resumed.")],
    frames: Annotated[
        str | None, typer.Option(help="Training frames A:B[:S] instead of the recipe's.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    storage: Annotated[
        Literal["auto", "memory", "mapped"],
        typer.Option(
            help="Where normalised frames are kept: memory, mapped (a file beside OUT), or auto."
        ),
    ] = "auto",
    checkpoint_minutes: Annotated[
        float, typer.Option(min=0.0, help="Wall time between checkpoints, in minutes.")
    ] = 5.0,
) -> None:
    """Train a model; the result is OUT/model.safetensors.

    Ctrl-C or SIGTERM saves a checkpoint and stops; the same command goes on from there. Losses
    of every step are in OUT/log.jsonl, one JSON object per line.
    """
    from eldyn_training.data import open_data
    from eldyn_training.engine import fit as run_fit
    from eldyn_training.recipe import Recipe, load_recipe
    from napari_eldyn.config import parse_config

    chosen = load_recipe(recipe)
    if frames is not None:
        values = chosen.model_dump()
        values["data"]["frames"] = frames
        chosen = parse_config(Recipe, values)
    result = run_fit(
        chosen,
        open_data(data, lambda line: print(line, file=sys.stderr)),
        out,
        device=device,
        storage=storage,
        checkpoint_minutes=checkpoint_minutes,
    )
    if not result.finished:
        print(
            f"stopped after step {result.step} of {chosen.total_steps}; the same command goes on",
            file=sys.stderr,
        )
        raise typer.Exit(128 + result.signal)
    for name, value in result.scores.items():
        print(f"{name:12s} {value:.4g}  (training states, averaged weights)")
    print(result.model)
