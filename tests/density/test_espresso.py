"""Quantum ESPRESSO's charge densities, made of known waves in the layout of its write_rhog."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from napari_eldyn.density.formats import open_any
from napari_eldyn.exceptions import EldynError

BOHR = 0.529177210903
CELL = np.array([[7.0, 0.0, 0.0], [2.0, 8.0, 0.0], [1.0, -1.0, 9.0]])  # bohr
SHAPE = (12, 15, 10)
WAVES = {(0, 0, 0): 0.05, (1, 0, 0): 0.01 - 0.02j, (-2, 3, 1): 0.004j, (3, -1, 4): 0.003 + 0.001j}


def density(waves: dict[tuple[int, int, int], complex]) -> npt.NDArray[np.float64]:
    """Σ ρ(G) exp(iG·r) at the points of the grid [e/Å³], summed wave by wave."""
    points = np.stack(np.meshgrid(*(np.arange(n) / n for n in SHAPE), indexing="ij"), axis=-1)
    total = np.zeros(SHAPE)
    for indices, coefficient in waves.items():
        wave = coefficient * np.exp(2j * np.pi * points @ np.array(indices))
        total += wave.real if indices == (0, 0, 0) else 2 * wave.real
    return total / BOHR**3


def write(
    folder: Path,
    *,
    gamma_only: bool,
    spin: dict[str, dict[tuple[int, int, int], complex]] | None = None,
    xml: bool = True,
) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "charge-density.hdf5"
    miller = list(WAVES)
    if not gamma_only:
        miller += [(-g[0], -g[1], -g[2]) for g in miller if any(g)]
    reciprocal = 2 * np.pi * np.linalg.inv(CELL).T
    with h5py.File(path, "w") as file:
        file.attrs["gamma_only"] = np.bytes_(b".TRUE." if gamma_only else b".FALSE.")
        file.attrs["ngm_g"] = len(miller)
        file.attrs["nspin"] = 1 + len(spin or {})
        indices = file.create_dataset("MillerIndices", data=np.array(miller, dtype=np.int32))
        for number, vector in enumerate(reciprocal, start=1):
            indices.attrs[f"bg{number}"] = vector
        for name, waves in {"rhotot_g": WAVES, **(spin or {})}.items():
            coefficients = [
                waves.get(g, np.conj(waves.get((-g[0], -g[1], -g[2]), 0.0))) for g in miller
            ]
            file[name] = np.array([[np.real(c), np.imag(c)] for c in coefficients]).reshape(-1)
    if xml:
        vectors = "".join(
            f"<a{i}>{' '.join(map(str, vector))}</a{i}>" for i, vector in enumerate(CELL, start=1)
        )
        volume = np.linalg.det(CELL)
        (folder / "data-file-schema.xml").write_text(
            '<?xml version="1.0"?><qes:espresso '
            'xmlns:qes="http://www.quantum-espresso.org/ns/qes/qes-1.0"><output>'
            '<atomic_structure nat="2"><atomic_positions>'
            '<atom name="Si1" index="1">0.0 0.0 0.0</atom>'
            '<atom name="O" index="2">1.0 2.0 3.0</atom></atomic_positions>'
            f"<cell>{vectors}</cell></atomic_structure><basis_set>"
            f'<fft_grid nr1="{SHAPE[0]}" nr2="{SHAPE[1]}" nr3="{SHAPE[2]}"/></basis_set>'
            f"<band_structure><nelec>{0.05 * volume}</nelec></band_structure>"
            "</output></qes:espresso>"
        )
    return path


@pytest.mark.parametrize("gamma_only", [False, True])
def test_waves_on_the_grid_of_the_calculation(tmp_path: Path, gamma_only: bool) -> None:
    trajectory = open_any(write(tmp_path, gamma_only=gamma_only))
    np.testing.assert_allclose(trajectory[0], density(WAVES), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trajectory.grid.cell, CELL * BOHR, rtol=1e-9)
    assert trajectory.numbers is not None
    assert trajectory.numbers.tolist() == [14, 8]
    assert trajectory.positions is not None
    np.testing.assert_allclose(trajectory.positions[0, 1], np.array([1, 2, 3]) * BOHR)
    assert trajectory.electrons(0) == pytest.approx(0.05 * np.linalg.det(CELL), rel=1e-5)
    assert trajectory.provenance["expected_electrons"] == pytest.approx(0.05 * np.linalg.det(CELL))


def test_without_the_xml_file_the_least_grid(tmp_path: Path) -> None:
    trajectory = open_any(write(tmp_path, gamma_only=True, xml=False))
    assert all(n >= least for n, least in zip(trajectory.grid.shape, (7, 7, 9), strict=True))
    assert trajectory.numbers is None
    np.testing.assert_allclose(trajectory.resampled(SHAPE)[0], density(WAVES), rtol=1e-5, atol=1e-6)
    assert "data-file-schema.xml" in trajectory.provenance["atoms"]


def test_spin(tmp_path: Path) -> None:
    half = {g: 0.5 * c for g, c in WAVES.items()}
    collinear = open_any(write(tmp_path / "a", gamma_only=False, spin={"rhodiff_g": half}))
    np.testing.assert_allclose(collinear.extra["density_spin"][0], density(half), atol=1e-6)
    parts = {f"m_{axis}": {(1, 0, 0): 0.01 * i + 0j} for i, axis in enumerate("xyz", start=1)}
    vector = open_any(write(tmp_path / "b", gamma_only=True, spin=parts))
    assert set(vector.channels) == {f"density_spin_{axis}" for axis in "xyz"}
    np.testing.assert_allclose(
        vector.extra["density_spin_z"][0], density({(1, 0, 0): 0.03}), atol=1e-6
    )


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, gamma_only=True)
    xml = tmp_path / "data-file-schema.xml"
    whole = xml.read_text()
    xml.write_text(whole.replace('nr1="12"', 'nr1="4"'))
    with pytest.raises(EldynError, match=r"charge-density\.hdf5: MillerIndices go beyond"):
        open_any(path)[0]
    xml.write_text(whole.replace("<a1>7.0", "<a1>7.5"))
    with pytest.raises(EldynError, match=r"not that of data-file-schema\.xml"):
        open_any(path)
    xml.write_text(whole[:300])
    with pytest.raises(EldynError, match=r"data-file-schema\.xml: this is not whole output"):
        open_any(path)
    xml.unlink()
    with h5py.File(path, "r+") as file:
        del file["rhotot_g"]
        file["rhotot_g"] = np.zeros(3)
    with pytest.raises(EldynError, match="holds 3 numbers"):
        open_any(path)[0]
