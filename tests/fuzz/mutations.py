"""Ways to damage a file: cut, swapped, enormous counts, wrong encodings, bombs."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable

import numpy as np

__all__ = ["MUTATIONS", "Mutation"]

Mutation = Callable[[bytes, np.random.Generator], bytes]

_NUMBER = re.compile(rb"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_ODD_NUMBERS = (
    b"0", b"-1", b"-3", b"1", b"99", b"4096", b"99999999", b"2147483647", b"2147483648",
    b"9223372036854775807", b"18446744073709551616", b"1" + b"0" * 400, b"1e400", b"-1e308",
    b"nan", b"inf", b"1.5", b"0x10", b"1_000", b"********", "١٢".encode(), b"",
)  # fmt: skip
_MAX_TEXT = 64 * 1024


def _span(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    first, last = sorted(rng.integers(0, len(data) + 1, 2).tolist())
    return first, last


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Keep the beginning."""
    return data[: int(rng.integers(0, len(data) + 1))]


def behead(data: bytes, rng: np.random.Generator) -> bytes:
    """Leave out the beginning."""
    return data[int(rng.integers(0, min(len(data), 2000) + 1)) :]


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Change some bytes, mostly of the header."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        if changed:
            end = len(changed) if rng.random() < 0.3 else min(len(changed), 600)
            changed[int(rng.integers(0, end))] = int(rng.integers(0, 256))
    return bytes(changed)


def drop(data: bytes, rng: np.random.Generator) -> bytes:
    """Leave out a part."""
    first, last = _span(data, rng)
    return data[:first] + data[last:]


def repeat(data: bytes, rng: np.random.Generator) -> bytes:
    """Repeat a part."""
    first, last = _span(data, rng)
    return data[:last] + data[first:]


def swap(data: bytes, rng: np.random.Generator) -> bytes:
    """Swap two parts."""
    first, last = _span(data, rng)
    return data[last:] + data[first:last] + data[:first]


def swap_lines(data: bytes, rng: np.random.Generator) -> bytes:
    """Swap two lines of the first thirty."""
    lines = data.split(b"\n")
    a, b = rng.integers(0, min(len(lines), 30), 2).tolist()
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def odd_numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """Put odd or enormous numbers in place of some, mostly of the header."""
    for _ in range(int(rng.integers(1, 4))):
        end = len(data) if rng.random() < 0.2 else 700
        found = list(_NUMBER.finditer(data[: min(end, _MAX_TEXT)]))
        if found:
            match = found[int(rng.integers(0, len(found)))]
            odd = _ODD_NUMBERS[int(rng.integers(0, len(_ODD_NUMBERS)))]
            data = data[: match.start()] + odd + data[match.end() :]
    return data


def odd_integers(data: bytes, rng: np.random.Generator) -> bytes:
    """Write large binary integers over some bytes, mostly of the header."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        width = int(rng.choice([2, 4, 8]))
        end = len(changed) if rng.random() < 0.5 else min(len(changed), 1000)
        if end > width:
            value = int(rng.choice([0, 1, 2 ** (8 * width - 1) - 1, 2 ** (4 * width), 2**15]))
            at = int(rng.integers(0, end - width))
            changed[at : at + width] = value.to_bytes(width, "little")
    return bytes(changed)


def recode(data: bytes, rng: np.random.Generator) -> bytes:
    """Write it in another encoding, or with other ends of lines."""
    text = data[:_MAX_TEXT].decode("latin-1")
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-32-be"),
        lambda: "\ufeff".encode() + data,
        lambda: data.replace(b"\n", b"\r\n"),
        lambda: data.replace(b"\n", b"\r"),
        lambda: data.replace(b"\n", b" "),
        lambda: data.replace(b" ", b"\t"),
        lambda: data.replace(b" ", b"\x00"),
        lambda: data.replace(b" ", "\u00a0".encode()),
        lambda: data.replace(b".", b","),
        lambda: data.replace(b"\n", b""),
    )
    return ways[int(rng.integers(0, len(ways)))]()


def compress(data: bytes, rng: np.random.Generator) -> bytes:
    """Compress it, perhaps twice, and perhaps damage that."""
    packed = gzip.compress(data, 1)
    if rng.random() < 0.2:
        packed = gzip.compress(packed, 1)
    return (cut, flip, repeat, lambda packed, _: packed)[int(rng.integers(0, 4))](packed, rng)


def _bomb(filling: bytes, n_bytes: int) -> bytes:
    """Deflated blocks of one filling, which may be put one after the other."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = filling * (2**20 // len(filling))
    packed = b"".join(packer.compress(block) for _ in range(n_bytes // len(block)))
    return packed + packer.flush(zlib.Z_FULL_FLUSH)


_BOMBS = {filling: _bomb(filling, 2**28) for filling in (b" ", b"\n", b"0 ", b"1")}


def bomb(data: bytes, rng: np.random.Generator) -> bytes:
    """Let 256 MB of one filling, in a gzip file of 260 kB, follow the header."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    head = packer.compress(cut(data[:2000], rng)) + packer.flush(zlib.Z_FULL_FLUSH)
    filling = list(_BOMBS)[int(rng.integers(0, len(_BOMBS)))]
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + head + _BOMBS[filling] + b"\x03\x00" + bytes(8)


MUTATIONS: dict[str, tuple[Mutation, float]] = {
    "cut": (cut, 2.0),
    "behead": (behead, 1.0),
    "flip": (flip, 3.0),
    "drop": (drop, 1.0),
    "repeat": (repeat, 1.0),
    "swap": (swap, 1.0),
    "swap lines": (swap_lines, 2.0),
    "odd numbers": (odd_numbers, 4.0),
    "odd integers": (odd_integers, 2.0),
    "recode": (recode, 1.0),
    "compress": (compress, 0.7),
    "bomb": (bomb, 0.03),
}
"""By name, with how often each is used."""
