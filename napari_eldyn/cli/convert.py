"""``eldyn convert``: write trajectories of any supported format in another one."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_eldyn.cli import app
from napari_eldyn.cli.interrupt import interruptible
from napari_eldyn.cli.opening import (
    CacheOption,
    CellOption,
    DatasetOption,
    KindOption,
    TimestepOption,
    UnitOption,
    cache_place,
    open_options,
)
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari_eldyn.density import DensityTrajectory
    from napari_eldyn.density.writers import WriteReport

__all__ = ["convert", "parse_frames"]


class Encoding(Enum):
    """The encodings of a store, as choices on the command line."""

    log16 = "log16"
    float32 = "float32"


class _Interrupted(Exception):  # noqa: N818 - it unwinds work that the user has stopped
    pass


@app.command()
def convert(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN... OUT",
            help="What to read: files, directories or patterns; several are one series, or are "
            "joined in the order of time. Last, what to write: NAME.eldyn, .cube, .vasp (or "
            "CHGCAR, CHG), .xsf, .axsf or .npz. Several frames make numbered files NAME_0000.cube "
            "and NAME_0000.vasp, and one file of the others.",
            show_default=False,
        ),
    ],
    frames: Annotated[
        str,
        typer.Option(
            metavar="A:B:S",
            help="Frames to keep, as a Python slice: from A up to but without B, every S-th; "
            "negative A and B count from the end.",
        ),
    ] = ":",
    grid: Annotated[
        tuple[int, int, int] | None,
        typer.Option(
            metavar="NX NY NZ",
            help="Resample to this number of points along the cell vectors (Fourier resampling).",
        ),
    ] = None,
    repeat: Annotated[
        tuple[int, int, int] | None,
        typer.Option(
            metavar="KX KY KZ",
            help="Repeat the cell this often along its vectors, with atoms and density: a start "
            "for a spatial model in a larger cell. --grid, if given, is that of one cell.",
        ),
    ] = None,
    encoding: Annotated[
        Encoding | None,
        typer.Option(
            help="Of an .eldyn store. log16: 16-bit ln ρ, its relative error stated in the store; "
            "values that are not positive are clipped and counted. float32: as they are. By "
            "default what suits the first frame: float32 for fields of both signs.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes; all cores by default.", show_default=False),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT if it exists, once the new is whole.")
    ] = False,
    timestep: TimestepOption = None,
    cell: CellOption = None,
    unit: UnitOption = None,
    dataset: DatasetOption = None,
    kind: KindOption = None,
    cache: CacheOption = None,
) -> None:
    """Write trajectories in another format: as an .eldyn store, or as files of other programs.

    Positions in Å, times in fs, velocities in Å/fs, densities in electrons/Å³.

    What is being written lies in OUT.partial and is renamed when it is whole. The same command
    goes on after an interruption.
    """
    from napari_eldyn.density.writers import ConversionRecipe, find_writer
    from napari_eldyn.density.writers.processes import usable_cores

    *sources, out = paths
    if not sources:
        raise EldynError(f"only one path is given ({out})", remedy="Give what to read, then OUT.")
    find_writer(out)
    recipe = ConversionRecipe(
        tuple(sources),
        open_options(timestep, cell, unit, dataset, kind),
        parse_frames(frames),
        grid,
        repeat,
        cache_place(cache),
    )
    source = recipe.open_source()
    trajectory = recipe.take(source)
    if not len(trajectory):
        raise EldynError(f"--frames {frames} keeps none of {len(source)} frames", path=sources[0])
    step: dict[str, Any] = {"from": [source.name for source in sources], "frames": frames}
    earlier = trajectory.provenance.get("conversions", [])
    trajectory = trajectory.annotated({"conversions": [*earlier, step]})
    report = _write(
        trajectory,
        out,
        encoding=None if encoding is None else encoding.value,
        overwrite=overwrite,
        recipe=recipe,
        workers=workers or usable_cores(),
    )
    n, shape = len(trajectory), " × ".join(map(str, trajectory.grid.shape))
    what = f"{n} {'frame' if n == 1 else 'frames'} on {shape} points"
    typer.echo(f"{report.where}: {what}, {report.exactness}")
    for note in report.notes:
        typer.echo(f"note: {note}")


def _write(trajectory: DensityTrajectory, out: Path, **options: Any) -> WriteReport:
    """Write with a progress bar; an interruption keeps what is done."""
    from tqdm import tqdm

    from napari_eldyn.density.files import partial_path
    from napari_eldyn.density.writers import write_trajectory

    n = len(trajectory)
    with (
        interruptible() as interrupted,
        tqdm(total=n, unit="frame", desc=f"Writing {out.name}", delay=0.2) as bar,
    ):
        begun = False

        def show(done: int, _: int) -> None:
            nonlocal begun
            if done and not begun:
                # Found, not written now: it must not count in the estimate of time.
                bar.initial = bar.n = bar.last_print_n = done
                typer.echo(f"going on after the {done} frames in {partial_path(out)}", err=True)
            begun = True
            bar.update(done - bar.n)
            if interrupted.is_set() and done < n:
                raise _Interrupted

        try:
            return write_trajectory(trajectory, out, progress=show, **options)
        except _Interrupted:
            kept = f"{bar.n} of {n} frames are kept in {partial_path(out)}"
            bar.close()
            typer.echo(f"eldyn: interrupted; {kept}; the same command goes on", err=True)
            raise typer.Exit(130) from None


def parse_frames(text: str) -> slice:
    """Return the slice that ``A:B:S`` means; a single number means that one frame.

    Raises
    ------
    EldynError
        If the text is not of this form, or S is not positive.
    """
    remedy = "Write A:B or A:B:S with whole numbers, for example 0:140 or ::2."
    if re.fullmatch(r"\s*-?\d+\s*", text):
        index = int(text)
        return slice(index, None if index == -1 else index + 1)
    match = re.fullmatch(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(-?\d+)?\s*)?", text)
    if match is None:
        raise EldynError(f"--frames '{text}' is not a range of frames", remedy=remedy)
    start, stop, step = (None if part is None else int(part) for part in match.groups())
    if step is not None and step < 1:
        raise EldynError(f"--frames '{text}' has a step below 1", remedy=remedy)
    return slice(start, stop, step)
