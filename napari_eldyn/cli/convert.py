"""``eldyn convert``: write trajectories of any supported format as an ``.eldyn`` store."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_eldyn.cli import app
from napari_eldyn.exceptions import EldynError

__all__ = ["convert", "parse_frames"]


class Encoding(Enum):
    """The encodings of a store, as choices on the command line."""

    log16 = "log16"
    float32 = "float32"


@app.command()
def convert(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN... OUT.eldyn",
            help="What to read: .eldyn stores, frames_*.npz chunks, or directories of chunks; "
            "several are joined in the order of time. Last, the store to write.",
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
        Encoding,
        typer.Option(
            help="log16: 16-bit ln ρ, for positive densities; its relative error is stated in "
            "the store. float32: as they are."
        ),
    ] = Encoding.log16,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT if it exists, once the new is whole.")
    ] = False,
) -> None:
    """Write trajectories as one .eldyn store.

    Positions in Å, times in fs, velocities in Å/fs, densities in electrons/Å³.

    The store is written as OUT.eldyn.partial and renamed when it is whole.
    """
    from tqdm import tqdm

    from napari_eldyn.density import repeat_cell, store_encoding
    from napari_eldyn.density.formats import open_any

    *sources, out = paths
    if not sources:
        raise EldynError(
            f"only one path is given ({out})", remedy="Give what to read, then OUT.eldyn."
        )
    if out.suffix != ".eldyn":
        raise EldynError("the last path is the store to write; it ends in .eldyn", path=out)
    trajectory = open_any(sources)
    n_all = len(trajectory)
    trajectory = trajectory[parse_frames(frames)]
    if not len(trajectory):
        raise EldynError(f"--frames {frames} keeps none of {n_all} frames", path=sources[0])
    if grid is not None:
        trajectory = trajectory.resampled(grid)
    if repeat is not None:
        trajectory = repeat_cell(trajectory, repeat)
    step: dict[str, Any] = {"from": [source.name for source in sources], "frames": frames}
    earlier = trajectory.provenance.get("conversions", [])
    trajectory = trajectory.annotated({"conversions": [*earlier, step]})
    with tqdm(total=len(trajectory), unit="frame", desc=f"Writing {out.name}", delay=0.2) as bar:

        def report(done: int, _: int) -> None:
            bar.update(done - bar.n)

        trajectory.save(
            out,
            encoding="log16" if encoding is Encoding.log16 else "float32",
            overwrite=overwrite,
            progress=report,
        )
    error = store_encoding(out).relative_error
    exactness = f"relative error at most {error:.1e}" if error else "lossless"
    shape = " × ".join(map(str, trajectory.grid.shape))
    typer.echo(f"{out}: {len(trajectory)} frames on {shape} points, {encoding.value}, {exactness}")


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
