"""Find the numbered files that make up a series, and put them in order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from napari_eldyn.density import frame_cache

__all__ = [
    "FileGroup",
    "by_pattern",
    "differing_numbers",
    "expand",
    "group_files",
    "md_steps",
    "natural_order",
]

_DIGITS = re.compile(r"(\d+)")
_CP2K = re.compile(r"-\d+_(\d+)\.cube(\.gz)?$")


@dataclass(frozen=True)
class FileGroup:
    """Files whose names differ in numbers only.

    Parameters
    ----------
    pattern : str
        As the shell writes them all, relative to the directory searched.
    files : tuple of Path
        In natural order.
    """

    pattern: str
    files: tuple[Path, ...]


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Return paths sorted as people count: ``a_9`` before ``a_10``."""
    return sorted(paths, key=_natural_key)


def _natural_key(path: Path) -> tuple[list[str | int], str]:
    # Text and numbers take turns, so that like compares with like; the text decides between
    # numbers such as 1 and 01.
    text = str(path)
    parts: list[str | int] = list(_DIGITS.split(text))
    parts[1::2] = map(int, parts[1::2])
    return parts, text


def expand(path: str | Path) -> list[Path]:
    """Return the files that a pattern with ``*``, ``?`` or ``[…]`` names, in natural order.

    A path that exists is no pattern, whatever characters it has.
    """
    pattern = Path(path)
    if escape(str(path)) == str(path) or pattern.exists():
        return []
    try:
        found = Path(pattern.anchor or ".").glob(str(pattern.relative_to(pattern.anchor)))
        return natural_order(part for part in found if _counts(part.name))
    except (OSError, ValueError, NotImplementedError):  # such as a** within a name
        return []


def _counts(name: str) -> bool:
    return not name.startswith(".") and not name.endswith((frame_cache.SUFFIX, ".partial"))


def group_files(directory: Path) -> list[FileGroup]:
    """Group the files of a directory by their names without the numbers.

    If it holds no files, those of its subdirectories are taken: many codes write a density under
    the same name into a directory for each step.
    """
    files, folders = _listed(directory)
    if not files:
        files = [file for folder in folders for file in _listed(folder)[0]]
    return [FileGroup(_pattern(group, directory), tuple(group)) for group in by_pattern(files)]


def _listed(directory: Path) -> tuple[list[Path], list[Path]]:
    """Return the files and the subdirectories that count."""
    files: list[Path] = []
    folders: list[Path] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if _counts(entry.name):
                (folders if entry.is_dir() else files).append(directory / entry.name)
    return files, folders


def by_pattern(paths: Iterable[Path]) -> list[list[Path]]:
    """Part paths into groups that differ in numbers only, each in natural order."""
    groups: dict[str, list[Path]] = {}
    for path in natural_order(paths):
        groups.setdefault(_DIGITS.sub("\0", str(path)), []).append(path)
    return list(groups.values())


def _pattern(members: Sequence[Path], directory: Path) -> str:
    """Return a pattern with a star for the numbers that differ."""
    start = len(str(directory / "x")) - 1
    columns = zip(*(_DIGITS.split(str(path)[start:]) for path in members), strict=True)
    return "".join(escape(column[0]) if len(set(column)) == 1 else "*" for column in columns)


def differing_numbers(paths: Sequence[Path]) -> list[int] | None:
    """Return the numbers in which names differ, None unless they do in one place."""
    columns = list(zip(*(_DIGITS.split(path.name) for path in paths), strict=False))
    differing = [column for column in columns if len(set(column)) > 1]
    if len(differing) != 1 or not all(part.isdecimal() for part in differing[0]):
        return None
    return [int(part) for part in differing[0]]


def md_steps(paths: Sequence[Path]) -> list[int] | None:
    """Return the MD steps in CP2K's file names ``…-1_<step>.cube``, None for other names."""
    steps = [int(match[1]) for path in paths if (match := _CP2K.search(path.name))]
    return steps if steps and len(steps) == len(paths) else None
