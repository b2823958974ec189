"""Nearest training frames against copies that are known, and against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.grid import resample
from napari_eldyn.density.symmetry import apply_operation, point_group, shift
from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.memorisation import (
    nearest_training_frames,
    nearest_within_training,
    training_frames,
)

NORMALISATION = LogNormalisation(mean=-2.9, std=0.27)


def densities(shape, n, seed):
    """Independent smooth log-normal fields, of unit variance when normalised."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(n, 6, 6, 6))
    fields = np.array([resample(field, shape) for field in coarse])
    fields /= fields.std(axis=(1, 2, 3), keepdims=True)
    return np.exp(NORMALISATION.mean + NORMALISATION.std * fields)


def trajectory(grid, values, step=4.0):
    return DensityTrajectory.from_array(values, grid, step * np.arange(len(values)), kind="pseudo")


CUBE = PeriodicGrid(8.0 * np.eye(3), (24, 24, 24))
SMALL = PeriodicGrid(np.diag([6.0, 6.0, 7.0]), (6, 6, 8))
OBLIQUE = PeriodicGrid(np.array([[6.0, 0, 0], [0.5, 6.5, 0], [0, 0.3, 7.0]]), (14, 15, 16))


@pytest.mark.parametrize("grid", [CUBE, SMALL, OBLIQUE], ids=["cubic", "tetragonal", "oblique"])
def test_a_shifted_and_turned_copy_has_distance_zero(grid):
    values = densities(grid.shape, 12, 0)
    training = training_frames(trajectory(grid, values), NORMALISATION)
    rng = np.random.default_rng(1)
    operations = point_group(grid)
    copies, sources = [], []
    for _ in range(6):
        source, operation = rng.integers(12), operations[rng.integers(len(operations))]
        copies.append(apply_operation(shift(values[source], rng.integers(grid.shape)), operation))
        sources.append(source)
    found = nearest_training_frames(trajectory(grid, np.array(copies)), training)
    np.testing.assert_allclose(found.distance, 0, atol=1e-4)
    assert found.nearest.tolist() == sources
    # What was found does map the copy on to its source.
    for i, source in enumerate(sources):
        operation = training.operations[found.operation[i]]
        back = shift(apply_operation(copies[i], operation), found.shift[i])
        np.testing.assert_allclose(back, values[source], rtol=1e-5)
    # As they lie, copies are as far away as unrelated frames.
    assert found.plain_distance.min() > 1


def test_distance_is_the_least_over_every_shift_and_operation():
    values = densities(SMALL.shape, 5, 2)
    others = densities(SMALL.shape, 1, 3)
    training = training_frames(trajectory(SMALL, values), NORMALISATION)
    found = nearest_training_frames(trajectory(SMALL, others), training)

    def normal(field):
        return NORMALISATION.normalise(field)[0].astype(float)

    scale = np.sqrt(np.mean([normal(field).var() for field in values]))
    assert training.scale == pytest.approx(scale, rel=1e-5)
    assert len(training.operations) == 16
    for i, other in enumerate(others):
        least = min(
            np.mean((shift(apply_operation(normal(other), operation), by) - normal(field)) ** 2)
            for operation in training.operations
            for by in itertools.product(*(range(n) for n in SMALL.shape))
            for field in values
        )
        assert found.distance[i] == pytest.approx(np.sqrt(least) / scale, rel=1e-5)
        plain = [np.mean((normal(other) - normal(field)) ** 2) for field in values]
        assert found.plain_distance[i] == pytest.approx(np.sqrt(min(plain)) / scale, rel=1e-5)
        assert found.plain_nearest[i] == np.argmin(plain)


def test_a_blurred_copy_is_nearer_than_an_unseen_frame_by_the_noise_added():
    values = densities(CUBE.shape, 20, 4)
    training = training_frames(trajectory(CUBE, values), NORMALISATION)
    assert training.coarse_shape == (12, 12, 12)
    assert training.coarse_share == pytest.approx(1, abs=0.02)
    noise = np.random.default_rng(5).normal(size=CUBE.shape)
    moved = apply_operation(shift(values[7], (5, 0, 11)), training.operations[30])
    noisy = moved * np.exp(NORMALISATION.std * 0.4 * noise)
    unseen = densities(CUBE.shape, 1, 99)[0]
    found = nearest_training_frames(trajectory(CUBE, np.array([noisy, unseen])), training)
    assert found.nearest[0] == 7
    assert found.distance[0] == pytest.approx(0.4 / training.scale, rel=0.02)
    assert found.distance[1] > 2 * found.distance[0]


def test_replay_walks_the_training_path_and_shuffled_replay_does_not():
    values = densities(CUBE.shape, 20, 6)
    training = training_frames(trajectory(CUBE, values), NORMALISATION)
    moved = apply_operation(shift(values, (3, 1, 7)), training.operations[11])
    replay = nearest_training_frames(trajectory(CUBE, moved[4:16]), training, max_frames=10)
    assert (replay.followed, replay.pair_interval) == (1.0, 20.0)
    assert replay.plain_followed < 0.5
    backwards = nearest_training_frames(trajectory(CUBE, moved[::-1]), training, max_frames=10)
    assert backwards.followed == 1.0
    order = np.random.default_rng(0).permutation(20)
    shuffled = nearest_training_frames(trajectory(CUBE, moved[order]), training, max_frames=16)
    assert shuffled.followed < 0.5
    np.testing.assert_allclose(shuffled.distance, 0, atol=1e-4)
    standing = nearest_training_frames(trajectory(CUBE, moved[[3] * 9]), training, max_frames=10)
    assert standing.followed == 0
    # Every other training frame.
    sparse = nearest_training_frames(trajectory(CUBE, values[::2], step=8.0), training, 10)
    assert (sparse.followed, sparse.plain_followed, sparse.pair_interval) == (1.0, 1.0, 24.0)
    strange = nearest_training_frames(trajectory(CUBE, values[:4], step=3.3331), training)
    assert (strange.followed, strange.pair_interval) == (None, None)


def test_training_frames_are_thinned_evenly_and_compared_at_other_times():
    values = densities(SMALL.shape, 90, 7)
    values[80] = shift(values[5], (1, 2, 3))
    values[6] = values[5]
    training = training_frames(trajectory(SMALL, values), NORMALISATION, max_frames=90)
    distances = nearest_within_training(training, 90)
    assert distances is not None
    # Frame 6 is too close in time to count; frame 80 is 300 fs later.
    assert distances[5] == pytest.approx(0, abs=1e-4)
    assert distances[50:60].min() > 0.2
    thin = training_frames(trajectory(SMALL, values), NORMALISATION, max_frames=40)
    assert thin.frames.tolist() == list(range(0, 90, 3))
    assert (
        nearest_within_training(training_frames(trajectory(SMALL, values[:9]), NORMALISATION))
        is None
    )


def test_what_cannot_be_compared_is_refused():
    values = densities(SMALL.shape, 4, 8)
    training = training_frames(trajectory(SMALL, values), NORMALISATION)
    with pytest.raises(EldynError, match="not that of the training frames"):
        nearest_training_frames(trajectory(CUBE, densities(CUBE.shape, 2, 9)), training)
    values[2, 0, 0, 0] = np.nan
    with pytest.raises(EldynError, match="NaN"):
        training_frames(trajectory(SMALL, values), NORMALISATION)
    with pytest.raises(EldynError, match="do not vary"):
        training_frames(trajectory(SMALL, np.ones_like(values)), NORMALISATION)
    with pytest.raises(EldynError, match="no training frames"):
        training_frames(trajectory(SMALL, values)[:0], NORMALISATION)
