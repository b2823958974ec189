"""Bytes of a text file by offset, whether it is compressed or not."""

from __future__ import annotations

import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path

from napari_eldyn.exceptions import EldynError

__all__ = ["MAX_LINE", "ByteSource", "open_source", "read_head"]

MAX_LINE = 64 * 1024
"""Bytes of a line above which a file is taken for damaged."""

_BLOCK = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WBITS = 31  # zlib: with the header and the checksum of gzip
_MOST_INFLATION = 1032  # deflate cannot do more: 258 bytes of two bits
_MARK_SPACING = 4 * 1024 * 1024
_MOST_MARKS = 64
_MOST_KEPT = 1024 * 1024
_MOST_STEPS_FOR_NOTHING = 1000


class ByteSource(ABC):
    """The uncompressed bytes of a file; no file stays open between calls.

    May be used by several threads at a time.

    Attributes
    ----------
    path : Path
    size : int or None
        Bytes of the file; None where only reading it all would tell (gzip).
    most_bytes : int
        Bytes that the file cannot exceed. Compare it with what a header claims.
    """

    path: Path
    size: int | None
    most_bytes: int

    @abstractmethod
    def read(self, start: int, length: int) -> bytes:
        """Return the bytes from an offset; fewer than `length` only at the end of the file.

        Raises
        ------
        EldynError
            If the file cannot be read, or its compressed data are damaged.
        """

    def lines(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield the offset of each line and its bytes without the line's end.

        Raises
        ------
        EldynError
            If a line is longer than `MAX_LINE`.
        """
        position, pending = start, b""
        while block := self.read(position + len(pending), _BLOCK):
            *whole, pending = (pending + block).split(b"\n")
            for line in whole:
                yield position, line.removesuffix(b"\r")
                position += len(line) + 1
            if len(pending) > MAX_LINE:
                raise EldynError(
                    f"line {self.line_number(position)} is longer than {MAX_LINE} bytes",
                    path=self.path,
                )
        if pending:
            yield position, pending.removesuffix(b"\r")

    def line_number(self, offset: int) -> int:
        """Return the number of the line, from 1, that holds the byte at an offset."""
        number, position = 1, 0
        while position < offset and (
            block := self.read(position, min(16 * _BLOCK, offset - position))
        ):
            number += block.count(b"\n")
            position += len(block)
        return number


def open_source(path: str | Path) -> ByteSource:
    """Return the bytes of a file, uncompressed if its content is gzip.

    Raises
    ------
    EldynError
        If the file cannot be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            magic = file.read(2)
            size = file.seek(0, 2)
    except OSError as error:
        raise _unreadable(path, error) from error
    return _GzipSource(path, size) if magic == _GZIP_MAGIC else _PlainSource(path, size)


def read_head(path: str | Path, length: int = 64 * 1024) -> bytes:
    """Return the first bytes of a file, uncompressed; what can be read of it if it is damaged."""
    parts: list[bytes] = []
    got = 0
    try:
        source = open_source(path)
        while got < length and (part := source.read(got, min(length - got, 4096))):
            parts.append(part)
            got += len(part)
    except EldynError:
        pass
    return b"".join(parts)


def _unreadable(path: Path, error: OSError) -> EldynError:
    return EldynError(f"cannot be read: {error.strerror or error}", path=path)


class _PlainSource(ByteSource):
    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size: int | None = size
        self.most_bytes = size

    def read(self, start: int, length: int) -> bytes:
        # Headers may ask for anything; the size bounds what is allocated.
        wanted = min(length, self.most_bytes - start)
        if wanted <= 0:
            return b""
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(start)
                parts = [file.read(wanted)]
                while parts[-1] and sum(map(len, parts)) < wanted:
                    parts.append(file.read(wanted - sum(map(len, parts))))
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return b"".join(parts)


class _Inflation:
    """The state of inflating a gzip file: where it is in the file, and in the bytes it gives."""

    def __init__(self, decompressor: zlib._Decompress, position: int, given: int) -> None:
        self.decompressor = decompressor
        self.position = position
        self.given = given
        self.ended = False
        self.for_nothing = 0

    @classmethod
    def begun(cls) -> _Inflation:
        return cls(zlib.decompressobj(_GZIP_WBITS), 0, 0)

    def copy(self) -> _Inflation:
        other = _Inflation(self.decompressor.copy(), self.position, self.given)
        other.ended = self.ended
        return other


class _GzipSource(ByteSource):
    """Goes on from where the last call ended, or from the nearest mark before."""

    def __init__(self, path: Path, compressed_size: int) -> None:
        self.path = path
        self.size = None
        self.most_bytes = compressed_size * _MOST_INFLATION
        self._lock = threading.Lock()
        self._current = _Inflation.begun()
        self._marks: list[_Inflation] = []
        self._spacing = _MARK_SPACING
        self._recent, self._recent_start = b"", 0

    def read(self, start: int, length: int) -> bytes:
        with self._lock:
            # Readers go back a little, from block to block.
            recent = self._recent if start >= self._recent_start else b""
            parts = [recent[start - self._recent_start :][:length]] if recent else []
            position = start + sum(map(len, parts))
            self._go_before(position)
            try:
                with self.path.open("rb", buffering=0) as file:
                    while position < start + length and not self._current.ended:
                        skipped = max(0, position - self._current.given)
                        most = min(skipped or start + length - position, 16 * _BLOCK)
                        piece = self._inflate(file, most)
                        if not skipped:
                            parts.append(piece)
                            position += len(piece)
            except OSError as error:
                raise _unreadable(self.path, error) from error
            data = b"".join(parts)
            if len(data) <= _MOST_KEPT and position == self._current.given:
                self._recent_start, self._recent = start, data
            return data

    def _go_before(self, start: int) -> None:
        before = [mark for mark in self._marks if mark.given <= start]
        nearest = before[-1] if before else None
        if self._current.given > start:
            self._current = nearest.copy() if nearest else _Inflation.begun()
        elif nearest and nearest.given > self._current.given:
            self._current = nearest.copy()

    def _inflate(self, file: RawIOBase, most: int) -> bytes:
        """Return up to `most` bytes more; none where only the state has moved on."""
        state = self._current
        file.seek(state.position)
        packed = file.read(_BLOCK) or b""
        try:
            piece = state.decompressor.decompress(packed, most)
        except zlib.error as error:
            raise EldynError(
                f"the gzip data from byte {state.position} are damaged ({error})", path=self.path
            ) from error
        decompressor = state.decompressor
        # At the end of a member, zlib may give the rest as both.
        rest = decompressor.unused_data if decompressor.eof else decompressor.unconsumed_tail
        used = len(packed) - len(rest)
        state.position += used
        state.given += len(piece)
        state.for_nothing = 0 if piece else state.for_nothing + 1
        if state.for_nothing > _MOST_STEPS_FOR_NOTHING:
            raise EldynError("the gzip data hold nothing, again and again", path=self.path)
        if decompressor.eof:
            # Members may follow one another; what is no member is padding.
            file.seek(state.position)
            state.decompressor = zlib.decompressobj(_GZIP_WBITS)
            state.ended = file.read(2) != _GZIP_MAGIC
        elif not used and not piece:
            raise EldynError(f"the gzip data end early, at byte {state.position}", path=self.path)
        self._mark()
        return piece

    def _mark(self) -> None:
        last = self._marks[-1].given if self._marks else 0
        if self._current.given < last + self._spacing:
            return
        self._marks.append(self._current.copy())
        if len(self._marks) > _MOST_MARKS:
            self._marks = self._marks[1::2]
            self._spacing *= 2
