"""``eldyn evaluate``: judge rollouts against a reference trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_eldyn.cli import app

__all__ = ["evaluate"]


@app.command()
def evaluate(
    rollouts: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]ROLLOUT...",
            help="Generated trajectories: what eldyn rollout wrote, or any others. NAME stands in "
            "tables and legends; the default is the file's name.",
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
            help="Directory for metrics.json, report.html and the figures (.pdf, .svg, .png); "
            "made if missing.",
            show_default=False,
        ),
    ],
    start_frame: Annotated[
        int | None,
        typer.Option(
            metavar="I",
            help="Frame of TRAJ from which the rollouts started. Recorded in rollouts that "
            "started from TRAJ itself; otherwise the level 'persistence' repeats frame 0 and "
            "no frames are paired in time.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="M",
            help="A model that made a ROLLOUT (.safetensors), once for each; matched by the hash "
            "that rollouts record. Adds its autoencoder alone (encode, decode), the agreement of "
            "its ∂ρ̃/∂τ channel with finite differences, and forecast ensembles.",
            show_default=False,
        ),
    ] = None,
    transfer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]ROLLOUT",
            help="A rollout in a cell of several cells of TRAJ (same voxels), once for each: "
            "judged by what does not depend on the size of the cell, S(q) at the wave vectors "
            "that both have.",
            show_default=False,
        ),
    ] = None,
    training: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="TRAJ",
            help="A trajectory the models were trained on, once for each: adds its distribution "
            "(the paper's Fig. S1), a linear autoregression of latents, and whether rollouts "
            "repeat training frames. Frames in another cell count for the distribution only.",
            show_default=False,
        ),
    ] = None,
    training_frames: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A:B",
            help="The frames of --training that were used, as in the recipe: one for each, in "
            "the same order (':' for all).",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]RUN_DIR",
            help="A directory of eldyn-train fit, once for each: adds the training error at each "
            "step (the paper's Fig. S2).",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where models run: auto (the fastest here), cpu, cuda, mps.")
    ] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier evaluation in DIR.")
    ] = False,
) -> None:
    """Judge rollouts against a reference: metrics.json, report.html and the paper's figures.

    sJSD (0 to 2) and JSD (nats) of the normalised density; S(q) as amplitude and as intensity
    (electrons) against q (1/Å); F(q,t) and relaxation times (fs); electron count, extremes
    (electrons/Å³), step size, errors against lead time (fs).

    Beside each score stand the levels that give it meaning: persistence (the start frame
    repeated), the trajectory mean, and one half of the reference against the other half.

    At the end stand the targets of the spatial family, each with the number reached and whether
    it is met.
    """
    from napari_eldyn.evaluation import (
        Stages,
        check_output,
        metrics_table,
        open_inputs,
        write_evaluation,
    )
    from napari_eldyn.evaluation import evaluate as judge

    check_output(out, overwrite=overwrite)
    stages = Stages()
    inputs = open_inputs(
        rollouts,
        reference,
        models=model or [],
        transfers=transfer or [],
        training=training or [],
        training_frames=training_frames or [],
        runs=run or [],
        start_frame=start_frame,
        device=device,
    )
    evaluation = judge(inputs, stages)
    files = write_evaluation(evaluation, out, stages)
    typer.echo(metrics_table(evaluation.metrics))
    total = sum(stages.seconds.values())
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in stages.slowest())
    typer.echo(f"\nTook {total:.1f} s: {parts}")
    figures = sum(name.endswith(".pdf") for name in files)
    typer.echo(f"Wrote metrics.json, report.html and {figures} figures (.pdf, .svg, .png) to {out}")
