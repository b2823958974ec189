"""Arrays in NPZ, NPY, HDF5 and zarr files: found by name, with cell and unit, row by row."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.units
import h5py
import numpy as np
import pytest
import zarr

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.density.formats import find_format, npz_arrays, open_any
from napari_eldyn.density.formats.arrays import is_surely_a_density
from napari_eldyn.density.writers import write_trajectory
from napari_eldyn.exceptions import EldynError, MissingInformationError

CELL = np.array([[3.0, 0.0, 0.0], [0.5, 4.0, 0.0], [0.0, 0.2, 5.0]])
SHAPE = (6, 5, 4)


def densities(n: int = 4) -> np.ndarray:
    return np.exp(np.random.default_rng(1).normal(-3.0, 0.3, (n, *SHAPE))).astype(np.float32)


def arrays(n: int = 4) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return {
        "density": densities(n),
        "cell": CELL,
        "unit": "electrons/Å³",
        "times": 2.5 * np.arange(n),
        "numbers": np.array([3, 11]),
        "positions": rng.normal(size=(n, 2, 3)),
        "energy": rng.normal(size=n),
    }


def write_npz(path: Path, values: dict[str, Any]) -> Path:
    np.savez(path, **values)
    return path


def write_compressed(path: Path, values: dict[str, Any]) -> Path:
    np.savez_compressed(path, **values)
    return path


def write_hdf5(path: Path, values: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            file[f"run/{name}"] = value
    return path


def write_hdf5_attributes(path: Path, values: dict[str, Any]) -> Path:
    """Another custom: text and small arrays as attributes, compressed chunks."""
    with h5py.File(path, "w") as file:
        field = file.create_dataset("Rho", data=values["density"], compression="gzip")
        field.attrs["units"] = values["unit"]
        file.attrs["lattice_vectors"] = values["cell"]
        for name in ("times", "numbers", "positions", "energy"):
            file[name] = values[name]
    return path


def write_zarr(path: Path, values: dict[str, Any]) -> Path:
    group = zarr.create_group(path)
    for name, value in values.items():
        if name in ("unit", "cell"):
            group.attrs[name] = np.asarray(value).tolist()
        else:
            group.create_array(name, data=value, chunks=(1, *np.shape(value)[1:]))
    return path


WRITERS = {
    "a.npz": write_npz,
    "b.npz": write_compressed,
    "c.h5": write_hdf5,
    "d.hdf5": write_hdf5_attributes,
    "e.zarr": write_zarr,
}
every_writer = pytest.mark.parametrize(("name", "write"), WRITERS.items(), ids=WRITERS)
Write = Callable[[Path, dict[str, Any]], Path]


@every_writer
def test_everything_is_found_by_name(tmp_path: Path, name: str, write: Write) -> None:
    values = arrays()
    path = write(tmp_path / name, values)
    trajectory = open_any(path)
    assert len(trajectory) == 4
    np.testing.assert_array_equal(trajectory.grid.cell, CELL)
    assert (trajectory.quantity, trajectory.kind) == ("density", "unknown")
    for index in (2, 0, 3):
        np.testing.assert_array_equal(trajectory[index], values["density"][index])
    np.testing.assert_array_equal(trajectory.times, values["times"])
    np.testing.assert_array_equal(trajectory.numbers, values["numbers"])
    np.testing.assert_array_equal(trajectory.positions_at(2), values["positions"][2])
    np.testing.assert_array_equal(trajectory.scalars["energy"], values["energy"])
    assert trajectory.provenance["unit_in_file"] == "electrons/Å³"
    assert is_surely_a_density(path)


@every_writer
def test_atomic_units_are_converted(tmp_path: Path, name: str, write: Write) -> None:
    """One electron in a cube of a Bohr is 6.7483 electrons/Å³."""
    values = arrays() | {"density": np.ones((2, *SHAPE)), "unit": "e/bohr^3"}
    for per_frame in ("times", "positions", "energy"):
        values[per_frame] = values[per_frame][:2]
    trajectory = open_any(write(tmp_path / name, values))
    assert trajectory[1] == pytest.approx(ase.units.Bohr**-3)
    assert ase.units.Bohr**-3 == pytest.approx(6.7483, abs=1e-4)


def test_one_frame_without_times(tmp_path: Path) -> None:
    rho = densities(1)[0]
    path = write_npz(tmp_path / "x.npz", {"rho": rho, "lattice": [3.0, 4.0, 5.0], "unit": "e/A3"})
    trajectory = open_any(path)
    assert (len(trajectory), trajectory.times_known) == (1, False)
    np.testing.assert_array_equal(trajectory[0], rho)
    np.testing.assert_array_equal(trajectory.grid.cell, np.diag([3.0, 4.0, 5.0]))


def test_what_the_file_leaves_open_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, densities())
    given: dict[str, Any] = {}
    for option, answer in (("cell", CELL), ("unit", "e/bohr³")):
        with pytest.raises(MissingInformationError, match=rf"x.npy: .* --{option}") as caught:
            DensityTrajectory.open(path, **given)
        assert caught.value.option == option
        given[option] = answer
    assert not is_surely_a_density(path)
    trajectory = DensityTrajectory.open(path, **given)
    np.testing.assert_allclose(trajectory[3], densities()[3] / ase.units.Bohr**3, rtol=1e-6)


def test_a_unit_that_nobody_knows_is_asked_for(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "x.npz", arrays() | {"unit": "counts"})
    with pytest.raises(MissingInformationError, match="unit 'counts' is not known"):
        open_any(path)
    assert DensityTrajectory.open(path, unit="e/Å³")[0].shape == SHAPE


def test_one_of_several_fields(tmp_path: Path) -> None:
    values = {"first": densities(2), "second": densities(3), "cell": CELL, "unit": "e/Å³"}
    path = write_npz(tmp_path / "x.npz", values)
    with pytest.raises(MissingInformationError, match="several arrays") as caught:
        open_any(path)
    assert (caught.value.option, caught.value.choices) == ("dataset", ("first", "second"))
    assert len(DensityTrajectory.open(path, dataset="second")) == 3
    with pytest.raises(MissingInformationError, match="no one field called 'third'"):
        DensityTrajectory.open(path, dataset="third")


def test_further_fields_are_channels(tmp_path: Path) -> None:
    spin = densities() - 0.05
    path = write_npz(tmp_path / "x.npz", arrays() | {"density_spin": spin, "latents": spin[:, 0]})
    trajectory = open_any(path)
    assert list(trajectory.channels) == ["density_spin"]
    np.testing.assert_array_equal(trajectory.extra["density_spin"][2], spin[2])
    np.testing.assert_array_equal(trajectory[1:].extra["density_spin"][1], spin[2])


def test_a_potential_comes_in_electronvolts(tmp_path: Path) -> None:
    """1 Hartree is 27.2114 eV."""
    values = {"potential": np.ones(SHAPE), "cell": CELL, "unit": "Hartree"}
    trajectory = open_any(write_npz(tmp_path / "x.npz", values))
    assert (trajectory.quantity, trajectory.unit) == ("potential", "eV")
    assert trajectory[0] == pytest.approx(27.2114, abs=1e-4)


def test_fortran_order(tmp_path: Path) -> None:
    rho = densities()
    for name, save in (("a.npz", np.savez), ("b.npz", np.savez_compressed)):
        save(tmp_path / name, density=np.asfortranarray(rho), cell=CELL, unit="e/Å³")
        np.testing.assert_array_equal(open_any(tmp_path / name)[2], rho[2])


def test_large_compressed_arrays_are_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz_arrays, "HELD_BYTES", 1000)
    trajectory = open_any(write_compressed(tmp_path / "x.npz", arrays()))
    for index in (1, 3, 0, 2):
        np.testing.assert_array_equal(trajectory[index], densities()[index])


def test_our_own_npz_round_trips(make_trajectory: Callable, tmp_path: Path) -> None:
    whole = make_trajectory(extra={"density_spin": densities(5).reshape(5, 6, 5, 4)})
    write_trajectory(whole, tmp_path / "x.npz")
    read = open_any(tmp_path / "x.npz")
    np.testing.assert_array_equal(np.stack(list(read)), np.stack(list(whole)))
    np.testing.assert_array_equal(read.times, whole.times)
    np.testing.assert_array_equal(read.positions, whole.positions)
    np.testing.assert_array_equal(read.velocities, whole.velocities)
    np.testing.assert_array_equal(read.numbers, whole.numbers)
    np.testing.assert_array_equal(read.grid.cell, whole.grid.cell)
    np.testing.assert_array_equal(read.extra["density_spin"], whole.extra["density_spin"])
    assert read.scalars.keys() == whole.scalars.keys()
    assert (read.kind, read.quantity) == (whole.kind, whole.quantity)


@every_writer
def test_files_without_a_field_are_not_ours(tmp_path: Path, name: str, write: Write) -> None:
    path = tmp_path / name
    values = arrays() | {"density": np.zeros((4, 7)), "unit": "m"}
    write(path, values)
    assert find_format(path) is None
    with pytest.raises(EldynError, match="not a density trajectory"):
        open_any(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": np.zeros((3, 3))}, "no volume"),
        ({"cell": np.stack([CELL, CELL * 1.1, CELL, CELL])}, "the cell varies"),
        ({"positions": np.zeros((4, 3, 3))}, "do not fit"),
        ({"positions": np.zeros((3, 2, 3))}, "do not fit"),
        ({"numbers": np.array([3, 500])}, "not those of elements"),
        ({"times": np.arange(3.0)}, "do not fit 4 frames"),
        ({"times": np.zeros(4)}, "does not come after"),
    ],
)
def test_contradictions_name_the_file(tmp_path: Path, changes: dict, message: str) -> None:
    path = write_npz(tmp_path / "x.npz", arrays() | changes)
    with pytest.raises(EldynError, match=rf"x.npz: .*{message}"):
        open_any(path)


@every_writer
def test_damage_names_the_file(tmp_path: Path, name: str, write: Write) -> None:
    path = write(tmp_path / name, arrays())
    damaged = path / "density" / "c" / "2" / "0" / "0" / "0" if path.is_dir() else path
    content = damaged.read_bytes()
    for kept in (len(content) // 3, len(content) - 40):
        damaged.write_bytes(content[: max(kept, 4)])
        with pytest.raises(EldynError, match=rf"{name}: the file is damaged"):
            np.stack(list(open_any(path)))


def test_a_missing_chunk_is_not_vacuum(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "x.zarr", arrays())
    (path / "density" / "c" / "2" / "0" / "0" / "0").unlink()
    trajectory = open_any(path)
    assert trajectory[1].shape == SHAPE
    with pytest.raises(EldynError, match=r"x.zarr: .*frame 2 .*missing"):
        trajectory[2]


class Malice:
    """Unpickling this would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.write_text, (self.target, "code was run"))


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    malice = np.array([[[Malice(target)] * 4] * 4] * 4, dtype=object)
    np.savez(tmp_path / "x.npz", density=malice, cell=CELL, unit="e/Å³")
    np.save(tmp_path / "x.npy", malice)
    path = tmp_path / "x.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("density", data=densities(), filters=None, compressors=None)
    metadata = path / "density" / ".zarray"
    metadata.write_text(
        metadata.read_text().replace('"filters": null', '"filters": [{"id": "pickle"}]')
    )
    for chunk in (path / "density").glob("[0-9]*"):
        chunk.write_bytes(pickle.dumps(Malice(target)))
    for name in ("x.npz", "x.npy", "x.zarr"):
        with pytest.raises(EldynError, match=name):
            open_any(tmp_path / name)[0]
    assert not target.exists()


def test_claims_beyond_the_file_are_refused(tmp_path: Path) -> None:
    """Headers that claim a lot, and bytes that inflate to a lot."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (9, 1000, 1000, 1000)}
    for name, compression, content in (
        ("claim.npz", zipfile.ZIP_STORED, b""),
        ("bomb.npz", zipfile.ZIP_DEFLATED, bytes(2**27)),
    ):
        with zipfile.ZipFile(tmp_path / name, "w", compression) as archive:
            shape = (1, 32, 1024, 1024) if content else header["shape"]
            with archive.open("density.npy", "w") as member:
                np.lib.format.write_array_header_1_0(member, header | {"shape": shape})
                member.write(content)
        with pytest.raises(EldynError, match=rf"{name}: .*claims"):
            DensityTrajectory.open(tmp_path / name, cell=CELL, unit="e/Å³")[0]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("density", (10**6, 64, 64, 64), "f4", chunks=(1, 64, 64, 64))
    with pytest.raises(EldynError, match=r"x.h5: .*claims"):
        DensityTrajectory.open(tmp_path / "x.h5", cell=CELL, unit="e/Å³")[0]
    zarr.create_array(tmp_path / "x.zarr", shape=(2**12,) * 3, chunks=(64,) * 3, dtype="f4")
    with pytest.raises(EldynError, match="grid of"):
        DensityTrajectory.open(tmp_path / "x.zarr", cell=CELL, unit="e/Å³")
