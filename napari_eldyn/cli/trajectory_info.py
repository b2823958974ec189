"""What ``eldyn info`` tells of a trajectory, line by line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari_eldyn.density import DensityTrajectory
    from napari_eldyn.density.frame_cache import CachePlace

__all__ = ["Line", "size_on_disk", "trajectory_lines"]

Line = tuple[str, str]
"""A label and a text."""


def trajectory_lines(
    trajectory: DensityTrajectory, paths: Sequence[Path], cache: CachePlace | None
) -> Iterable[Line]:
    """Yield what a trajectory is and holds; of its frames, the first is read.

    Parameters
    ----------
    trajectory : DensityTrajectory
        The trajectory.
    paths : sequence of Path
        What it was opened from.
    cache : {"beside", "user"}, optional
        Where parsed frames are kept.
    """
    from napari_eldyn.density.store_layout import UNITS

    grid = trajectory.grid
    yield "trajectory", str(paths[0]) if len(paths) == 1 else f"{paths[0]} … {paths[-1]}"
    yield "format", _format(trajectory)
    yield "frames", str(len(trajectory))
    yield "times", _times(trajectory)
    yield "grid", f"{' × '.join(map(str, grid.shape))} points"
    for name, vector in zip("abc", grid.cell, strict=True):
        yield f"cell {name}", "  ".join(f"{x:10.5f}" for x in vector) + "  Å"
    if any(grid.origin):
        yield "origin", "  ".join(f"{x:10.5f}" for x in grid.origin) + "  Å"
    shape = "cubic" if grid.is_cubic else "orthogonal" if grid.is_orthogonal else "not orthogonal"
    yield "volume", f"{grid.volume:.3f} Å³ ({shape})"
    yield from _field_lines(trajectory)
    yield "atoms", _atoms(trajectory)
    for name, values in trajectory.scalars.items():
        if len(values):
            of = f" {UNITS[name]}" if name in UNITS else ""
            yield name, f"{values.min():.6g} to {values.max():.6g}, mean {values.mean():.6g}{of}"
    for name, array in trajectory.extra.items():
        if name in trajectory.channels:
            yield name, _channel(trajectory, name)
        else:
            yield name, f"array of {' × '.join(map(str, array.shape[1:]))} per frame, {array.dtype}"
    yield "encoding", _encoding(trajectory)
    yield "size on disk", size_on_disk(paths if trajectory.path is None else [trajectory.path])
    if cache is not None:
        yield "cache", _cache(trajectory, cache)
    yield from _mapping_lines("provenance", trajectory.provenance)


def _field_lines(trajectory: DensityTrajectory) -> Iterable[Line]:
    """Say what the values are, and how many electrons the first frame holds."""
    if trajectory.quantity == "density":
        yield "density", f"{trajectory.kind}, {trajectory.unit}"
    else:
        yield "quantity", f"{QUANTITIES[trajectory.quantity].title}{_comma(trajectory.unit)}"
    if not len(trajectory):
        return
    frame = trajectory[0]
    values = f"{frame.min():.6g} to {frame.max():.6g} {trajectory.unit}".rstrip()
    if trajectory.quantity != "density":
        yield "first frame", values
        return
    electrons = trajectory.electrons(0)
    yield "first frame", f"{electrons:.4f} electrons, {values}"
    expected = trajectory.provenance.get("expected_electrons")
    if trajectory.kind == "pseudo" and not expected:
        yield "expected", "no whole number: a pseudo density is smoothed near the nuclei"
    else:
        yield "expected", _expected(electrons, expected)


def _expected(electrons: float, expected: float | None) -> str:
    """Compare a number of electrons with what it should be."""
    if not expected:
        return f"not known; the nearest whole number is {electrons:.0f}"
    difference = electrons - expected
    how = "more" if difference > 0.0 else "fewer"
    return (
        f"{expected:.6g} electrons; the first frame has {abs(difference):.4f} {how} "
        f"({difference / expected:+.2%})"
    )


def _channel(trajectory: DensityTrajectory, name: str) -> str:
    """Describe a further field by its values in the first frame."""
    quantity = trajectory.channels[name]
    if not len(trajectory):
        return f"{quantity.title}{_comma(quantity.unit)}"
    values = trajectory.extra[name][0]
    text = f"{quantity.title}, {values.min():.6g} to {values.max():.6g} {quantity.unit}".rstrip()
    if quantity.unit != QUANTITIES["density"].unit:
        return text
    total = float(values.sum(dtype=float)) * trajectory.grid.voxel_volume
    return f"{text}, {total:.4f} electrons in the first frame"


def _times(trajectory: DensityTrajectory) -> str:
    times = trajectory.times
    if not len(times):
        return "none"
    if not trajectory.times_known and len(times) == 1:
        return "a single frame, without a time"
    if not trajectory.times_known:
        return "not in the files (give --timestep); frames are counted"
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
    known: list[str] = []
    if len(trajectory) and trajectory.positions_at(0) is not None:
        known.append("positions")
    if len(trajectory) and trajectory.velocities_at(0) is not None:
        known.append("velocities")
    return f"{formula}; " + (f"with {' and '.join(known)}" if known else "no positions")


def _format(trajectory: DensityTrajectory) -> str:
    from napari_eldyn.density.formats import find_format

    # A store's provenance names the format that it was converted from.
    known = None if trajectory.path is None else find_format(trajectory.path)
    return known.name if known else str(trajectory.provenance.get("source_format", "several files"))


def _encoding(trajectory: DensityTrajectory) -> str:
    from napari_eldyn.density import store_encoding

    source = trajectory.path
    if source is not None and source.suffix != ".zarr" and (source / "zarr.json").is_file():
        encoding = store_encoding(source)
        name, error = encoding.name, encoding.relative_error
        return f"{name}, " + (f"relative error at most {error:.1e}" if error else "lossless")
    error = float(trajectory.provenance.get("source_relative_error", 0.0))
    return f"as in the files, relative error at most {error:.1e}" if error else "as in the files"


def _cache(trajectory: DensityTrajectory, place: CachePlace) -> str:
    from napari_eldyn.density.formats import TrajectoryFormat, find_format
    from napari_eldyn.density.frame_cache import SUFFIX, cache_directory

    path = trajectory.path
    if path is None or isinstance(find_format(path), TrajectoryFormat):
        return "none: the frames need no parsing"
    if path.is_file():
        directory = cache_directory(path, place)
        return f"{directory}, {size_on_disk([directory])}"
    if place == "beside":
        return f"NAME{SUFFIX} beside each file"
    return f"a directory for each file in {cache_directory(path, place).parent}"


def _comma(unit: str) -> str:
    return f", {unit}" if unit else ""


def size_on_disk(paths: Iterable[Path]) -> str:
    """Return the size of files and of what is in directories."""
    files = [
        part
        for path in paths
        for part in (path.rglob("*") if path.is_dir() else [path])
        if part.is_file()
    ]
    size = sum(part.stat().st_size for part in files)
    exponent = min(max(len(str(size)) - 1, 0) // 3, 4)
    amount = f"{size / 1000.0**exponent:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[exponent]}"
    return f"{amount} in {len(files)} {'file' if len(files) == 1 else 'files'}"


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
