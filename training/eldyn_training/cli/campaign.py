"""``eldyn-train campaign``: run many AIMD trajectories."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from eldyn_training.cli import app

__all__ = ["campaign"]


@app.command()
def campaign(
    campaign: Annotated[
        str, typer.Argument(help="A TOML file, or the name of a shipped campaign.")
    ],
    out: Annotated[Path, typer.Option(help="Directory of the trajectories and manifest.json.")],
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Trajectories at a time on this machine; by default its cores."),
    ] = None,
    engine: Annotated[
        Path | None, typer.Option(help="TOML file that tells where to run: Slurm, PBS, MPI.")
    ] = None,
) -> None:
    """Run independent AIMD trajectories: seeds, temperatures, cells.

    Ctrl-C or SIGTERM lets every trajectory end its MD step and stops; the same command goes on.
    Failed and killed trajectories are resumed from their last frame; those that fail for good are
    listed at the end while the others finish. OUT is a data set for eldyn-train fit --data OUT.
    """
    from eldyn_training.campaign.engine import LocalEngine, load_engine
    from eldyn_training.campaign.recipe import load_campaign
    from eldyn_training.campaign.run import run_campaign
    from napari_eldyn.exceptions import EldynError

    chosen = LocalEngine() if engine is None else load_engine(engine)
    if workers is not None:
        if not isinstance(chosen, LocalEngine):
            raise EldynError(
                f"--workers is for this machine, but the engine is {chosen.scheduler}",
                path=engine,
                remedy="Set max_blocks and cores_per_node in the engine file instead.",
            )
        chosen = chosen.model_copy(update={"workers": workers})
    result = run_campaign(load_campaign(campaign), out, engine=chosen)
    for name in result.leftover:
        print(f"{name}: not in this campaign any more; kept in {out}", file=sys.stderr)
    for record in result.failed:
        print(
            f"{record.name}: failed after {record.attempts} attempts with {record.frames} of "
            f"{record.frames_wanted} frames: {record.error}",
            file=sys.stderr,
        )
    finished = sum(record.status == "finished" for record in result.records)
    frames = sum(record.frames for record in result.records)
    print(f"{finished} of {len(result.records)} trajectories finished, {frames} frames in {out}")
    if result.signal is not None:
        print("stopped; the same command goes on", file=sys.stderr)
        raise typer.Exit(128 + result.signal)
    if result.failed:
        raise typer.Exit(1)
