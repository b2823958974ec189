"""The objects of an OpenDX file: grids of positions, arrays of data, fields that join them.

https://web.archive.org/web/2016/http://opendx.org/support.html, chapter B of the user's guide,
describes the format; of its many objects, those that regular grids need are read.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource
from napari_eldyn.density.formats.text_numbers import find_numbers_end
from napari_eldyn.density.formats.volume_file import MAX_LENGTH, MAX_POINTS
from napari_eldyn.exceptions import EldynError

__all__ = ["DxArray", "DxGrid", "DxObjects", "find_objects"]

_WORD = re.compile(r'"[^"]*"|[^\s,"]+')
_MOST_LINES = 100_000


@dataclass(frozen=True, eq=False)
class DxGrid:
    """Positions of points: ``origin + i·deltas[0] + j·deltas[1] + k·deltas[2]``, k fastest."""

    counts: tuple[int, int, int]
    origin: npt.NDArray[np.float64]
    deltas: npt.NDArray[np.float64]


@dataclass(frozen=True)
class DxArray:
    """Numbers in the file: how many, and the offsets where they begin and end."""

    items: int
    start: int
    end: int


@dataclass(eq=False)
class DxObjects:
    """What a file holds.

    Parameters
    ----------
    grids, arrays : dict
        By the name or number of the object.
    fields : dict of dict
        Name of the object of each component, by the name of the field.
    per_cell : set of str
        Arrays with a value for each cell between points, not for each point.
    comments : list of str
    """

    grids: dict[str, DxGrid] = field(default_factory=dict)
    arrays: dict[str, DxArray] = field(default_factory=dict)
    fields: dict[str, dict[str, str]] = field(default_factory=dict)
    per_cell: set[str] = field(default_factory=set)
    comments: list[str] = field(default_factory=list)


def find_objects(source: ByteSource) -> DxObjects:
    """Find the objects of a file; numbers are passed over.

    Raises
    ------
    EldynError
        Naming the file and the line, if an object is damaged or of a sort that is not read.
    """
    found = DxObjects()
    statement: list[str] = []
    begun, position, n_lines = 0, 0, 0
    going_on = True
    while going_on:
        going_on = False
        for offset, line in source.lines(position):
            n_lines += 1
            text = line.decode("utf-8", "replace").strip()
            if n_lines > _MOST_LINES:
                raise _error(source, offset, "there are too many lines between the objects")
            if text.startswith("#"):
                found.comments.append(text.lstrip("# "))
                continue
            words = [word.strip('"') for word in _WORD.findall(text)]
            if words[:1] == ["object"]:
                _add(source, begun, statement, found)
                statement, begun = [], offset
            elif words[:1] == ["end"]:
                break
            statement += words
            if statement[-2:] == ["data", "follows"]:
                after = offset + len(line)
                array = _array(source, begun, statement, after + 1)
                found.arrays[statement[1]] = array
                position = array.end
                _check_no_more(source, position, array.items)
                statement, going_on = statement[:2], True
                break
    _add(source, begun, statement, found)
    return found


def _add(source: ByteSource, begun: int, words: list[str], found: DxObjects) -> None:
    """Add the object that the words of a statement describe."""
    if len(words) < 2 or words[0] != "object":
        return
    name = words[1]
    if name in found.arrays:
        if _after(words, "dep", 2) == ["string", "connections"]:
            found.per_cell.add(name)
        return
    kind = _after(words, "class", 1)
    if kind == ["gridpositions"]:
        found.grids[name] = _grid(source, begun, words)
    elif kind == ["field"]:
        places = [index for index, word in enumerate(words[:-3]) if word == "component"]
        found.fields[name] = {words[index + 1]: words[index + 3] for index in places}
    elif kind == ["array"]:
        raise _error(source, begun, f"the numbers of array {name} are not in the text of the file")


def _grid(source: ByteSource, begun: int, words: list[str]) -> DxGrid:
    try:
        counts = [int(word) for word in _after(words, "counts", 3)]
        origin = [float(word) for word in _after(words, "origin", 3) or (0.0, 0.0, 0.0)]
        places = [index for index, word in enumerate(words) if word == "delta"]
        deltas = np.array([[float(word) for word in words[at + 1 : at + 4]] for at in places])
        if len(counts) != 3 or deltas.shape != (3, 3):
            raise ValueError
    except ValueError:
        raise _error(
            source, begun, "the positions should have three counts, an origin and three deltas"
        ) from None
    if min(counts) < 1 or math.prod(counts) > MAX_POINTS:
        shown = " × ".join(map(str, counts))
        raise _error(source, begun, f"the header claims a grid of {shown} points")
    if not np.all(np.abs([origin, *deltas]) < MAX_LENGTH):
        raise _error(source, begun, f"an origin or delta is not below {MAX_LENGTH:g} Å")
    return DxGrid((counts[0], counts[1], counts[2]), np.array(origin), deltas)


def _array(source: ByteSource, begun: int, words: list[str], start: int) -> DxArray:
    if {"binary", "ieee", "msb", "lsb", "xdr"} & set(words):
        raise _error(source, begun, "the array is binary: only numbers as text are read")
    try:
        items = int(_after(words, "items", 1)[0])
        if not 0 < items <= MAX_POINTS or _after(words, "rank", 1) not in ([], ["0"]):
            raise ValueError
    except (ValueError, IndexError):
        raise _error(
            source, begun, "the array should be of rank 0, with a number of items that can be meant"
        ) from None
    return DxArray(items, start, find_numbers_end(source, start, items))


def _check_no_more(source: ByteSource, end: int, items: int) -> None:
    """Refuse an array that goes on after its items: its values would be put at other points."""
    rest = source.read(end, 4096)
    following = rest.lstrip()
    if following and following[:1] in b"+-.0123456789":
        where = end + len(rest) - len(following)
        raise _error(source, where, f"there are more numbers than the {items} items of the array")


def _after(words: list[str], keyword: str, count: int) -> list[str]:
    """Return the words that follow a keyword."""
    if keyword not in words:
        return []
    place = words.index(keyword)
    return words[place + 1 : place + 1 + count]


def _error(source: ByteSource, offset: int, problem: str) -> EldynError:
    return EldynError(f"line {source.line_number(offset)}: {problem}", path=source.path)
