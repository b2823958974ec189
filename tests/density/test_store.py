from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_eldyn.density import (
    DensityTrajectory,
    PeriodicGrid,
    StoreWriter,
    open_store,
    store_encoding,
)
from napari_eldyn.exceptions import EldynError


@pytest.mark.parametrize("encoding", ["log16", "float32"])
def test_everything_comes_back(make_trajectory, tmp_path, encoding) -> None:
    trajectory = make_trajectory(n=70)  # more than one block
    calls: list[tuple[int, int]] = []
    trajectory.save(
        tmp_path / "t.eldyn", encoding=encoding, progress=lambda done, n: calls.append((done, n))
    )
    assert calls[-1] == (70, 70)
    stored = DensityTrajectory.open(tmp_path / "t.eldyn")
    assert len(stored) == 70
    assert (stored.kind, stored.provenance) == (trajectory.kind, trajectory.provenance)
    assert (stored.path, stored.name) == (tmp_path / "t.eldyn", "t")
    np.testing.assert_array_equal(stored.times, trajectory.times)
    np.testing.assert_array_equal(stored.numbers, trajectory.numbers)
    np.testing.assert_array_equal(stored.grid.cell, trajectory.grid.cell)
    np.testing.assert_array_equal(stored.positions, trajectory.positions)
    np.testing.assert_array_equal(stored.velocities, trajectory.velocities)
    assert stored.positions.dtype == np.float64
    for name in ("energy", "temperature"):
        np.testing.assert_array_equal(stored.scalars[name], trajectory.scalars[name])
    np.testing.assert_array_equal(np.asarray(stored.extra["latents"]), trajectory.extra["latents"])
    np.testing.assert_array_equal(stored.extra["latents"][-3], trajectory.extra["latents"][67])
    bound = store_encoding(tmp_path / "t.eldyn").relative_error
    worst = max(np.abs(stored[i] / trajectory[i].astype(float) - 1).max() for i in range(70))
    if encoding == "float32":
        assert worst == bound == 0.0
    else:
        # The stated error holds, and is not far off.
        assert 0.4 * bound < worst <= bound < 5e-5


def test_another_program_reads_it_by_the_formula_in_its_header(make_trajectory, tmp_path) -> None:
    """Plain zarr and the attributes are enough."""
    trajectory = make_trajectory()
    trajectory.save(tmp_path / "t.eldyn")
    group = zarr.open_group(tmp_path / "t.eldyn", mode="r")
    encoding = group.attrs["encoding"]
    formula = "density = exp(lo + (hi - lo) * (code - 1) / 65534), [lo, hi] = density_range[frame]"
    assert encoding["formula"] == formula
    lo, hi = group["density_range"][3]
    density = np.exp(lo + (hi - lo) * (group["density"][3].astype(float) - 1) / 65534)
    np.testing.assert_allclose(density, trajectory[3], rtol=encoding["relative_error"])
    assert group.attrs["units"]["density"] == "electrons/Å³"
    np.testing.assert_array_equal(group["times"][:], trajectory.times)


def test_threads_read_at_once(make_trajectory, tmp_path) -> None:
    trajectory = make_trajectory(n=20)
    trajectory.save(tmp_path / "t.eldyn", encoding="float32")
    stored = open_store(tmp_path / "t.eldyn")
    order = np.random.default_rng(0).integers(0, 20, 200)
    with ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(lambda index: stored[index], order))
    for index, frame in zip(order, frames, strict=True):
        np.testing.assert_array_equal(frame, trajectory[index])


def test_a_wide_range_states_its_larger_error(make_trajectory, tmp_path) -> None:
    trajectory = make_trajectory(n=2)
    values = np.stack(list(trajectory)) ** 9.0
    wide = DensityTrajectory.from_array(values, trajectory.grid, trajectory.times)
    wide.save(tmp_path / "w.eldyn")
    stored = open_store(tmp_path / "w.eldyn")
    bound = store_encoding(tmp_path / "w.eldyn").relative_error
    worst = max(np.abs(stored[i] / wide[i].astype(float) - 1).max() for i in range(2))
    assert 1e-4 < worst <= bound


def test_a_uniform_frame_survives_log16(tmp_path) -> None:
    grid = PeriodicGrid(np.eye(3), (2, 2, 2))
    values = np.full((1, 2, 2, 2), 0.05, dtype=np.float32)
    DensityTrajectory.from_array(values, grid, [0.0]).save(tmp_path / "u.eldyn")
    np.testing.assert_allclose(open_store(tmp_path / "u.eldyn")[0], 0.05, rtol=2e-7)


def test_a_trajectory_without_frames_or_atoms(tmp_path) -> None:
    grid = PeriodicGrid(np.eye(3), (2, 2, 2))
    DensityTrajectory.from_array(np.zeros((0, 2, 2, 2)), grid, []).save(tmp_path / "e.eldyn")
    stored = open_store(tmp_path / "e.eldyn")
    assert len(stored) == 0
    assert stored.numbers is stored.positions is None


@pytest.mark.parametrize("value", [0.0, -0.57, np.nan, np.inf])
def test_log16_refuses_what_has_no_logarithm(make_trajectory, tmp_path, value) -> None:
    trajectory = make_trajectory()
    values = np.stack(list(trajectory))
    values[3, 0, 1, 2] = value
    bad = DensityTrajectory.from_array(values, trajectory.grid, trajectory.times)
    with pytest.raises(EldynError, match=r"bad.eldyn: frame 3.* 1 values of 120") as caught:
        bad.save(tmp_path / "bad.eldyn")
    assert caught.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [0.0, -0.57])
def test_float32_keeps_values_that_are_not_positive(make_trajectory, tmp_path, value) -> None:
    trajectory = make_trajectory()
    values = np.stack(list(trajectory))
    values[3, 0, 1, 2] = value
    odd = DensityTrajectory.from_array(values, trajectory.grid, trajectory.times)
    odd.save(tmp_path / "odd.eldyn", encoding="float32")
    np.testing.assert_array_equal(open_store(tmp_path / "odd.eldyn")[3], values[3])


def test_a_long_trajectory_shares_files_and_reads_alike(make_trajectory, tmp_path) -> None:
    trajectory = make_trajectory(n=1100, shape=(3, 3, 3))
    trajectory.save(tmp_path / "long.eldyn")
    assert len(list((tmp_path / "long.eldyn" / "density").iterdir())) < 30
    stored = open_store(tmp_path / "long.eldyn")
    for index in (0, 63, 64, 1023, 1099):
        np.testing.assert_allclose(stored[index], trajectory[index], rtol=5e-5)
    with StoreWriter.reopen(tmp_path / "long.eldyn") as writer:
        append(writer, trajectory[7], 1e5)
    longer = open_store(tmp_path / "long.eldyn")
    np.testing.assert_allclose(longer[1100], trajectory[7], rtol=5e-5)
    np.testing.assert_allclose(longer[1099], trajectory[1099], rtol=5e-5)


def append(writer: StoreWriter, density: np.ndarray, time: float, latent: float = 0.0) -> None:
    writer.append(
        density,
        time,
        positions=np.zeros((2, 3)),
        velocities=np.zeros((2, 3)),
        scalars={"energy": 1.0, "temperature": 800.0},
        extra={"latents": np.full(7, latent)},
    )


def test_appending_and_reading_at_once(make_trajectory, tmp_path) -> None:
    trajectory = make_trajectory()
    path = tmp_path / "grow.eldyn"
    with StoreWriter.create(
        path, trajectory.grid, kind="pseudo", extra={"latents": (7,)}, provenance={"seed": 1}
    ) as writer:
        assert len(open_store(path)) == 0
        readers = []
        for index in range(5):
            writer.append(trajectory[index], index, extra={"latents": np.full(7, index)})
            readers.append(open_store(path))
        for n, reader in enumerate(readers, start=1):
            assert len(reader) == len(reader.times) == n
            np.testing.assert_allclose(reader[n - 1], trajectory[n - 1], rtol=5e-5)
            assert np.asarray(reader.extra["latents"]).shape == (n, 7)
    with StoreWriter.reopen(path) as writer:
        assert len(writer) == 5
        writer.append(trajectory[0], 5.0, extra={"latents": np.full(7, 5.0)})
    stored = open_store(path)
    np.testing.assert_array_equal(stored.extra["latents"][:, 0], np.arange(6))
    # After closing, any zarr program sees arrays of just the whole frames.
    assert zarr.open_group(path, mode="r")["density"].shape == (6, 6, 5, 4)


def test_only_one_program_writes(make_trajectory, tmp_path) -> None:
    path = tmp_path / "one.eldyn"
    with (
        StoreWriter.create(path, make_trajectory().grid) as writer,
        pytest.raises(EldynError, match="another program"),
    ):
        StoreWriter.reopen(path)
    assert len(writer) == 0
    StoreWriter.reopen(path).close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density": np.ones((6, 5, 3))}, "does not fit this store's grid"),
        ({"time": 3.0}, "does not come after"),
        ({"time": np.nan}, "does not come after"),
        ({"positions": np.zeros((3, 3))}, "positions of shape"),
        ({"positions": None}, "without positions"),
        ({"scalars": {"energy": 1.0, "pressure": 2.0}}, "unknown scalars/pressure"),
        ({"extra": {"latents": np.zeros(8)}}, "latents of shape"),
        ({"density": np.full((6, 5, 4), np.nan)}, "frame 1 has 120 values of 120"),
    ],
)
def test_frames_that_do_not_fit_are_refused(make_trajectory, tmp_path, change, message) -> None:
    trajectory = make_trajectory()
    path = tmp_path / "t.eldyn"
    frame = {
        "density": trajectory[1],
        "time": 4.0,
        "positions": np.zeros((2, 3)),
        "scalars": {"energy": 1.0},
        "extra": {"latents": np.zeros(7)},
    }
    with StoreWriter.create(
        path, trajectory.grid, numbers=[3, 11], scalars=("energy",), extra={"latents": (7,)}
    ) as writer:
        writer.append(**frame | {"time": 3.5})
        with pytest.raises(EldynError, match=message):
            writer.append(**frame | change)
        writer.append(**frame)
    assert len(open_store(path)) == 2


def test_a_path_in_use_is_not_touched(make_trajectory, tmp_path) -> None:
    trajectory = make_trajectory()
    trajectory.save(tmp_path / "t.eldyn")
    with pytest.raises(EldynError, match="exists already"):
        trajectory[:2].save(tmp_path / "t.eldyn")
    assert len(open_store(tmp_path / "t.eldyn")) == 5
    trajectory[:2].save(tmp_path / "t.eldyn", overwrite=True)
    assert len(open_store(tmp_path / "t.eldyn")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["t.eldyn"]


def test_overwriting_deletes_stores_only(make_trajectory, tmp_path) -> None:
    precious = tmp_path / "precious.eldyn"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(EldynError, match=r"not an \.eldyn store"):
        make_trajectory().save(precious, overwrite=True)
    assert (precious / "thesis.txt").read_text() == "years of work"


def test_a_failed_overwrite_keeps_the_old_store(make_trajectory, tmp_path) -> None:
    trajectory = make_trajectory()
    trajectory.save(tmp_path / "t.eldyn")
    values = np.stack(list(trajectory))
    values[4] = np.nan
    bad = DensityTrajectory.from_array(values, trajectory.grid, trajectory.times)
    with pytest.raises(EldynError, match="frame 4"):
        bad.save(tmp_path / "t.eldyn", overwrite=True)
    assert np.all(np.isfinite(open_store(tmp_path / "t.eldyn")[4]))
    assert [path.name for path in tmp_path.iterdir()] == ["t.eldyn"]


def test_a_store_can_be_overwritten_by_a_part_of_itself(make_trajectory, tmp_path) -> None:
    trajectory = make_trajectory()
    trajectory.save(tmp_path / "t.eldyn", encoding="float32")
    open_store(tmp_path / "t.eldyn")[3:].save(
        tmp_path / "t.eldyn", encoding="float32", overwrite=True
    )
    np.testing.assert_array_equal(open_store(tmp_path / "t.eldyn")[1], trajectory[4])


def test_cancelling_leaves_nothing(make_trajectory, tmp_path) -> None:
    def cancel(done: int, n: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_trajectory(n=70).save(tmp_path / "t.eldyn", progress=cancel)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist(make_trajectory, tmp_path) -> None:
    with pytest.raises(EldynError, match=r"folder .* does not exist"):
        make_trajectory().save(tmp_path / "no" / "t.eldyn")


def test_provenance_must_be_json(make_trajectory, tmp_path) -> None:
    with pytest.raises(EldynError, match="JSON"):
        make_trajectory(provenance={"code": object()}).save(tmp_path / "t.eldyn")
    assert list(tmp_path.iterdir()) == []


def test_opening_reads_no_frame_and_a_frame_is_one_file(make_trajectory, tmp_path) -> None:
    trajectory = make_trajectory()
    path = tmp_path / "t.eldyn"
    trajectory.save(path, encoding="float32")
    # With all other frames gone from the disk, the store opens and the frame reads.
    for index in (0, 1, 3, 4):
        (path / "density" / f"c.{index}.0.0.0").unlink()
    stored = open_store(path)
    assert len(stored) == 5
    np.testing.assert_array_equal(stored[2], trajectory[2])
    with pytest.raises(EldynError, match="frame 3 is missing"):
        stored[3]


@pytest.mark.parametrize("encoding", ["log16", "float32"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "flipped"])
def test_a_damaged_frame_is_named_and_the_others_read(
    make_trajectory, tmp_path, encoding, damage
) -> None:
    trajectory = make_trajectory(shape=(8, 8, 8))
    path = tmp_path / "t.eldyn"
    trajectory.save(path, encoding=encoding)
    chunk = path / "density" / "c.2.0.0.0"
    content = bytearray(chunk.read_bytes())
    if damage == "missing":
        chunk.unlink()
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        chunk.write_bytes(content)
    else:
        chunk.write_bytes(content[: 0 if damage == "empty" else len(content) // 2])
    stored = open_store(path)
    with pytest.raises(EldynError, match=r"t.eldyn: frame 2 is (damaged|missing)"):
        stored[2]
    np.testing.assert_allclose(stored[3], trajectory[3], rtol=5e-5)


@pytest.mark.parametrize(
    "name", ["times", "positions", "velocities", "scalars/energy", "extra/latents", "cell"]
)
def test_damaged_arrays_are_named(make_trajectory, tmp_path, name) -> None:
    path = tmp_path / "t.eldyn"
    make_trajectory().save(path)
    (chunk,) = [
        file for file in (path / name).rglob("*") if file.is_file() and file.name != "zarr.json"
    ]
    chunk.write_bytes(chunk.read_bytes()[:10])

    def read_all() -> None:
        stored = open_store(path)
        assert stored.positions is not None
        assert stored.velocities is not None
        np.asarray(stored.extra["latents"])

    with pytest.raises(EldynError, match=rf"'{name}' is damaged"):
        read_all()


def test_missing_positions_are_not_passed_off_as_nan(make_trajectory, tmp_path) -> None:
    path = tmp_path / "t.eldyn"
    make_trajectory().save(path)
    (path / "positions" / "c.0.0.0").unlink()
    with pytest.raises(EldynError, match="'positions' has missing parts"):
        _ = open_store(path).positions


def edit_metadata(path: Path, change) -> None:
    metadata = json.loads((path / "zarr.json").read_text())
    change(metadata)
    (path / "zarr.json").write_text(json.dumps(metadata))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["attributes"].update(version=2), "format version 2"),
        (lambda m: m["attributes"].update(format="zarr"), "not an .eldyn store"),
        (lambda m: m.update(attributes={}), "not an .eldyn store"),
        (lambda m: m["attributes"].update(colour="red"), "unknown key 'colour'"),
        (lambda m: m["attributes"].update(n_frames=9), "claims 9 frames .* has 5"),
        (lambda m: m["attributes"].update(n_frames=-1), "n_frames"),
        (lambda m: m["attributes"].update(kind="total"), "key 'kind'"),
        (lambda m: m["attributes"].pop("encoding"), "key 'encoding'"),
        (lambda m: m.update(node_type="leaf"), "cannot be read"),
    ],
)
def test_foreign_and_damaged_metadata(make_trajectory, tmp_path, change, message) -> None:
    path = tmp_path / "t.eldyn"
    make_trajectory().save(path)
    edit_metadata(path, change)
    with pytest.raises(EldynError, match=message):
        open_store(path)


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "text", "lost array"])
def test_paths_that_are_no_stores(make_trajectory, tmp_path, kind) -> None:
    path = tmp_path / "t.eldyn"
    if kind == "file":
        path.write_bytes(b"not a directory")
    elif kind in ("empty", "text"):
        path.mkdir()
        if kind == "text":
            (path / "zarr.json").write_text("{ half a JSO")
    elif kind == "lost array":
        make_trajectory().save(path)
        shutil.rmtree(path / "times")
    with pytest.raises(EldynError, match=r"t\.eldyn: "):
        DensityTrajectory.open(path)


def test_reopening_checks_before_it_changes_anything(make_trajectory, tmp_path) -> None:
    path = tmp_path / "t.eldyn"
    make_trajectory().save(path)
    edit_metadata(path, lambda m: m["attributes"].update(n_frames=9))
    with pytest.raises(EldynError, match="claims 9 frames"):
        StoreWriter.reopen(path)
    edit_metadata(path, lambda m: m["attributes"].update(n_frames=5))
    assert len(open_store(path)) == 5


def test_a_store_of_100_000_frames_opens_without_listing_them(make_trajectory, tmp_path) -> None:
    """Lengthen a store by its documented layout; only the last frame is on the disk."""
    n = 100_000
    path = tmp_path / "huge.eldyn"
    trajectory = make_trajectory()
    with StoreWriter.create(path, trajectory.grid, encoding="float32") as writer:
        writer.append(trajectory[0], 0.0)
    group = zarr.open_group(path, mode="r+")
    group["times"].resize((n,))
    group["times"][:] = 4.0 * np.arange(n)
    group["density"].resize((n, *trajectory.grid.shape))
    group["density"][n - 1] = trajectory[1]
    group.update_attributes({"n_frames": n})
    stored = DensityTrajectory.open(path)
    assert len(stored) == n
    assert stored.timestep == 4.0
    np.testing.assert_array_equal(stored[-1], trajectory[1])
    np.testing.assert_array_equal(stored[::99_999][1], trajectory[1])
