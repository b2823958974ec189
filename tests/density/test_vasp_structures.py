"""The structures at the head of VASP's volumes, in all the ways VASP has written them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from ase.io.vasp import read_vasp

from napari_eldyn.density import DensityTrajectory

VOLUME = "\n  2 3 2\n" + " 0.1000E+01 -.2000E+01 0.3000E+01 0.4000E+01 0.5000E+01 0.6000E+01\n" * 2
"""Numbers as Fortran writes them, six a line."""

VASP5 = """\
Fe3 O  # a comment – in UTF-8
   {scale}
     2.870000    0.000000    0.100000
     0.300000    3.870000    0.000000
     0.000000   -0.200000    4.870000
   Fe   O
     3     1
"""
DIRECT = """\
Direct
  0.000000  0.000000  0.000000
  0.500000  0.250000  0.500000
 -0.250000  1.250000  0.500000
  0.750000  0.500000  0.125000
"""
CARTESIAN = """\
Cartesian
  0.000000  0.000000  0.000000
  1.500000  0.250000  0.500000
 -0.250000  1.250000  2.500000
  0.750000  3.500000  0.125000
"""
SELECTIVE = """\
Selective dynamics
Direct
  0.000000  0.000000  0.000000   T   T   F
  0.500000  0.250000  0.500000   F   F   F
 -0.250000  1.250000  0.500000   T   T   T
  0.750000  0.500000  0.125000   T   T   T
"""


@pytest.mark.parametrize("scale", ["1.00000000000000", "1.7", "-100.0"])
@pytest.mark.parametrize("atoms", [DIRECT, CARTESIAN, SELECTIVE])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_structures_are_those_that_ase_reads(
    tmp_path: Path, scale: str, atoms: str, ending: str
) -> None:
    header = VASP5.format(scale=scale) + atoms
    path = tmp_path / "CHGCAR"
    path.write_bytes((header + VOLUME).replace("\n", ending).encode())
    trajectory = DensityTrajectory.open(path)
    reference = read_vasp(io.StringIO(header))
    np.testing.assert_allclose(trajectory.grid.cell, reference.cell, rtol=1e-12)
    np.testing.assert_array_equal(trajectory.numbers, reference.numbers)
    np.testing.assert_allclose(trajectory.positions_at(0), reference.positions, atol=1e-12)
    values = np.array([1, -2, 3, 4, 5, 6] * 2).reshape(2, 3, 2).transpose(2, 1, 0)
    np.testing.assert_allclose(trajectory[0] * trajectory.grid.volume, values, rtol=1e-6)


def test_three_scales_are_of_the_cartesian_directions(tmp_path: Path) -> None:
    """https://vasp.at/wiki/POSCAR: one for each Cartesian component of vectors and positions."""
    path = tmp_path / "CHGCAR"
    path.write_text(VASP5.format(scale="2.0 3.0 0.5") + CARTESIAN + VOLUME)
    trajectory = DensityTrajectory.open(path)
    vectors = [[5.74, 0.0, 0.05], [0.6, 11.61, 0.0], [0.0, -0.6, 2.435]]
    np.testing.assert_allclose(trajectory.grid.cell, vectors)
    positions = trajectory.positions_at(0)
    assert positions is not None
    np.testing.assert_allclose(positions[1], [3.0, 0.75, 0.25])


@pytest.mark.parametrize("symbols", ["   Fe_pv   O_s", "  Fe/9bf8eb6d8 O/7a25bc5b9"])
def test_names_of_potentials_are_understood(tmp_path: Path, symbols: str) -> None:
    path = tmp_path / "CHGCAR"
    path.write_text(VASP5.format(scale=1.0).replace("   Fe   O", symbols) + DIRECT + VOLUME)
    assert DensityTrajectory.open(path).numbers.tolist() == [26, 26, 26, 8]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("comment", "potcar", "numbers"),
    [
        ("unknown system", None, [0, 0, 0, 0]),
        ("Fe O", None, [26, 26, 26, 8]),
        ("unknown system", ("Fe_pv", "O"), [26, 26, 26, 8]),
        ("unknown system", ("Fe_pv", "O", "H"), [0, 0, 0, 0]),
    ],
)
def test_vasp_4_names_no_elements(
    tmp_path: Path, comment: str, potcar: tuple[str, ...] | None, numbers: list[int]
) -> None:
    lines = (VASP5.format(scale=1.0) + DIRECT + VOLUME).split("\n")
    (tmp_path / "CHGCAR").write_text("\n".join([comment, *lines[1:5], *lines[6:]]))
    if potcar:
        titles = (f"   TITEL  = PAW_PBE {name} 08Apr2002\n   ZVAL   = 6.0 m\n" for name in potcar)
        (tmp_path / "POTCAR").write_text("".join(titles))
    trajectory = DensityTrajectory.open(tmp_path / "CHGCAR")
    assert trajectory.numbers is not None
    assert trajectory.numbers.tolist() == numbers
    assert ("elements" in trajectory.provenance) == (0 in numbers)
