"""Numbers of texts against Python's float, whatever their columns, blocks and ends of lines."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from napari_eldyn.density.formats.byte_source import open_source
from napari_eldyn.density.formats.text_numbers import (
    find_numbers_end,
    parse_numbers,
    read_numbers,
)
from napari_eldyn.exceptions import EldynError

Values = npt.NDArray[np.float64]
Form = Callable[[float], str]


def spread(count: int, seed: int = 0) -> Values:
    """Numbers from 1e-30 to 1e30 of both signs, and zero."""
    rng = np.random.default_rng(seed)
    values: Values = 10.0 ** rng.uniform(-30, 30, count) * rng.choice([-1.0, 1.0], count)
    values[count // 2] = 0.0
    return values


def lines_of(words: list[str], per_line: int, row: int = 0, end: str = "\n") -> str:
    """Words in lines; with a line broken after each `row` words as well, as in cubes."""
    rows = [words[i : i + row] for i in range(0, len(words), row)] if row else [words]
    return "".join(
        " ".join(part[i : i + per_line]) + end
        for part in rows
        for i in range(0, len(part), per_line)
    )


def python(text: str) -> Values:
    return np.array([float(word.replace("D", "E").replace("d", "E")) for word in text.split()])


FORMS: dict[str, Form] = {
    "E12.5": lambda x: f"{x:12.5E}",
    "E18.11": lambda x: f"{x:18.11E}",
    "E24.16": lambda x: f"{x:24.16E}",
    "e": lambda x: f"{x: .8e}",
    "D": lambda x: f"{x: .10E}".replace("E", "D"),
    "d": lambda x: f"{x: .10E}".replace("E", "d"),
    "repr": lambda x: repr(float(x)),
    "short": lambda x: f"{x:.3g}",
    "integer": lambda x: f"{x % 1000:.0f}",
    "fixed": lambda x: f"{x % 1000:12.6f}",
    "plus": lambda x: f"{x:+.5E}",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("per_line", "row"), [(6, 0), (6, 40), (1, 0), (10, 40), (3001, 0)])
def test_every_way_of_writing(tmp_path: Path, form: Form, per_line: int, row: int) -> None:
    text = lines_of([form(x) for x in spread(3001)], per_line, row)
    expected = python(text)
    parsed = parse_numbers(text.encode(), 3001, path="x")
    assert parsed.dtype == np.float64
    np.testing.assert_allclose(parsed, expected, rtol=7e-16)
    path = tmp_path / "x.txt"
    path.write_text("head\n" + text + "tail\n")
    source = open_source(path)
    read, end = read_numbers(source, 5, 3001)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, expected, rtol=6.1e-8)
    assert source.read(end, 6).strip() == b"tail"
    assert find_numbers_end(source, 5, 3001) == end


@pytest.mark.parametrize(
    ("form", "count", "per_line", "row", "zipped"),
    [
        ("E12.5", 165_000, 6, 0, False),
        ("E12.5", 165_000, 6, 40, True),
        ("E18.11", 15_000, 5, 0, False),
        ("short", 15_000, 9, 100, True),
    ],
)
def test_texts_of_many_blocks(
    tmp_path: Path, form: str, count: int, per_line: int, row: int, zipped: bool
) -> None:
    """About 2 MiB, which are read in several pieces."""
    text = lines_of([FORMS[form](x) for x in spread(count)], per_line, row)
    expected = python(text)
    path = tmp_path / "x.txt"
    path.write_bytes(gzip.compress(text.encode(), 1) if zipped else text.encode())
    source = open_source(path)
    read, end = read_numbers(source, 0, count)
    np.testing.assert_allclose(read, expected, rtol=6.1e-8)
    assert end == len(text) - 1 == find_numbers_end(source, 0, count)
    # Any part of it; the text ends where it ends.
    for part in (1, 777, count - 1):
        read, end = read_numbers(source, 0, part)
        np.testing.assert_allclose(read, expected[:part], rtol=6.1e-8)
        assert end == find_numbers_end(source, 0, part)
        assert len(text[:end].split()) == part


@pytest.mark.parametrize("end", ["\r\n", " \n", "\n\n", "\t\n"])
@pytest.mark.parametrize("form", ["E18.11", "short"])
def test_ends_of_lines(tmp_path: Path, form: str, end: str) -> None:
    text = lines_of([FORMS[form](x) for x in spread(30_000)], 6, 40, end)
    path = tmp_path / "x.txt"
    path.write_bytes(text.encode())
    read, after = read_numbers(open_source(path), 0, 30_000)
    np.testing.assert_allclose(read, python(text), rtol=6.1e-8)
    assert after == len(text.rstrip())
    assert find_numbers_end(open_source(path), 0, 30_000) == after


@pytest.mark.parametrize("change", ["line", "width", "blank line", "digits", "no exponent"])
@pytest.mark.parametrize("at", [0.1, 0.5, 0.97])
def test_columns_that_change_in_the_middle(tmp_path: Path, change: str, at: float) -> None:
    """Codes restart, users edit: what begins regularly need not stay so."""
    lines = lines_of([FORMS["E12.5"](x) for x in spread(30_000)], 6).splitlines()
    place = int(at * len(lines))
    words = lines[place].split()
    lines[place] = {
        "line": "\n".join(words),
        "width": "   ".join(words),
        "blank line": lines[place] + "\n",
        "digits": " ".join(f"{float(word):.9E}" for word in words),
        "no exponent": " ".join(["0.5", "1", "-3.25", *words[3:]]),
    }[change]
    text = "\n".join(lines) + "\n"
    path = tmp_path / "x.txt"
    path.write_text(text)
    read, end = read_numbers(open_source(path), 0, 30_000)
    np.testing.assert_allclose(read, python(text), rtol=6.1e-8)
    assert end == len(text) - 1 == find_numbers_end(open_source(path), 0, 30_000)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *(("1.0D-10", 1e-10), ("1.0d+10", 1e10), ("-1.5-100", -1.5e-100), ("2.5+101", 2.5e101)),
        *((".5", 0.5), ("-.5E+01", -5.0), ("5.", 5.0), ("+7", 7.0), ("1E5", 1e5), ("0", 0.0)),
        *(("1.25E-250", 1.25e-250), ("1.0E+002", 100.0), ("1.0E-0400", 0.0), ("12.5E+00", 12.5)),
        ("0.1234567890123456789012345", 0.1234567890123456789),
    ],
)
@pytest.mark.parametrize("among", ["1.00000E+00", "3"])
def test_single_numbers(word: str, value: float, among: str) -> None:
    for count in (1, 2, 50):
        words = [among] * (count - 1)
        words.insert(count // 3, word)
        found = parse_numbers("\n".join(words).encode(), count, path="x")
        assert found[count // 3] == pytest.approx(value, rel=7e-16, abs=0.0)
        assert np.delete(found, count // 3).tolist() == [float(among)] * (count - 1)


@pytest.mark.parametrize(
    "word",
    [
        *("*****", "NaN", "nan", "inf", "-Infinity", "1e999", "1.0E+400", "1_000", "0x10", "1,5"),
        *("1.2.3", "--1", "1E", "E5", "D", "1.0E+", "1.0-10", "1.0E1.0", "٣", "1.0\x001.0", "."),
        *("1.00000E+0O", "l.00000E+00", "1.00000F+00", "1.0000/E+00", "1.0000:E+00"),
    ],
)
@pytest.mark.parametrize("among", ["1.00000E+00", "3"])
def test_what_is_no_finite_number_is_named_with_its_line(
    tmp_path: Path, word: str, among: str
) -> None:
    path = tmp_path / "x.txt"
    for count, at in ((12, 7), (8_000, 5_000)):
        words = [among] * count
        words[at] = word
        text = lines_of(words, 5)
        line = at // 5 + 1
        path.write_text(text, encoding="utf-8")
        shown = r"x\.txt: line {}: .*(not a number|too large)"
        with pytest.raises(EldynError, match=shown.format(line + 9)):
            parse_numbers(text.encode(), count, path=path, line=10)
        with pytest.raises(EldynError, match=shown.format(line)):
            read_numbers(open_source(path), 0, count)


def test_no_word_as_the_others_seem_to_be() -> None:
    """A sign on a line of its own, before a number without a leading digit."""
    with pytest.raises(EldynError, match="x: line 1: “-” is not a number"):
        parse_numbers(b"-\n.54077704006E+04  6.31976140177E-12\n", 2, path="x")
    found = parse_numbers(b"\f.54077704006E+04\f.5E1", 2, path="x")
    assert found.tolist() == [5407.7704006, 5.0]


def test_too_few_and_too_many(tmp_path: Path) -> None:
    text = lines_of(["1.00000E+00"] * 100, 6)
    path = tmp_path / "x.txt"
    path.write_text(text)
    source = open_source(path)
    with pytest.raises(EldynError, match=r"x: line 21: .*100 numbers.*|x: line \d+: .*fewer"):
        parse_numbers(text.encode(), 10_000, path="x")
    with pytest.raises(EldynError, match=r"x: line 17: the file ends where 1 numbers more"):
        parse_numbers(text.encode(), 101, path="x")
    with pytest.raises(EldynError, match=r"x: line 17: 99 numbers should be here.*more"):
        parse_numbers(text.encode(), 99, path="x")
    for function in (read_numbers, find_numbers_end):
        with pytest.raises(EldynError, match=r"x\.txt: line 17: the file ends where 1 numbers"):
            function(source, 0, 101)
        with pytest.raises(EldynError, match=r"x\.txt: \d+ numbers should follow byte 0, more"):
            function(source, 0, 2**40)
        with pytest.raises(EldynError, match=r"x\.txt"):
            function(source, len(text) + 10, 1)


def test_no_numbers_at_all(tmp_path: Path) -> None:
    assert parse_numbers(b"", 0, path="x").shape == (0,)
    assert parse_numbers(b" \n ", 0, path="x").shape == (0,)
    with pytest.raises(EldynError, match="x: line 2: 0 numbers"):
        parse_numbers(b"\n1", 0, path="x")
    path = tmp_path / "x.txt"
    path.write_bytes(b" " * 2**20)
    with pytest.raises(EldynError, match="blanks follow"):
        read_numbers(open_source(path), 0, 5)
    with pytest.raises(EldynError, match="blanks follow"):
        find_numbers_end(open_source(path), 0, 5)


def test_blanks_between_blocks(tmp_path: Path) -> None:
    """A gap less than a block of text is no damage."""
    path = tmp_path / "x.txt"
    path.write_bytes(b"1.5\n" + b" " * 300_000 + b"\n2.5 " + b"\n" * 400_000 + b"3.5")
    read, _ = read_numbers(open_source(path), 0, 3)
    assert read.tolist() == [1.5, 2.5, 3.5]


def test_a_word_without_end(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"1.5 " + b"1" * 3_000_000)
    with pytest.raises(EldynError, match=r"x\.txt: line 1: .*is not a number") as caught:
        read_numbers(open_source(path), 0, 2)
    assert len(str(caught.value)) < 500


def test_numbers_are_scaled_in_double_precision(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    for form in ("E18.11", "short"):
        words = [FORMS[form](x) for x in spread(5000)]
        path.write_text(lines_of(words, 5))
        read, _ = read_numbers(open_source(path), 0, 5000, scale=1e-3 / 7.0)
        expected = python(" ".join(words)) * (1e-3 / 7.0)
        np.testing.assert_allclose(read, expected, rtol=6.1e-8)


@pytest.mark.parametrize("form", ["{:.5E}", "{:.1f}"])
def test_what_single_precision_cannot_hold(tmp_path: Path, form: str) -> None:
    words = ["1.00000E+00"] * 8_000
    words[5_002] = form.format(1e39)
    path = tmp_path / "x.txt"
    path.write_text(lines_of(words, 5))
    with pytest.raises(EldynError, match=r"x\.txt: line 1001: .*too large for single"):
        read_numbers(open_source(path), 0, 8_000)
    read, _ = read_numbers(open_source(path), 0, 8_000, scale=1e-3)
    assert read[5_002] == pytest.approx(1e36)
