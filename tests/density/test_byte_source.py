"""Bytes by offset of plain and compressed files, back and forth, against the bytes themselves."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from napari_eldyn.density.formats.byte_source import MAX_LINE, open_source, read_head
from napari_eldyn.exceptions import EldynError

MIB = 1024 * 1024


def content(size: int = 6 * MIB + 123) -> bytes:
    """Digits and ends of lines: compressed about to a half."""
    rng = np.random.default_rng(0)
    digits = rng.choice(np.frombuffer(b"0123456789 \n", dtype=np.uint8), size)
    return digits.astype(np.uint8).tobytes()


def members(data: bytes) -> bytes:
    """Parts of unequal length, one of them empty, compressed one after the other."""
    ends = [0, 1, 70_000, 70_000, len(data) // 2, len(data)]
    parts = [data[begin:end] for begin, end in pairwise(ends)]
    return b"".join(gzip.compress(part, 1) for part in parts)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, 1),
    "members": members,
    "padded": lambda data: gzip.compress(data, 1) + bytes(512),
}


@pytest.fixture(scope="module")
def data() -> bytes:
    return content()


@pytest.fixture(scope="module", params=PACKED)
def path(request: pytest.FixtureRequest, data: bytes, tmp_path_factory) -> Path:
    made: Path = tmp_path_factory.mktemp("source") / "x"
    made.write_bytes(PACKED[request.param](data))
    return made


def test_any_bytes_in_any_order(path: Path, data: bytes) -> None:
    source = open_source(path)
    rng = np.random.default_rng(1)
    for _ in range(8):
        start = int(rng.integers(0, len(data) + 1000))
        length = int(rng.choice([1, 100, 70_000, 2 * MIB]))
        assert source.read(start, length) == data[start : start + length]
    assert source.read(0, 0) == b""
    assert source.read(0, 2 * len(data)) == data
    assert source.read(len(data), 1) == b""
    assert source.read(10, 10) == data[10:20]


def test_from_block_to_block_and_a_little_back(path: Path, data: bytes) -> None:
    source = open_source(path)
    for start in range(0, len(data), 500_000):
        assert source.read(start, 512 * 1024) == data[start : start + 512 * 1024]
        back = max(0, start - 32)
        assert source.read(back, 64) == data[back : back + 64]


def test_by_several_threads(path: Path, data: bytes) -> None:
    source = open_source(path)
    starts = [(n * 7_654_321) % len(data) for n in range(10)]
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda start: source.read(start, 5000), starts))
    assert read == [data[start : start + 5000] for start in starts]


def test_sizes(path: Path, data: bytes) -> None:
    source = open_source(path)
    assert source.path == path
    assert source.size in (len(data), None)
    assert source.most_bytes >= len(data)


def test_lines_and_their_numbers(path: Path, data: bytes) -> None:
    source = open_source(path)
    part = data[: data.index(b"\n", 300_000) + 1]
    position = 0
    for (offset, line), expected in zip(source.lines(), part.split(b"\n")[:-1], strict=False):
        assert (offset, line) == (position, expected)
        position += len(expected) + 1
    assert position == len(part)
    for offset in (0, 1, 70_001, 2 * MIB, len(data) - 1):
        assert source.line_number(offset) == 1 + data.count(b"\n", 0, offset)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_ends_of_lines(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "x"
    path.write_bytes(pack(b"one\r\ntwo\n\n\rthree\r\nlast"))
    assert list(open_source(path).lines()) == [
        (0, b"one"),
        (5, b"two"),
        (9, b""),
        (10, b"\rthree"),
        (18, b"last"),
    ]
    assert next(open_source(path).lines(5)) == (5, b"two")
    assert list(open_source(path).lines(1000)) == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_long_lines(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "x"
    longest = b"a" * MAX_LINE
    path.write_bytes(pack(b"short\n" + longest + b"\nshort\n"))
    assert [line for _, line in open_source(path).lines()] == [b"short", longest, b"short"]
    path.write_bytes(pack(b"short\n" + b"a" * 10 * MAX_LINE))
    lines = open_source(path).lines()
    assert next(lines) == (0, b"short")
    with pytest.raises(EldynError, match=rf"x: line 2 is longer than {MAX_LINE} bytes"):
        next(lines)


def test_an_empty_file(tmp_path: Path) -> None:
    for packed in (b"", gzip.compress(b"")):
        (tmp_path / "x").write_bytes(packed)
        source = open_source(tmp_path / "x")
        assert source.read(0, 10) == b""
        assert list(source.lines()) == []
        assert source.line_number(5) == 1


def test_cut_gzip_data(tmp_path: Path, data: bytes) -> None:
    """What comes before the cut can be read, in any order; what comes after cannot."""
    packed = gzip.compress(data, 1)
    path = tmp_path / "x.gz"
    for keep in (len(packed) // 2, len(packed) - 8, 15, 5):
        path.write_bytes(packed[:keep])
        source = open_source(path)
        if keep > 1000:
            assert source.read(0, 1000) == data[:1000]
        with pytest.raises(EldynError, match=rf"x\.gz: the gzip data end early, at byte {keep}"):
            source.read(0, 2 * len(data))
        with pytest.raises(EldynError, match=r"x\.gz"):
            source.read(len(data) + 5, 10)
        if keep > 1000:
            assert source.read(500, 1000) == data[500:1500]


def test_damaged_gzip_data(tmp_path: Path, data: bytes) -> None:
    packed = bytearray(gzip.compress(data[:MIB], 1))
    path = tmp_path / "x.gz"
    for place in (len(packed) // 2, len(packed) - 6):  # in the data; in the checksum
        damaged = packed.copy()
        for byte in range(place, place + 2):
            damaged[byte] ^= 0xFF
        path.write_bytes(damaged)
        source = open_source(path)
        with pytest.raises(EldynError, match=r"x\.gz: the gzip data.*(damaged|early)"):
            source.read(0, 2 * MIB)
        assert source.read(10, 100) == data[10:110]


def test_a_member_that_is_damaged_from_its_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"whole") + b"\x1f\x8b" + b"\xff" * 50)
    with pytest.raises(EldynError, match=r"x\.gz: the gzip data.*damaged"):
        open_source(path).read(0, 100)


def test_a_zip_bomb_takes_no_more_memory_than_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(64):
            file.write(bytes(MIB))
    assert path.stat().st_size < MIB
    source = open_source(path)
    tracemalloc.start()
    try:
        assert source.read(50 * MIB, 10) == bytes(10)
        assert len(read_head(path)) == 64 * 1024
        with pytest.raises(EldynError, match="longer than"):
            list(source.lines())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB
    assert source.most_bytes >= 64 * MIB


def test_a_bomb_of_empty_members(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"") * 100_000)
    with pytest.raises(EldynError, match=r"bomb\.gz: the gzip data hold nothing"):
        open_source(path).read(0, 10)


def test_the_first_bytes_of_anything(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    packed = gzip.compress(data, 1)
    for written in (data, packed, packed[: len(packed) // 2]):
        path.write_bytes(written)
        assert read_head(path, 100_000) == data[:100_000]
    path.write_bytes(packed[:100])
    head = read_head(path)
    assert data.startswith(head)
    assert read_head(tmp_path / "missing") == b""
    assert read_head(tmp_path) == b""


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name in ("missing", "."):
        with pytest.raises(EldynError, match="cannot be read"):
            open_source(tmp_path / name)
    for packed in (b"text", gzip.compress(b"text")):
        path = tmp_path / "gone"
        path.write_bytes(packed)
        source = open_source(path)
        assert source.read(0, 1) == b"t"
        path.unlink()
        with pytest.raises(EldynError, match=r"gone: cannot be read: No such file"):
            source.read(1, 3)
