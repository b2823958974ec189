"""GPAW's files, of its new and its legacy calculator, against GPAW's own densities."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.io.ulm
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.integrate import trapezoid

from napari_eldyn.density.formats import open_any
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.density.trajectory import DensityKind
from napari_eldyn.exceptions import EldynError

LOOSE = {"density": 0.1, "energy": 0.1, "eigenstates": 0.1}
KINDS: tuple[DensityKind, ...] = ("pseudo", "pseudo_valence", "all_electron")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A crystal by both calculators, and an atom with spin between walls."""
    from gpaw import GPAW, PW

    folder = tmp_path_factory.mktemp("gpw")
    common = {"txt": None, "symmetry": "off", "convergence": LOOSE}
    crystal = bulk("Li", "bcc", a=3.49)
    atom = Atoms("Li", cell=(4.0, 4.2, 4.4), pbc=(True, True, False), positions=[(2, 2.1, 2.2)])
    atom.set_initial_magnetic_moments([1])
    paths = {}
    for name, atoms, parameters in (
        ("new", crystal, {"mode": PW(200)}),
        ("legacy", crystal, {"mode": PW(200), "legacy_gpaw": True}),
        ("spin", atom, {"mode": "fd", "h": 0.35, "spinpol": True, "legacy_gpaw": True}),
    ):
        atoms = atoms.copy()
        atoms.calc = GPAW(**common, **parameters)
        atoms.get_potential_energy()
        paths[name] = folder / f"{name}.gpw"
        atoms.calc.write(paths[name])
    return paths


@pytest.mark.parametrize("name", ["new", "legacy"])
def test_a_crystal(files: dict[str, Path], name: str) -> None:
    from gpaw import GPAW

    trajectory = open_any(files[name])
    calculator = GPAW(files[name], txt=None)
    theirs = calculator.dft.densities().pseudo_densities(add_compensation_charges=False)
    np.testing.assert_allclose(trajectory[0], theirs.data[0], rtol=1e-5)
    atoms = calculator.get_atoms()
    np.testing.assert_allclose(trajectory.grid.cell, atoms.cell, atol=1e-12)
    assert trajectory.positions is not None
    np.testing.assert_allclose(trajectory.positions[0], atoms.positions)
    assert trajectory.kind == "pseudo"
    assert trajectory.scalars["energy"][0] == pytest.approx(atoms.get_potential_energy())

    everything = open_any(files[name], OpenOptions(kind="all_electron"))
    full = calculator.get_all_electron_density(gridrefinement=1)
    np.testing.assert_allclose(everything[0], full, rtol=1e-4, atol=1e-5)
    assert everything.provenance["expected_electrons"] == 3.0
    assert everything.electrons(0) == pytest.approx(3.0, abs=1e-3)

    valence = open_any(files[name], OpenOptions(kind="pseudo_valence"))
    core = trajectory.electrons(0) - valence.electrons(0)
    assert core == pytest.approx(pseudo_core_of_lithium(calculator), rel=0.02)


def pseudo_core_of_lithium(calculator: Any) -> float:
    """Electrons in the pseudo core that the setup tabulates against the radius [bohr]."""
    spline = calculator.dft.setups[0].nct
    radii = np.linspace(0.0, spline.get_cutoff(), 2000)
    values = np.array([spline(r) for r in radii]) / np.sqrt(4 * np.pi)
    return float(trapezoid(4 * np.pi * radii**2 * values, radii))


@pytest.mark.parametrize("kind", KINDS)
def test_spin_between_walls(files: dict[str, Path], kind: DensityKind) -> None:
    trajectory = open_any(files["spin"], OpenOptions(kind=kind))
    with ase.io.ulm.open(files["spin"]) as reader:
        up, down = reader.density.density
    spin = trajectory.extra["density_spin"][0]
    assert trajectory.grid.shape == (*up.shape[:2], up.shape[2] + 1)
    assert not trajectory[0][:, :, 0].any(), "GPAW's wave functions end at the wall"
    if kind == "pseudo":
        np.testing.assert_allclose(trajectory[0][:, :, 1:], up + down, rtol=1e-6)
        assert "wall" in trajectory.provenance["walls"]
    if kind != "all_electron":  # the core of both spins is the same
        np.testing.assert_allclose(spin[:, :, 1:], up - down, atol=1e-6)
    else:
        assert spin.sum() * trajectory.grid.voxel_volume == pytest.approx(1.0, abs=0.01)
        assert trajectory.electrons(0) == pytest.approx(3.0, abs=0.01)


def test_a_kind_that_gpaw_does_not_give(files: dict[str, Path]) -> None:
    with pytest.raises(EldynError, match=r"new\.gpw.*kind 'valence'.*pseudo_valence"):
        open_any(files["new"], OpenOptions(kind="valence"))


def test_the_pseudo_density_needs_no_gpaw(files: dict[str, Path]) -> None:
    code = (
        "import sys; sys.modules['gpaw'] = None\n"
        "from napari_eldyn.density.formats import open_any\n"
        "from napari_eldyn.density.formats.volume_file import OpenOptions\n"
        f"print(open_any({str(files['new'])!r}).electrons(0) > 0)\n"
        f"open_any({str(files['new'])!r}, OpenOptions(kind='all_electron'))[0]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True"
    assert "pip install 'napari-eldyn[gpaw]'" in done.stderr


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_cut_files(files: dict[str, Path], tmp_path: Path, part: float) -> None:
    path = tmp_path / "cut.gpw"
    whole = files["new"].read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(EldynError, match=r"cut\.gpw.*damaged"):
        open_any(path)[0]


def test_enormous_counts(files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "huge.gpw"
    whole = bytearray(files["new"].read_bytes())
    whole[32:40] = (2**60).to_bytes(8, "little")
    path.write_bytes(whole)
    with pytest.raises(EldynError, match=r"huge\.gpw.*claims 1152921504606846976 items"):
        open_any(path)
