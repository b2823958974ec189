"""Numbers in VASP's own columns, as Fortran and others write them, against Python's float."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError


def fortran(value: float) -> str:
    """``1X,E17.11``: ten to the power is such that the first digit is after the point."""
    mantissa, exponent = f"{abs(value):.10E}".split("E")
    power = int(exponent) + 1 if value else 0
    return f" {'-' if value < 0 else '0'}.{mantissa.replace('.', '')}E{power:+03d}"


def scientific(value: float) -> str:
    return f" {value:18.11E}"


def write(path: Path, values: np.ndarray, form: Callable[[float], str], per_line: int = 5) -> None:
    fields = [form(value) for value in values]
    lines = ["".join(fields[i : i + per_line]) for i in range(0, len(fields), per_line)]
    header = f"Na\n 1.0\n 4 0 0\n 0 4 0\n 0 0 4\n Na\n 1\nDirect\n 0 0 0\n\n {len(values)} 1 1\n"
    path.write_text(header + "\n".join(lines) + "\n")


def spread(count: int) -> np.ndarray:
    """Numbers from 1e-30 to 1e30 of both signs, and zero."""
    rng = np.random.default_rng(0)
    values = 10.0 ** rng.uniform(-30, 30, count) * rng.choice([-1.0, 1.0], count)
    values[3] = 0.0
    return values


@pytest.mark.parametrize("form", [fortran, scientific])
@pytest.mark.parametrize("count", [5, 403, 90_000])
@pytest.mark.parametrize("positive", [True, False])
def test_numbers_are_exact_in_single_precision(
    tmp_path: Path, form: Callable[[float], str], count: int, positive: bool
) -> None:
    values = np.abs(spread(count)) if positive else spread(count)
    write(tmp_path / "LOCPOT", values, form)
    found = DensityTrajectory.open(tmp_path / "LOCPOT")[0][:, 0, 0]
    expected = np.array([float(form(value)) for value in values])
    np.testing.assert_allclose(found, expected, rtol=6.1e-8)
    np.testing.assert_array_equal(np.sign(found), np.sign(expected))


@pytest.mark.parametrize("per_line", [1, 2, 3, 6, 7])
def test_lines_may_hold_any_number_of_numbers(tmp_path: Path, per_line: int) -> None:
    write(tmp_path / "LOCPOT", spread(1000), scientific, per_line)
    found = DensityTrajectory.open(tmp_path / "LOCPOT")[0][:, 0, 0]
    np.testing.assert_allclose(found, spread(1000), rtol=1e-7)


@pytest.mark.parametrize(
    ("place", "byte"),
    [
        *((0, "7"), (1, "/"), (1, ":"), (1, "+"), (2, ","), (2, "4"), (4, "-"), (8, " ")),
        *((13, "/"), (14, "F"), (14, "e"), (14, " "), (15, "*"), (15, "0"), (16, "A"), (17, ":")),
    ],
)
def test_no_damaged_byte_is_read_as_another_number(tmp_path: Path, place: int, byte: str) -> None:
    """Each byte of a field in turn: either an error, or what Python makes of the text."""
    write(tmp_path / "LOCPOT", spread(1000), fortran)
    lines = (tmp_path / "LOCPOT").read_text().split("\n")
    row = list(lines[40])
    row[36 + place] = byte
    lines[40] = "".join(row)
    (tmp_path / "LOCPOT").write_text("\n".join(lines))
    expected = _floats(lines[11:])
    if expected is None:
        with pytest.raises(EldynError, match=r"LOCPOT.*line"):
            DensityTrajectory.open(tmp_path / "LOCPOT")[0]
    else:
        found = DensityTrajectory.open(tmp_path / "LOCPOT")[0][:, 0, 0]
        np.testing.assert_allclose(found, expected, rtol=1e-7)


def _floats(lines: list[str]) -> np.ndarray | None:
    """Return what Python makes of the lines; None if these are not a thousand numbers."""
    words = " ".join(lines).split()
    try:
        return np.array(words, dtype=np.float64) if len(words) == 1000 else None
    except ValueError:
        return None
