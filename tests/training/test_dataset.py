"""Training states and transitions against their definitions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from eldyn_training.data import chains, load_dataset, reverse, transitions
from eldyn_training.recipe import DataRecipe
from liquid import gaussian_liquid

from napari_eldyn.density import DensityTrajectory, PeriodicGrid, resample
from napari_eldyn.exceptions import EldynError


def test_states_are_normalised_density_and_central_rate(trajectory: DensityTrajectory) -> None:
    dataset = load_dataset(DataRecipe(frames="2:12"), [trajectory])
    chosen = np.array([np.log(trajectory[i].astype(np.float64)) for i in range(2, 12)])
    normalised = (chosen - chosen.mean()) / chosen.std()
    rate = (normalised[2:] - normalised[:-2]) / (2 * trajectory.timestep)
    states = dataset.batch(torch.tensor([[1, 1], [5, 1], [5, -1]])).numpy()
    np.testing.assert_allclose(states[0, 0], normalised[1], atol=1e-4)
    np.testing.assert_allclose(states[1, 1], rate[4] / rate.std(), atol=1e-3)
    np.testing.assert_array_equal(states[2, 0], states[1, 0])
    np.testing.assert_array_equal(states[2, 1], -states[1, 1])
    assert dataset.normalisation.mean == pytest.approx(chosen.mean(), abs=1e-5)
    assert dataset.sources[0].frames == (2, 12, 1)
    assert dataset.timestep == trajectory.timestep
    assert states[:, 1].std() > 0.1


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_reflected_and_reversed_transitions_are_one_closed_path(stride: int) -> None:
    forward = transitions(12, stride, reflect_ends=True)
    pairs = torch.unique(torch.cat([forward, reverse(forward)]), dim=0).tolist()
    states = [(frame, sign) for frame in range(1, 11) for sign in (-1, 1)]
    assert sorted(tuple(a) for a, _ in pairs) == sorted(states)
    assert sorted(tuple(b) for _, b in pairs) == sorted(states)
    inner = [pair for pair in pairs if pair[0][1] == pair[1][1]]
    assert all(b[0] - a[0] == stride * a[1] for a, b in inner)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("reflect", [False, True])
def test_chains_are_the_transitions_that_have_a_past(stride: int, reflect: bool) -> None:
    forward = transitions(10, stride, reflect_ends=reflect)
    pairs = torch.unique(torch.cat([forward, reverse(forward)]), dim=0)
    assert torch.equal(chains(pairs, 1), pairs)
    known = {(tuple(a), tuple(b)) for a, b in pairs.tolist()}
    found = [[tuple(state) for state in chain] for chain in chains(pairs, 3).tolist()]
    assert all(len(chain) == 4 for chain in found)
    assert all(step in known for chain in found for step in pairwise(chain))
    # A closed path has a past everywhere; frames 1 … 8 alone only 3 strides from either end.
    assert len(found) == (len(pairs) if reflect else 2 * (8 - 3 * stride))
    assert len({tuple(chain) for chain in found}) == len(found)


def test_plain_transitions_run_forward_only() -> None:
    pairs = transitions(8, 2)
    assert pairs.tolist() == [[[i, 1], [i + 2, 1]] for i in range(1, 5)]


def test_stride_multiplies_the_time_step(trajectory: DensityTrajectory) -> None:
    assert load_dataset(DataRecipe(stride=3), [trajectory]).timestep == 3 * trajectory.timestep
    every_second = load_dataset(DataRecipe(frames="::2"), [trajectory])
    assert every_second.frame_time == 2 * trajectory.timestep


def test_data_are_resampled_to_the_recipe_grid(trajectory: DensityTrajectory) -> None:
    dataset = load_dataset(DataRecipe(grid=(12, 12, 8)), [trajectory])
    assert dataset.grid.shape == (12, 12, 8)
    expected, _ = dataset.normalisation.normalise(resample(trajectory[3], (12, 12, 8)))
    np.testing.assert_array_equal(dataset.density[3].numpy(), expected)


def test_the_fingerprint_tells_data_apart(trajectory: DensityTrajectory) -> None:
    first = load_dataset(DataRecipe(), [trajectory]).fingerprint
    assert load_dataset(DataRecipe(), [gaussian_liquid(14)]).fingerprint == first
    assert load_dataset(DataRecipe(), [gaussian_liquid(14, seed=1)]).fingerprint != first
    assert load_dataset(DataRecipe(), [gaussian_liquid(14, time_step=2.0)]).fingerprint != first


def from_values(values: np.ndarray) -> DensityTrajectory:
    grid = PeriodicGrid(np.eye(3) * 4.0, values.shape[1:])
    return DensityTrajectory.from_array(values, grid, np.arange(len(values)) * 2.0)


def test_too_few_frames_for_the_stride(trajectory: DensityTrajectory) -> None:
    with pytest.raises(EldynError, match=r"select 6 of 14 frames.*stride 5.*at least 8"):
        load_dataset(DataRecipe(frames=":6", stride=5), [trajectory])


def test_a_frame_with_nan_is_named() -> None:
    values = np.random.default_rng(0).uniform(0.1, 1.0, (8, 4, 4, 4)).astype(np.float32)
    values[5, 0, 1, 2] = np.nan
    with pytest.raises(EldynError, match="frame 5 has 1 values"):
        load_dataset(DataRecipe(), [from_values(values)])


def test_few_non_positive_values_are_counted_and_many_are_refused() -> None:
    values = np.random.default_rng(0).uniform(0.1, 1.0, (8, 16, 16, 16)).astype(np.float32)
    values[2, 0, 0, :3] = -0.5
    dataset = load_dataset(DataRecipe(), [from_values(values)])
    assert dataset.report.n_clipped == 3
    assert dataset.report.minimum == -0.5
    values[2] = -0.5
    with pytest.raises(EldynError, match="4096 of 32768 density values are not positive"):
        load_dataset(DataRecipe(), [from_values(values)])


def test_densities_that_stand_still_are_refused() -> None:
    frame = np.random.default_rng(0).uniform(0.1, 1.0, (1, 4, 4, 4)).astype(np.float32)
    with pytest.raises(EldynError, match="does not change with time"):
        load_dataset(DataRecipe(), [from_values(np.repeat(frame, 6, axis=0))])
