"""``eldyn info``: what a trajectory or a model holds."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_eldyn.cli import app
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
from napari_eldyn.cli.trajectory_info import Line, size_on_disk, trajectory_lines
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari_eldyn.density import DensityTrajectory

__all__ = ["info"]

CARD_WIDTH = 100
"""Characters in a line of a model's card."""


@app.command()
def info(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="A trajectory: a file or directory of any supported format, or several files of "
            "one series; or a model (.safetensors).",
            show_default=False,
        ),
    ],
    scan: Annotated[
        bool,
        typer.Option(
            "--scan",
            help="Read every frame of a trajectory: range and number of electrons over all "
            "frames, and any frame that is damaged, not finite, or not positive.",
        ),
    ] = False,
    timestep: TimestepOption = None,
    cell: CellOption = None,
    unit: UnitOption = None,
    dataset: DatasetOption = None,
    kind: KindOption = None,
    cache: CacheOption = None,
) -> None:
    """Describe a trajectory or a model.

    Lengths in Å, times in fs, densities in electrons/Å³.

    Only the first frame is read, unless --scan is given.
    """
    if len(paths) == 1 and paths[0].suffix == ".safetensors":
        _print_model(paths[0])
        return
    from napari_eldyn.density.formats import open_any

    options = open_options(timestep, cell, unit, dataset, kind)
    trajectory = open_any(paths, options, cache=cache_place(cache))
    _print(trajectory_lines(trajectory, paths, cache_place(cache)))
    if scan:
        _scan(trajectory)


def _print_model(path: Path) -> None:
    """Print a model's card, section by section."""
    from napari_eldyn.emulator.checkpoint import load_checkpoint
    from napari_eldyn.emulator.model_card import model_card

    sections = model_card(load_checkpoint(path))
    width = min(max(len(name) for section in sections for name, _ in section.lines), 38)
    _print([("model", str(path)), ("size on disk", size_on_disk([path]))])
    for section in sections:
        typer.echo(f"\n{section.title}")
        for name, text in section.lines:
            label = f"  {name:<{width}}  "
            lines = textwrap.wrap(text, CARD_WIDTH - width - 4, break_long_words=False)
            typer.echo(
                f"\n{' ' * (width + 4)}".join([label + lines[0] if lines else label, *lines[1:]])
            )


def _scan(trajectory: DensityTrajectory) -> None:
    """Read all frames, print their range, and end in an error if any of them is bad."""
    import numpy as np
    from tqdm import tqdm

    minimum, maximum, problems, n_not_positive = np.inf, -np.inf, [], 0
    electrons = []
    for index in tqdm(range(len(trajectory)), unit="frame", desc="Reading", delay=0.2):
        try:
            frame = trajectory[index]
        except EldynError as error:
            problems.append(error.problem)
            continue
        if not np.all(np.isfinite(frame)):
            problems.append(f"frame {index} holds NaN or infinite values")
            continue
        minimum, maximum = min(minimum, float(frame.min())), max(maximum, float(frame.max()))
        n_not_positive += int(np.count_nonzero(frame <= 0.0))
        electrons.append(float(frame.sum(dtype=np.float64)) * trajectory.grid.voxel_volume)
    if electrons:
        _print(
            [
                ("all frames", f"{minimum:.6g} to {maximum:.6g} {trajectory.unit}".rstrip()),
                ("not positive", f"{n_not_positive} values"),
            ]
        )
    if electrons and trajectory.quantity == "density":
        mean, low, high = np.mean(electrons), min(electrons), max(electrons)
        _print([("electrons", f"{mean:.4f} on average, {low:.4f} to {high:.4f}")])
    if problems:
        listed = "; ".join(problems[:5]) + (" …" if len(problems) > 5 else "")
        raise EldynError(
            f"{len(problems)} of {len(trajectory)} frames are bad: {listed}",
            path=trajectory.path,
            remedy="Convert the good stretches with eldyn convert --frames.",
        )


def _print(lines: Iterable[Line]) -> None:
    listed = list(lines)
    width = max(len(name) for name, _ in listed)
    for name, text in listed:
        typer.echo(f"{name:<{width}}  {text}")
