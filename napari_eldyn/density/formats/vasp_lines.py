"""Step over the numbers of a volume by the length of its lines, without reading them."""

from __future__ import annotations

from napari_eldyn.density.formats.byte_source import ByteSource
from napari_eldyn.density.formats.text_numbers import find_numbers_end

__all__ = ["numbers_end"]

_LONGEST_LINE = 512


def numbers_end(source: ByteSource, start: int, count: int) -> int:
    """Return the offset of the byte after some numbers.

    VASP writes a volume on lines of equal length, so that the end can be computed. A few of them
    are looked at, the last one too; if they are not alike, all words are counted.

    Parameters
    ----------
    source : ByteSource
    start : int
        Where the first line begins [byte].
    count : int

    Raises
    ------
    EldynError
        Naming the file and the line, if it ends before.
    """
    line, newline, _ = source.read(start, _LONGEST_LINE).partition(b"\n")
    per_line, length = len(line.split()), len(line) + 1
    if newline and per_line:
        n_lines = (count - 1) // per_line
        last = start + n_lines * length
        looked_at = {max(0, n_lines * part // 4 - 1) for part in range(1, 5)}
        if all(
            _is_line(source.read(start + index * length, length), per_line) for index in looked_at
        ):
            text = source.read(last, length).partition(b"\n")[0]
            if len(text.split()) == count - n_lines * per_line:
                return last + len(text.rstrip())
    return find_numbers_end(source, start, count)


def _is_line(text: bytes, per_line: int) -> bool:
    return text.endswith(b"\n") and len(text.split()) == per_line and text.count(b"\n") == 1
