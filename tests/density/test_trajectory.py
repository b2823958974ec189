from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid, check_frame
from napari_eldyn.exceptions import EldynError

GRID = PeriodicGrid(np.diag([3.0, 4.0, 5.0]), (4, 3, 2))


class CountingFrames:
    """Frame i is filled with i + 1; which frames were read is written down."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.reads: list[int] = []

    def __len__(self) -> int:
        return self.n

    def read(self, index: int) -> npt.NDArray[np.float32]:
        self.reads.append(index)
        return np.full(GRID.shape, index + 1.0, dtype=np.float32)


def test_only_the_frame_asked_for_is_read() -> None:
    frames = CountingFrames(100_000)
    trajectory = DensityTrajectory(frames, GRID, np.arange(100_000.0))
    part = trajectory[10:90_000:7]
    again = part[5:9].resampled((2, 2, 2))
    assert len(trajectory), len(part)
    assert frames.reads == []
    assert again[1].max() == pytest.approx(10 + 7 * 6 + 1)
    assert frames.reads == [52]


def test_indices_as_in_a_list() -> None:
    trajectory = DensityTrajectory(CountingFrames(5), GRID, 2.0 * np.arange(5))
    assert trajectory[-1].max() == 5.0
    assert trajectory[np.int64(2)].max() == 3.0
    assert [frame.max() for frame in trajectory] == [1, 2, 3, 4, 5]
    for index in (5, -6):
        with pytest.raises(IndexError, match="trajectory of 5 frames"):
            trajectory[index]
    with pytest.raises(TypeError):
        trajectory[1.0]
    np.testing.assert_array_equal(trajectory[1:-1].times, [2.0, 4.0, 6.0])
    assert len(trajectory[3:2]) == 0
    with pytest.raises(ValueError, match="forward in time"):
        trajectory[::-1]


def test_a_slice_keeps_everything_that_belongs_to_its_frames(make_trajectory) -> None:
    trajectory = make_trajectory(n=9)
    part = trajectory[2:9:3][1:]
    chosen = [5, 8]
    assert (part.kind, part.provenance) == (trajectory.kind, trajectory.provenance)
    np.testing.assert_array_equal(part.times, trajectory.times[chosen])
    np.testing.assert_array_equal(part.numbers, [3, 11])
    for name in ("positions", "velocities"):
        np.testing.assert_array_equal(getattr(part, name), getattr(trajectory, name)[chosen])
    for name in ("energy", "temperature"):
        np.testing.assert_array_equal(part.scalars[name], trajectory.scalars[name][chosen])
    np.testing.assert_array_equal(
        np.asarray(part.extra["latents"]), trajectory.extra["latents"][chosen]
    )
    np.testing.assert_array_equal(part.extra["latents"][-1], trajectory.extra["latents"][8])
    np.testing.assert_array_equal(part[1], trajectory[8])


def test_timestep() -> None:
    def with_times(times: list[float]) -> DensityTrajectory:
        return DensityTrajectory(CountingFrames(len(times)), GRID, times)

    assert with_times([1.0, 5.0, 9.0]).timestep == 4.0
    with pytest.raises(EldynError, match=r"steps from 4 to 5 fs"):
        _ = with_times([1.0, 5.0, 10.0]).timestep
    with pytest.raises(EldynError, match="two frames"):
        _ = with_times([1.0]).timestep
    # Times of a long run, summed up in floating point, still count as equally spaced.
    assert with_times(list(np.cumsum(np.full(10_000, 0.1)))).timestep == pytest.approx(0.1)


def test_electrons_of_a_uniform_density() -> None:
    trajectory = DensityTrajectory(CountingFrames(3), GRID, [0, 1, 2])
    assert trajectory.electrons(1) == pytest.approx(2.0 * 60.0)


def test_resampling_keeps_electrons_and_atoms(make_trajectory) -> None:
    trajectory = make_trajectory()
    finer = trajectory.resampled((9, 8, 7))
    assert finer[0].shape == finer.grid.shape == (9, 8, 7)
    assert finer.electrons(2) == pytest.approx(trajectory.electrons(2), rel=1e-6)
    np.testing.assert_array_equal(finer.positions, trajectory.positions)
    assert finer.provenance["resampled_from"] == [6, 5, 4]
    assert trajectory.resampled((6, 5, 4)) is trajectory


def test_resampling_takes_further_fields_along(make_trajectory) -> None:
    spin = np.random.default_rng(1).normal(size=(5, 6, 5, 4)).astype(np.float32)
    latents = np.zeros((5, 7), np.float32)
    trajectory = make_trajectory(extra={"density_spin": spin, "latents": latents})
    fine = trajectory.resampled((12, 10, 8))[1:4]
    assert list(fine.channels) == ["density_spin"]
    read = fine.extra["density_spin"][1]
    # The mean is kept.
    np.testing.assert_allclose(read.sum(), 8 * spin[2].sum(), rtol=1e-4)
    odd = trajectory.resampled((7, 7, 5)).resampled((6, 5, 4))
    np.testing.assert_allclose(odd.extra["density_spin"][2], spin[2], atol=1e-5)
    assert fine.extra["latents"].shape == (3, 7)


def test_a_subclass_that_generates_frames_can_be_sliced_and_saved(tmp_path) -> None:
    """A rollout overrides how frames come about; slices and stores must use that."""

    class Doubled(DensityTrajectory):
        def __getitem__(self, index):
            return (
                super().__getitem__(index)
                if isinstance(index, slice)
                else 2 * super().__getitem__(index)
            )

    doubled = Doubled(CountingFrames(4), GRID, [0, 1, 2, 3])
    assert doubled[1:][0].max() == 4.0
    doubled.save(tmp_path / "d.eldyn", encoding="float32")
    assert DensityTrajectory.open(tmp_path / "d.eldyn")[3].max() == 8.0


def test_what_is_derived_from_a_growing_trajectory_keeps_its_length() -> None:
    class Growing(DensityTrajectory):
        @property
        def times(self):
            return np.arange(float(len(self)))

        @property
        def extra(self):
            return {"latents": np.zeros((len(self), 3))}

    frames = CountingFrames(4)
    growing = Growing(frames, GRID, np.arange(4.0))
    derived = [growing[1:], growing.resampled((2, 2, 2)), growing.annotated({"note": 1})]
    frames.n = 9
    assert len(growing) == 9
    assert [len(part) for part in derived] == [3, 4, 4]
    for part in derived:
        assert len(part.times) == part.extra["latents"].shape[0] == len(part)
        with pytest.raises(IndexError):
            part[len(part)]


def test_annotations_are_added_to_the_provenance(make_trajectory) -> None:
    annotated = make_trajectory().annotated({"note": "x"})
    assert annotated.provenance["note"] == "x"
    assert annotated.provenance["code"] == "made up"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "total"}, "density kind 'total'"),
        ({"scalars": {"energy": np.zeros(4)}}, "5 frames of density but 4 of energy"),
        ({"positions": np.zeros((5, 3, 3))}, "positions have shape"),
        ({"velocities": np.zeros((4, 2, 3))}, "5 frames of density but 4 of velocities"),
        ({"extra": {"latents": np.zeros((6, 2))}}, "6 of latents"),
    ],
)
def test_parts_that_do_not_fit_are_refused(make_trajectory, fields, message) -> None:
    with pytest.raises(EldynError, match=message):
        make_trajectory(**fields)


@pytest.mark.parametrize("times", [[0, 1, 1], [0, 2, 1], [0, np.nan, 2]])
def test_times_must_increase(times) -> None:
    with pytest.raises(EldynError, match="do not increase"):
        DensityTrajectory(CountingFrames(3), GRID, times)


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(EldynError, match="not that of frames"):
        DensityTrajectory.from_array(np.zeros((2, 4, 3, 3)), GRID, [0, 1])


def test_nan_is_read_as_stored_and_found_by_the_check() -> None:
    values = np.ones((2, *GRID.shape), dtype=np.float32)
    values[1, 0, 0, 0] = np.nan
    values[1, 0, 0, 1] = -np.inf
    trajectory = DensityTrajectory.from_array(values, GRID, [0, 1], path="here.eldyn")
    np.testing.assert_array_equal(trajectory[1], values[1])
    check_frame(trajectory[0], trajectory.path, 0)
    with pytest.raises(EldynError, match=r"here.eldyn: frame 1 has 2 values of 24"):
        check_frame(trajectory[1], trajectory.path, 1)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (None, "trajectory"),
        ("a/li32_L8.66", "li32_L8.66"),
        ("a/li32.eldyn", "li32"),
        ("frames_000100.npz", "frames_000100"),
    ],
)
def test_name(make_trajectory, path, name) -> None:
    assert make_trajectory(path=path).name == name
