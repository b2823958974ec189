"""Which format a file is of: one and the right one, whatever else lies about."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.vasp import VaspChargeDensity
from ase.io.cube import write_cube
from ase.io.xsf import write_xsf

from napari_eldyn.density.formats import (
    FORMATS,
    VOLUME_FORMATS,
    TrajectoryFormat,
    find_format,
    open_any,
)
from napari_eldyn.density.formats.byte_source import read_head
from napari_eldyn.exceptions import EldynError

FILES = Path(__file__).parent / "files"
CELL = np.diag([4.0, 5.0, 6.0])
DENSITY = np.random.default_rng(0).uniform(0.1, 1.0, (6, 7, 8))


def atoms() -> Atoms:
    return Atoms("LiNa", positions=[[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]], cell=CELL, pbc=True)


def cube(path: Path) -> None:
    with path.open("w") as file:
        write_cube(file, atoms(), DENSITY)


def xsf(path: Path) -> None:
    with path.open("w") as file:
        write_xsf(file, [atoms()], DENSITY)


def vasp(path: Path) -> None:
    file = VaspChargeDensity(None)
    file.atoms, file.chg = [atoms()], [DENSITY]
    file.write(str(path))


def npz(path: Path) -> None:
    np.savez(path, density=DENSITY, cell=CELL, unit="e/Å³")


WRITTEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "rho.cube": (cube, "cube"),
    "rho.cub": (cube, "cube"),
    "rho.xsf": (xsf, "XSF"),
    "CHGCAR": (vasp, "VASP"),
    "run_3-CHGCAR": (vasp, "VASP"),
    "rho.npz": (npz, "NPZ"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_files_of_ase_and_numpy(tmp_path: Path, name: str) -> None:
    write, expected = WRITTEN[name]
    write(tmp_path / name)
    known = find_format(tmp_path / name)
    assert known is not None
    assert expected in known.name
    assert open_any(tmp_path / name)[0].shape == DENSITY.shape
    assert_only_one_accepts(tmp_path / name)


def assert_only_one_accepts(path: Path) -> None:
    """Of all formats but the last, plain arrays, which are what is left over."""
    head = read_head(path)
    accepting = [known.name for known in VOLUME_FORMATS if known.accepts(path, head)]
    assert len(accepting) == 1 or accepting[1:] == [VOLUME_FORMATS[-1].name]


@pytest.mark.parametrize("path", sorted(FILES.glob("*")), ids=lambda path: path.name)
def test_files_of_other_codes(path: Path) -> None:
    if path.suffix == ".md":
        assert find_format(path) is None
        return
    if path.is_file():
        assert_only_one_accepts(path)
    trajectory = open_any(path)
    assert trajectory[0].shape == trajectory.grid.shape
    assert np.all(np.isfinite(trajectory[0]))


def test_formats_are_told_apart_in_lists() -> None:
    names = [known.name for known in FORMATS]
    assert len(set(names)) == len(names)
    for known in FORMATS:
        assert known.patterns
        assert all("*" in pattern or pattern.isupper() for pattern in known.patterns)


OTHERS = {
    "image.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "notes.txt": "Überschrift\n1 2 3\n4 5 6\n".encode(),
    "POSCAR": b"Li\n1.0\n4 0 0\n0 4 0\n0 0 4\nLi\n1\nDirect\n0 0 0\n",
    "atoms.xyz": b"1\nLi\nLi 0 0 0\n",
    "weights.pkl": b"\x80\x05\x95",
    "empty": b"",
    "table.csv": b"a,b\n1,2\n",
    "module.py": b"import numpy\n",
    "archive.zip": b"PK\x03\x04" + bytes(50),
    "random": np.random.default_rng(0).bytes(3000),
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_others_are_left_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(OTHERS[name])
    assert find_format(path) is None
    with pytest.raises(EldynError, match=r"this is not a density trajectory. Supported: .*cube"):
        open_any(path)
    # The directory holds nothing else.
    with pytest.raises(EldynError, match="not a density trajectory"):
        open_any(tmp_path)


def test_accepting_never_raises(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for known in VOLUME_FORMATS:
        for pattern in known.patterns:
            path = tmp_path / pattern.replace("*", "x")
            for head in (
                b"",
                b"\0" * 100,
                rng.bytes(500),
                b"\xff\xfe\n" * 50,
                b"1\n2\n3\n4\n5\n" * 9,
            ):
                path.write_bytes(head)
                assert known.accepts(path, head) in (True, False)
            path.unlink()
            assert known.accepts(path, b"") in (True, False)
    for known in FORMATS:
        if isinstance(known, TrajectoryFormat):
            assert not known.accepts(tmp_path / "nowhere")


def test_importing_the_formats_is_quick_and_light() -> None:
    """No reader loads the libraries of its format before a file of it is opened."""
    code = (
        "import sys; import napari_eldyn.density.formats; heavy = "
        "{'h5py', 'gpaw.calculator', 'pymatgen', 'torch', 'matplotlib', 'pandas'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
