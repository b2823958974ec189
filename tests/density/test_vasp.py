"""VASP's files of one calculation, against pymatgen and ase."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.calculators.vasp import VaspChargeDensity
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.outputs import Chgcar, VolumetricData

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError

FILES = Path(__file__).parent / "files"
LATTICE = Lattice.from_parameters(3.1, 4.2, 5.3, 81.0, 97.0, 112.0)
SHAPE = (6, 7, 9)


def pymatgen_volumes(path: Path) -> tuple[Structure, list[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        poscar, data, _ = VolumetricData.parse_file(path)
    names = ["total", "diff_x", "diff_y", "diff_z"] if "diff_x" in data else ["total", "diff"]
    return poscar.structure, [data[name] for name in names if name in data]


def plain(path: Path, folder: Path) -> Path:
    unpacked = folder / path.name.removesuffix(".gz")
    unpacked.write_bytes(gzip.decompress(path.read_bytes()))
    return unpacked


@pytest.mark.parametrize(
    ("name", "quantity", "kind", "extra"),
    [
        ("Si-CHGCAR.gz", "density", "valence", []),
        ("Fe-spin-CHGCAR.gz", "density", "valence", ["density_spin"]),
        ("Al-slab-LOCPOT.gz", "potential", "unknown", []),
        ("pymatgen-ELFCAR.gz", "localisation", "unknown", ["localisation_down"]),
    ],
)
def test_real_files_read_as_pymatgen_reads_them(
    name: str, quantity: str, kind: str, extra: list[str]
) -> None:
    trajectory = DensityTrajectory.open(FILES / name)
    structure, volumes = pymatgen_volumes(FILES / name)
    assert (len(trajectory), trajectory.quantity, trajectory.kind) == (1, quantity, kind)
    assert list(trajectory.extra) == extra
    np.testing.assert_allclose(trajectory.grid.cell, structure.lattice.matrix, atol=1e-9)
    np.testing.assert_array_equal(trajectory.numbers, structure.atomic_numbers)
    positions = trajectory.positions_at(0)
    np.testing.assert_allclose(
        positions, structure.frac_coords @ structure.lattice.matrix, atol=1e-9
    )
    scale = 1.0 / structure.volume if quantity == "density" else 1.0
    found = [trajectory[0], *(trajectory.extra[channel][0] for channel in extra)]
    for ours, theirs in zip(found, volumes, strict=True):
        assert ours.flags.c_contiguous
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs * scale, rtol=2e-7, atol=0.0)


def test_a_density_integrates_to_what_pymatgen_counts() -> None:
    trajectory = DensityTrajectory.open(FILES / "Fe-spin-CHGCAR.gz")
    _, (total, spin) = pymatgen_volumes(FILES / "Fe-spin-CHGCAR.gz")
    assert trajectory.electrons(0) == pytest.approx(total.mean(), rel=1e-6)
    moment = trajectory.extra["density_spin"][0].sum() * trajectory.grid.voxel_volume
    assert moment == pytest.approx(spin.mean(), rel=1e-5)
    assert trajectory.channels["density_spin"].signed
    assert trajectory.unit == "electrons/Å³"
    assert DensityTrajectory.open(FILES / "Al-slab-LOCPOT.gz").unit == "eV"


def test_plain_and_compressed_files_read_as_ase_reads_them(tmp_path: Path) -> None:
    unpacked = plain(FILES / "Fe-spin-CHGCAR.gz", tmp_path)
    reference = VaspChargeDensity(str(unpacked))
    for path in (unpacked, FILES / "Fe-spin-CHGCAR.gz"):
        trajectory = DensityTrajectory.open(path)
        np.testing.assert_allclose(trajectory[0], reference.chg[0], rtol=2e-7)
        np.testing.assert_allclose(
            trajectory.extra["density_spin"][0], reference.chgdiff[0], rtol=2e-7, atol=1e-12
        )
        np.testing.assert_allclose(trajectory.positions_at(0), reference.atoms[0].positions)


def write_chgcar(
    path: Path, keys: tuple[str, ...] = ("total",), seed: int = 0, **options: Any
) -> dict[str, Any]:
    """Write a CHGCAR of a triclinic cell with pymatgen; return what is in it, times the volume."""
    rng = np.random.default_rng(seed)
    structure = Structure(
        LATTICE, ["Li", "Li", "O"], [[0.1, 0.2, 0.3], [0.6, 0.7, 0.9], [0.5, 0.0, 0.25]]
    )
    data = {key: rng.normal(size=SHAPE) * 10.0 for key in keys}
    occupancies = {atom: rng.normal(size=8) for atom in (1, 2, 3)}
    Chgcar(structure, data, data_aug=dict.fromkeys(keys, occupancies)).write_file(
        str(path), **options
    )
    return data


def test_a_non_collinear_density_has_a_spin_vector(tmp_path: Path) -> None:
    data = write_chgcar(tmp_path / "CHGCAR", ("total", "diff_x", "diff_y", "diff_z"))
    trajectory = DensityTrajectory.open(tmp_path / "CHGCAR")
    assert list(trajectory.extra) == ["density_spin_x", "density_spin_y", "density_spin_z"]
    volume = trajectory.grid.volume
    np.testing.assert_allclose(trajectory[0] * volume, data["total"], rtol=1e-6)
    for axis in "xyz":
        spin = trajectory.extra[f"density_spin_{axis}"][0] * volume
        np.testing.assert_allclose(spin, data[f"diff_{axis}"], rtol=1e-6)


def test_magnetic_moments_between_the_volumes_are_skipped(tmp_path: Path) -> None:
    """VASP writes them before the second volume; pymatgen and ase do not."""
    data = write_chgcar(tmp_path / "CHGCAR", ("total", "diff"))
    text = (tmp_path / "CHGCAR").read_text()
    counts = "   6   7   9\n"
    before, after = text[: text.rindex(counts)], text[text.rindex(counts) :]
    moments = "  0.100000000000E+01 -0.100000000000E+01  0.000000000000E+00\n"
    (tmp_path / "CHGCAR").write_text(before + moments + after)
    trajectory = DensityTrajectory.open(tmp_path / "CHGCAR")
    spin = trajectory.extra["density_spin"][0] * trajectory.grid.volume
    np.testing.assert_allclose(spin, data["diff"], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "quantity", "kind"),
    [
        ("CHGCAR", "density", "valence"),
        ("run3_CHGCAR.vasp", "density", "valence"),
        ("lithium.chgcar", "density", "valence"),
        ("Li-CHG", "density", "valence"),
        ("PARCHG.0012.ALLK", "density", "unknown"),
        ("AECCAR0", "density", "core"),
        ("AECCAR1", "density", "unknown"),
        ("AECCAR2.vasp", "density", "valence"),
        ("LOCPOT_hartree", "potential", "unknown"),
        ("ELFCAR.vasp", "localisation", "unknown"),
        ("exported.vasp", "density", "valence"),
    ],
)
def test_the_name_says_what_is_in_a_file(
    tmp_path: Path, name: str, quantity: str, kind: str
) -> None:
    data = write_chgcar(tmp_path / name)
    trajectory = DensityTrajectory.open(tmp_path / name)
    assert (trajectory.quantity, trajectory.kind) == (quantity, kind)
    factor = trajectory.grid.volume if quantity == "density" else 1.0
    np.testing.assert_allclose(trajectory[0] * factor, data["total"], rtol=1e-6)


def test_a_file_of_another_name_is_what_the_user_says(tmp_path: Path) -> None:
    data = write_chgcar(tmp_path / "slab.vasp")
    assert "taken for a CHGCAR" in str(
        DensityTrajectory.open(tmp_path / "slab.vasp").provenance["content_from"]
    )
    trajectory = DensityTrajectory.open(tmp_path / "slab.vasp", dataset="locpot")
    assert trajectory.quantity == "potential"
    np.testing.assert_allclose(trajectory[0], data["total"], rtol=1e-6)
    with pytest.raises(EldynError, match=r"slab\.vasp.*'WAVECAR'.*CHGCAR"):
        DensityTrajectory.open(tmp_path / "slab.vasp", dataset="WAVECAR")


def test_core_and_valence_add_up_to_all_electrons_as_in_pymatgen(tmp_path: Path) -> None:
    for seed, name in enumerate(("AECCAR0", "AECCAR2")):
        write_chgcar(tmp_path / name, seed=seed)
    both = Chgcar.from_file(tmp_path / "AECCAR0") + Chgcar.from_file(tmp_path / "AECCAR2")
    for name in ("AECCAR0", "AECCAR2"):
        trajectory = DensityTrajectory.open(tmp_path / name, kind="all_electron")
        assert trajectory.kind == "all_electron"
        assert trajectory.provenance["expected_electrons"] == 3 + 3 + 8
        np.testing.assert_allclose(
            trajectory[0], both.data["total"] / trajectory.grid.volume, rtol=1e-5, atol=1e-6
        )
    (tmp_path / "AECCAR0").unlink()
    with pytest.raises(EldynError, match="sum with AECCAR0, which is not beside it"):
        DensityTrajectory.open(tmp_path / "AECCAR2", kind="all_electron")
    write_chgcar(tmp_path / "CHGCAR")
    with pytest.raises(EldynError, match="a CHGCAR holds no core electrons"):
        DensityTrajectory.open(tmp_path / "CHGCAR", kind="all_electron")


POTCAR = """\
  PAW_PBE Li_sv 10Sep2004
   3.00000000000000
   TITEL  = PAW_PBE Li_sv 10Sep2004
   POMASS =    7.010; ZVAL   =    3.000    mass and valenz
 End of Dataset
  PAW_PBE O 08Apr2002
   TITEL  = PAW_PBE O 08Apr2002
   POMASS =   16.000; ZVAL   =    6.000    mass and valenz
 End of Dataset
"""
OUTCAR = """\
 vasp.6.4.2 20Jul23
   number of dos      NEDOS =    301   number of ions     NIONS =      {atoms}
   NELECT =      11.0000    total number of electrons
"""


@pytest.mark.parametrize(
    ("files", "electrons", "origin"),
    [
        ({}, None, "a whole number"),
        ({"POTCAR": POTCAR}, 12.0, "POTCAR"),
        ({"POTCAR": POTCAR, "OUTCAR": OUTCAR.format(atoms=3)}, 11.0, "OUTCAR"),
        ({"Li-OUTCAR": OUTCAR.format(atoms=3)}, 11.0, "OUTCAR"),
        ({"OUTCAR": OUTCAR.format(atoms=5)}, None, "a whole number"),
        ({"POTCAR": POTCAR.replace("Li_sv", "Na")}, None, "a whole number"),
        ({"OUTCAR.gz": OUTCAR.format(atoms=3)}, 11.0, "OUTCAR"),
    ],
)
def test_electrons_are_compared_with_the_files_beside(
    tmp_path: Path, files: dict[str, str], electrons: float | None, origin: str
) -> None:
    write_chgcar(tmp_path / "Li-CHGCAR")
    for name, text in files.items():
        packed = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
        (tmp_path / name).write_bytes(packed)
    provenance = DensityTrajectory.open(tmp_path / "Li-CHGCAR").provenance
    assert provenance.get("expected_electrons") == electrons
    assert origin in provenance["expected_electrons_from"]


def test_the_core_has_the_electrons_that_are_not_valence(tmp_path: Path) -> None:
    write_chgcar(tmp_path / "AECCAR0")
    (tmp_path / "POTCAR").write_text(POTCAR)
    provenance = DensityTrajectory.open(tmp_path / "AECCAR0").provenance
    assert provenance["expected_electrons"] == (3 + 3 + 8) - 12


Damage = Callable[[str], str]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:40], r"line 3 should hold a cell vector"),
        (lambda text: text.replace("Direct", "Diroct", 1).replace("Di", "xx"), r"line 8.*'Direct'"),
        (lambda text: text.replace("   6   7   9\n", "   6   7\n"), "line 13.*grid points"),
        (lambda text: text.replace("   6   7   9\n", "  60000 70000 90000\n"), "line 13 claims"),
        (lambda text: text.replace("   6   7   9\n", "   66  77  99\n"), "numbers"),
        (lambda text: text.replace("  0.500000  0.000000", "  0.50000x  0.000000"), "line 11"),
        (lambda text: text.replace("     2     1\n", " 99999999 1\n"), "claims 100000000 atoms"),
        (lambda text: text[:1500], "line"),
    ],
)
def test_damage_is_told_with_its_place(tmp_path: Path, damage: Damage, message: str) -> None:
    write_chgcar(tmp_path / "good")
    path = tmp_path / "CHGCAR"
    path.write_text(damage((tmp_path / "good").read_text()))
    with pytest.raises(EldynError, match=message) as error:
        DensityTrajectory.open(path)
    assert error.value.path == path


def test_a_number_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    write_chgcar(tmp_path / "CHGCAR")
    lines = (tmp_path / "CHGCAR").read_text().split("\n")
    lines[30] = lines[30].replace("E", "?", 1)
    (tmp_path / "CHGCAR").write_text("\n".join(lines))
    trajectory = DensityTrajectory.open(tmp_path / "CHGCAR")
    with pytest.raises(EldynError, match=r"CHGCAR.*line 31"):
        trajectory[0]


def test_a_structure_alone_is_no_volume(tmp_path: Path) -> None:
    write_chgcar(tmp_path / "CHGCAR")
    (tmp_path / "relaxed.vasp").write_text((tmp_path / "CHGCAR").read_text().split("\n \n")[0])
    with pytest.raises(EldynError, match="not a density trajectory"):
        DensityTrajectory.open(tmp_path / "relaxed.vasp")


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b"\n" * 5_000, "blank lines"),
        (b"augmentation occupancies   1   1\n  0.1E+00\n" * 300_000, "more PAW occupancies"),
        (b"augmentation occupancies   1   16\n  0.1E+00\n", "file ends after line"),
        (b"   6   7   9\n 1.0 2.0\n", "line"),
        (b"   6   7   8\n 1.0 2.0\n", "starts a grid of 6 × 7 × 8 points"),
        (b" 1.0 2.0 3.0 4.0\n", "numbers go on after the 378 of the volume"),
    ],
)
def test_what_follows_a_volume_is_looked_at_in_bounded_time(
    tmp_path: Path, tail: bytes, message: str
) -> None:
    write_chgcar(tmp_path / "good")
    whole = (tmp_path / "good").read_bytes()
    path = tmp_path / "CHGCAR.gz"
    path.write_bytes(gzip.compress(whole[: whole.index(b"augmentation")] + tail))
    with pytest.raises(EldynError, match=message) as error:
        DensityTrajectory.open(path)
    assert error.value.path == path
