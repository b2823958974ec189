"""``eldyn rollout``: generate frames with a trained model and keep them as they are made."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from napari_eldyn.cli import app
from napari_eldyn.cli.interrupt import interruptible
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from tqdm import tqdm

    from napari_eldyn.density import StoreWriter
    from napari_eldyn.emulator import Rollout

__all__ = ["rollout"]

FRAMES_PER_WRITE = 8
"""Frames decoded and written at once; at most these are lost if the process is killed."""

SHARDED_ABOVE = 1000
FRAMES_PER_SHARD = 64
"""Stores planned for more frames than SHARDED_ABOVE keep this many in each file."""


@app.command()
def rollout(
    model: Annotated[Path, typer.Option(help="Trained model (.safetensors).", show_default=False)],
    start: Annotated[
        Path,
        typer.Option(
            help="Trajectory to start from, on the model's grid and in its cell; a spatial model "
            "also runs in other cells with grid points as far apart.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Store to write (.eldyn): densities in electrons/Å³, times in fs, latents.",
            show_default=False,
        ),
    ],
    frame: Annotated[
        int | None,
        typer.Option(
            help="Frame of the trajectory to start from; negative counts from the end.",
            show_default="the first that the model can start from",
        ),
    ] = None,
    frames: Annotated[
        int,
        typer.Option(min=1, help="Frames to generate, one model step Δτ (in fs) apart."),
    ] = 100,
    sampler: Annotated[
        str | None,
        typer.Option(
            metavar="[dpmpp_2m|heun|ddim|ddpm]",
            help="dpmpp_2m, heun: solvers of second order, for few evaluations; both families. "
            "ddim: of first order; ddpm: the paper's stochastic sampler; pooled family only.",
            show_default="dpmpp_2m for the spatial family, ddim for the pooled",
        ),
    ] = None,
    evaluations: Annotated[
        int | None,
        typer.Option(
            help="Evaluations of the denoiser per frame.",
            show_default="those usual for model and sampler: 8 for the spatial family; 20 for "
            "ddim, all diffusion steps for ddpm",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the noise: the same seed gives the same frames.")
    ] = 0,
    device: Annotated[
        str, typer.Option(help="auto (the fastest here), cpu, cuda, cuda:1, mps.")
    ] = "auto",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue OUT up to --frames frames in all; give the same options, or leave "
            "sampler and evaluations out.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT if it exists.")
    ] = False,
) -> None:
    """Generate frames with a trained model, starting from a frame of a trajectory.

    Frames are written to OUT as they are made, so OUT can be opened meanwhile. Ctrl-C ends the
    run and keeps them; the same command with --resume goes on where it ended.
    """
    from tqdm import tqdm

    from napari_eldyn.density import DensityTrajectory
    from napari_eldyn.emulator import Emulator, Rollout, describe_device, resolve_device

    _check_out(out, resume, overwrite)
    emulator = Emulator.load(model, device=resolve_device(device))
    trajectory = DensityTrajectory.open(start)
    stored = Rollout.resume(out, emulator) if resume and out.exists() else None
    if stored is not None and sampler is None:
        sampler = stored.origin.sampler
        evaluations = evaluations or stored.origin.evaluations
    run = Rollout(emulator, trajectory, frame, sampler, evaluations, seed)
    typer.echo(_summary(run, describe_device(emulator.device)), err=True)
    if stored is not None:
        run = _continue(run, stored, out)
    n_before = len(run)
    with (
        interruptible() as interrupted,
        tqdm(total=max(frames, n_before), initial=n_before, unit="frame", desc=out.name) as bar,
    ):
        n_stored = _generate(
            run, frames, out, bar, interrupted, continued=stored is not None, overwrite=overwrite
        )
    if n_stored < frames:
        kept = (
            f"{n_stored} of {frames} frames are kept in {out}; the same command with --resume "
            "continues"
            if n_stored
            else "no frame was finished"
        )
        typer.echo(f"eldyn: interrupted; {kept}", err=True)
        raise typer.Exit(130)
    typer.echo(
        f"{out}: {n_stored} frames, {run.timestep:g} fs apart, from {run.times[0]:g} fs "
        f"to {run.times[-1]:g} fs"
    )


def _generate(
    run: Rollout,
    frames: int,
    out: Path,
    bar: tqdm[NoReturn],
    interrupted: threading.Event,
    *,
    continued: bool,
    overwrite: bool,
) -> int:
    """Generate up to `frames` frames in all, write them in blocks, return how many are stored."""
    import numpy as np

    from napari_eldyn.density import StoreWriter

    n_stored = len(run)

    def show_frame(_index: int) -> None:
        bar.update()

    with contextlib.ExitStack() as stack:
        writer: StoreWriter | None = None
        if continued:
            writer = stack.enter_context(StoreWriter.reopen(out))
        while n_stored < frames and not interrupted.is_set():
            wanted = min(FRAMES_PER_WRITE, frames - n_stored)
            try:
                run.advance(wanted, callback=show_frame, stop=interrupted.is_set)
            finally:
                # Also after an error: the frames before it are good.
                fresh = range(n_stored, len(run))
                if fresh:
                    if writer is None:
                        writer = stack.enter_context(_create(run, frames, out, overwrite))
                    writer.append_block(
                        np.stack([run[index] for index in fresh]),
                        {
                            "times": run.times[n_stored:],
                            "extra/latents": run.latents[n_stored:],
                        },
                    )
                    n_stored = len(run)
    return n_stored


def _create(run: Rollout, frames: int, out: Path, overwrite: bool) -> StoreWriter:
    from napari_eldyn.density import StoreWriter

    return StoreWriter.create(
        out,
        run.grid,
        kind=run.kind,
        provenance=run.provenance,
        numbers=run.numbers,
        positions=False,
        extra={"latents": run.latents.shape[1:]},
        frames_per_shard=FRAMES_PER_SHARD if frames > SHARDED_ABOVE else 1,
        overwrite=overwrite,
    )


def _check_out(out: Path, resume: bool, overwrite: bool) -> None:
    if out.suffix != ".eldyn":
        raise EldynError("the store to write ends in .eldyn", path=out)
    if resume and overwrite:
        raise EldynError("--resume and --overwrite exclude each other", path=out)
    if not out.parent.is_dir():
        raise EldynError(f"the folder {out.parent} does not exist", path=out, remedy="Make it.")
    if out.exists() and not (resume or overwrite):
        raise EldynError(
            "the path exists already",
            path=out,
            remedy="Continue it with --resume, replace it with --overwrite, or choose another.",
        )


def _continue(asked: Rollout, stored: Rollout, out: Path) -> Rollout:
    """Check that a stored rollout is the one that is asked for, and return it."""
    mine, its = asked.origin, stored.origin
    pairs = {
        "--sampler": (mine.sampler, its.sampler),
        "--evaluations": (mine.evaluations, its.evaluations),
        "--seed": (mine.seed, its.seed),
        "--start": (mine.start.trajectory, its.start.trajectory),
        "--frame": (mine.start.frame, its.start.frame),
    }
    differences = [f"{name} {a} (it has {b})" for name, (a, b) in pairs.items() if a != b]
    if differences:
        raise EldynError(
            f"the rollout was made with other options than {', '.join(differences)}",
            path=out,
            remedy="Resume it with its own options.",
        )
    if mine.device != its.device:
        typer.echo(
            f"eldyn: the frames so far were made on {its.device}, the next ones on {mine.device}: "
            "they differ from an uninterrupted run in rounding",
            err=True,
        )
    return stored


def _summary(run: Rollout, device: str) -> str:
    from napari_eldyn.emulator.grid_transfer import describe_grid

    origin = run.origin
    start = origin.start
    lines = [
        f"model   {origin.model_name}, step {run.timestep:g} fs, on {device}",
        f"start   frame {start.frame} of {start.trajectory} at {start.time_fs:g} fs, rate by "
        f"{start.rate}",
        f"sampler {origin.sampler}, {origin.evaluations} evaluations per frame, seed {origin.seed}",
    ]
    if not run.grid.matches(run.model.trained_grid):
        lines.append(
            f"cell    {describe_grid(run.grid)}; the model was trained on "
            f"{describe_grid(run.model.trained_grid)}"
        )
    if start.n_clipped:
        lines.append(
            f"warning {start.n_clipped} values of the start are not positive and were clipped"
        )
    return "\n".join(lines)
