"""Which files are ours to open, and which of several belong together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["can_be_ours", "group_paths", "sort_out", "surely_ours"]

_CHUNK = re.compile(r"frames_\d+\.npz")


def can_be_ours(path: Path) -> bool:
    """Whether a path is of one of our formats, arrays without a cell included; never raises."""
    from napari_eldyn.density.formats import find_format

    if _is_named_as_ours(path):
        return True
    try:
        return path.exists() and (find_format(path) is not None or _holds_series(path))
    except Exception:  # whatever a file of others holds, napari goes on with its other readers
        return False


def surely_ours(path: Path) -> bool:
    """Whether a path holds densities and nothing else that others might open; never raises.

    Arrays are ours if one is named as a density and has a cell: others keep images in such files.
    """
    from napari_eldyn.density.formats import arrays, find_format

    if _is_named_as_ours(path):
        return True
    try:
        known = find_format(path) if path.exists() else None
        if known is arrays.FORMAT:
            return arrays.is_surely_a_density(path)
        return known is not None or _holds_series(path)
    except Exception:
        return False


def sort_out(paths: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Part paths into those that are surely ours and the others.

    Of files whose names differ in numbers only, one is looked at.
    """
    from napari_eldyn.density.formats.numbered_files import by_pattern

    groups = by_pattern(dict.fromkeys(Path(path) for path in paths))
    ours = {path for group in groups if surely_ours(group[0]) for path in group}
    return (
        [path for path in map(Path, paths) if path in ours],
        [path for path in paths if Path(path) not in ours],
    )


def group_paths(paths: Sequence[Path]) -> list[list[Path]]:
    """Part paths into trajectories.

    Files whose names differ in numbers only make a series, as do all chunks; a directory and a
    store is a trajectory by itself.
    """
    from napari_eldyn.density.formats.numbered_files import by_pattern

    whole: list[list[Path]] = []
    chunks, files = [], []
    for path in dict.fromkeys(paths):
        if path.is_dir() or path.suffix.lower() == ".eldyn":
            whole.append([path])
        elif _CHUNK.fullmatch(path.name):
            chunks.append(path)
        else:
            files.append(path)
    return [*whole, *([chunks] if chunks else []), *by_pattern(files)]


def _is_named_as_ours(path: Path) -> bool:
    return path.suffix.lower() == ".eldyn" or _CHUNK.fullmatch(path.name) is not None


def _holds_series(path: Path) -> bool:
    """Whether a directory holds stores of ours, or files of densities."""
    from napari_eldyn.density.formats import arrays, find_series

    if not path.is_dir():
        return False
    if any(part.suffix.lower() == ".eldyn" and part.is_dir() for part in path.iterdir()):
        return True
    return any(
        known is not arrays.FORMAT or arrays.is_surely_a_density(group.files[0])
        for group, known in find_series(path)
    )
