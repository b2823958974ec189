"""``eldyn info``: what a trajectory or a model holds."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_eldyn.cli import app
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari_eldyn.density import DensityTrajectory

__all__ = ["info"]

Line = tuple[str, str]

CARD_WIDTH = 100
"""Characters in a line of a model's card."""


@app.command()
def info(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="A trajectory (.eldyn store, frames_*.npz chunk or a directory of chunks), "
            "or a model (.safetensors).",
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
) -> None:
    """Describe a trajectory or a model.

    Lengths in Å, times in fs, densities in electrons/Å³.

    Only the first frame is read, unless --scan is given.
    """
    if path.suffix == ".safetensors":
        _print_model(path)
        return
    from napari_eldyn.density import DensityTrajectory

    trajectory = DensityTrajectory.open(path)
    _print(_trajectory_lines(trajectory, path))
    if scan:
        _scan(trajectory)


def _trajectory_lines(trajectory: DensityTrajectory, path: Path) -> Iterable[Line]:
    from napari_eldyn.density.store_layout import UNITS

    grid = trajectory.grid
    yield "trajectory", str(path)
    yield "frames", str(len(trajectory))
    yield "times", _times(trajectory)
    yield "grid", f"{' × '.join(map(str, grid.shape))} points"
    for name, vector in zip("abc", grid.cell, strict=True):
        yield f"cell {name}", "  ".join(f"{x:10.5f}" for x in vector) + "  Å"
    shape = "cubic" if grid.is_cubic else "orthogonal" if grid.is_orthogonal else "not orthogonal"
    yield "volume", f"{grid.volume:.3f} Å³ ({shape})"
    yield "density", f"{trajectory.kind}, electrons/Å³"
    if len(trajectory):
        frame = trajectory[0]
        electrons = trajectory.electrons(0)
        yield "first frame", f"{electrons:.4f} electrons, {frame.min():.6g} to {frame.max():.6g}"
    yield "atoms", _atoms(trajectory)
    for name, values in trajectory.scalars.items():
        if len(values):
            unit = f" {UNITS[name]}" if name in UNITS else ""
            yield name, f"{values.min():.6g} to {values.max():.6g}, mean {values.mean():.6g}{unit}"
    for name, array in trajectory.extra.items():
        yield name, f"array of {' × '.join(map(str, array.shape[1:]))} per frame, {array.dtype}"
    yield "encoding", _encoding(trajectory)
    yield "size on disk", _size(trajectory.path or path)
    yield from _mapping_lines("provenance", trajectory.provenance)


def _times(trajectory: DensityTrajectory) -> str:
    times = trajectory.times
    if not len(times):
        return "none"
    span = f"{times[0]:g} to {times[-1]:g} fs"
    try:
        return f"{span}, every {trajectory.timestep:g} fs"
    except EldynError as error:
        return f"{span}; {error.problem}"


def _atoms(trajectory: DensityTrajectory) -> str:
    if trajectory.numbers is None:
        return "not known"
    from ase.data import chemical_symbols

    counts = Counter(chemical_symbols[number] for number in trajectory.numbers)
    formula = ", ".join(f"{count} {symbol}" for symbol, count in counts.items())
    known = [
        name
        for name, value in (
            ("positions", trajectory.positions),
            ("velocities", trajectory.velocities),
        )
        if value is not None
    ]
    return f"{formula}; " + (f"with {' and '.join(known)}" if known else "no positions")


def _encoding(trajectory: DensityTrajectory) -> str:
    from napari_eldyn.density import store_encoding

    source = trajectory.path
    name: str
    if source is not None and (source / "zarr.json").is_file():
        encoding = store_encoding(source)
        name, error = encoding.name, encoding.relative_error
    else:
        name = str(trajectory.provenance.get("source_format", "as in the file"))
        error = float(trajectory.provenance.get("source_relative_error", 0.0))
    return f"{name}, " + (f"relative error at most {error:.1e}" if error else "lossless")


def _print_model(path: Path) -> None:
    """Print a model's card, section by section."""
    from napari_eldyn.emulator.checkpoint import load_checkpoint
    from napari_eldyn.emulator.model_card import model_card

    sections = model_card(load_checkpoint(path))
    width = min(max(len(name) for section in sections for name, _ in section.lines), 38)
    _print([("model", str(path)), ("size on disk", _size(path))])
    for section in sections:
        typer.echo(f"\n{section.title}")
        for name, text in section.lines:
            label = f"  {name:<{width}}  "
            lines = textwrap.wrap(text, CARD_WIDTH - width - 4, break_long_words=False)
            typer.echo(
                f"\n{' ' * (width + 4)}".join([label + lines[0] if lines else label, *lines[1:]])
            )


def _size(path: Path) -> str:
    files = [part for part in path.rglob("*") if part.is_file()] if path.is_dir() else [path]
    size = sum(part.stat().st_size for part in files)
    exponent = min(max(len(str(size)) - 1, 0) // 3, 4)
    amount = f"{size / 1000.0**exponent:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[exponent]}"
    return f"{amount} in {len(files)} {'file' if len(files) == 1 else 'files'}"


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
        mean, low, high = np.mean(electrons), min(electrons), max(electrons)
        _print(
            [
                ("all frames", f"{minimum:.6g} to {maximum:.6g} electrons/Å³"),
                ("not positive", f"{n_not_positive} values"),
                ("electrons", f"{mean:.4f} on average, {low:.4f} to {high:.4f}"),
            ]
        )
    if problems:
        listed = "; ".join(problems[:5]) + (" …" if len(problems) > 5 else "")
        raise EldynError(
            f"{len(problems)} of {len(trajectory)} frames are bad: {listed}",
            path=trajectory.path,
            remedy="Convert the good stretches with eldyn convert --frames.",
        )


def _mapping_lines(title: str, values: Mapping[str, Any]) -> Iterable[Line]:
    if not values:
        yield title, "none recorded"
        return
    for key, value in values.items():
        name = f"{title} · {key}"
        if isinstance(value, Mapping) and value.keys() == {"shape", "dtype", "base64"}:
            yield name, f"array of {' × '.join(map(str, value['shape']))}, {value['dtype']}"
        elif isinstance(value, Mapping) and value:
            yield from _mapping_lines(name, value)
        else:
            yield name, value if isinstance(value, str) else _short(value)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, list) and len(text) > 80:
        return f"{json.dumps(value[:3], ensure_ascii=False)[:-1]}, … {len(value)} in all]"
    return text


def _print(lines: Iterable[Line]) -> None:
    listed = list(lines)
    width = max(len(name) for name, _ in listed)
    for name, text in listed:
        typer.echo(f"{name:<{width}}  {text}")
