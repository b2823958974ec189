"""``eldyn-train aimd``: run a trajectory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from eldyn_training.cli import app

__all__ = ["aimd"]


@app.command()
def aimd(
    recipe: Annotated[
        str, typer.Argument(help="A TOML file, or the name of a shipped recipe: aimd_li32, ….")
    ],
    out: Annotated[
        Path, typer.Option(help="Store to write, NAME.eldyn; an existing one is gone on with.")
    ],
) -> None:
    """Run AIMD with GPAW and ASE: melting, equilibration, and an NVT trajectory of densities.

    Every frame is in OUT (densities in electrons/Å³, positions in Å, velocities in Å/fs, energies
    in eV, atomic density matrices) as soon as it is computed. After Ctrl-C, SIGTERM or kill -9
    the same command goes on. On N processes:

    mpiexec -n N gpaw python -m eldyn_training aimd RECIPE --out OUT
    """
    from eldyn_training.aimd import load_aimd_recipe, run_aimd
    from eldyn_training.aimd.calculator import import_gpaw
    from eldyn_training.aimd.ranks import shared
    from napari_eldyn.exceptions import EldynError

    world = import_gpaw().mpi.world
    first = world.rank == 0
    chosen = shared(world, lambda: load_aimd_recipe(recipe))
    try:
        result = run_aimd(chosen, out)
    except EldynError:
        if first:
            raise
        # All processes meet the same errors; the first one tells.
        raise typer.Exit(1) from None
    if not result.finished:
        if first:
            print(
                f"stopped after {result.frames} of {chosen.frames} frames; the same command goes "
                "on",
                file=sys.stderr,
            )
        raise typer.Exit(128 + result.signal)
    if first:
        print(f"{out}: {result.frames} frames")
