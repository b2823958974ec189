"""Batches depend on seed and step only, wherever the frames lie and however many processes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from eldyn_training.data import BatchLoader, Dataset, Symmetries, draw_batch, load_dataset
from eldyn_training.data.storage import Storage
from eldyn_training.recipe import DataRecipe
from liquid import gaussian_liquid

from napari_eldyn.density.symmetry import apply_operation, shift


def symmetries(dataset: Dataset, on: bool = True) -> Symmetries:
    return Symmetries(dataset.grid, shifts=on, point_group=on, device=dataset.device)


def loader(dataset: Dataset, *, on: bool = True, share: slice = slice(None)) -> BatchLoader:
    return BatchLoader(dataset, symmetries(dataset, on), seed=5, batch_size=6, share=share)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(DataRecipe(), [gaussian_liquid(14), gaussian_liquid(9, seed=1)])


def test_every_epoch_uses_every_transition_once(dataset: Dataset) -> None:
    total = len(dataset.training.pairs)
    off = symmetries(dataset, False)
    draws = [draw_batch(dataset, off, 3, step, 6).pairs for step in range(total)]
    places = [tuple(pair.flatten().tolist()) for pair in torch.cat(draws)]
    assert len(places) == 6 * total
    epochs = [places[start : start + total] for start in range(0, len(places), total)]
    assert all(set(Counter(epoch).values()) == {1} for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_the_transitions_are_those_of_runs_before_augmentation_existed(dataset: Dataset) -> None:
    """An independent copy of the rule that shipped models were trained by."""
    total = len(dataset.training.pairs)
    order = torch.randperm(total, generator=torch.Generator().manual_seed((3 << 32) + 2**31))
    drawn = draw_batch(dataset, symmetries(dataset, True), 3, 1, 6)
    assert torch.equal(drawn.pairs, dataset.training.pairs[order[6:12]])


def test_a_transition_is_moved_as_one(dataset: Dataset) -> None:
    with loader(dataset) as moved, loader(dataset, on=False) as plain:
        operations = symmetries(dataset).operations.numpy()
        draw = moved.draw(2)
        assert draw.moves is not None
        assert torch.equal(draw.pairs, plain.draw(2).pairs)
        for before, after in zip(plain.batch(2), moved.batch(2), strict=True):
            for number in range(6):
                expected = shift(
                    apply_operation(
                        before[number].numpy(), operations[draw.moves.operations[number]]
                    ),
                    draw.moves.shifts[number].tolist(),
                )
                np.testing.assert_array_equal(after[number], expected)


def test_processes_share_one_batch(dataset: Dataset) -> None:
    with (
        loader(dataset) as whole,
        loader(dataset, share=slice(0, 3)) as first,
        loader(dataset, share=slice(3, 6)) as second,
    ):
        for step in (0, 7):
            parts = zip(first.batch(step), second.batch(step), strict=True)
            for expected, found in zip(whole.batch(step), parts, strict=True):
                assert torch.equal(expected, torch.cat(found))


@pytest.mark.parametrize("storage", ["mapped", "memory"])
def test_batches_do_not_depend_on_storage_or_order(
    dataset: Dataset, storage: Storage, tmp_path: Path
) -> None:
    trajectories = [gaussian_liquid(14), gaussian_liquid(9, seed=1)]
    other = load_dataset(DataRecipe(), trajectories, storage=storage, cache=tmp_path)
    assert other.is_at_hand == (storage == "memory")
    with loader(dataset) as reference, loader(other) as tested:
        # Forward, a jump ahead, and back, as after a resume.
        for step in (0, 1, 2, 9, 10, 3):
            for expected, found in zip(reference.batch(step), tested.batch(step), strict=True):
                assert torch.equal(expected, found)


def test_an_error_in_the_thread_reaches_the_caller(tmp_path: Path) -> None:
    dataset = load_dataset(DataRecipe(), [gaussian_liquid(14)], storage="mapped", cache=tmp_path)
    broken = BatchLoader(dataset, symmetries(dataset), seed=0, batch_size=0)
    with broken, pytest.raises(RuntimeError, match="stack"):
        broken.batch(0)


def test_states_are_central_differences_within_their_trajectory() -> None:
    parts = [gaussian_liquid(8), gaussian_liquid(9, seed=1)]
    dataset = load_dataset(DataRecipe(stride=2), parts)
    logs = [np.log(np.array(list(part), np.float64)) for part in parts]
    spread = np.concatenate(logs).std()
    rates = [(log[2:] - log[:-2]) / (2 * 4.0) / spread for log in logs]
    scale = np.concatenate(rates).std()
    states = dataset.training.states
    assert states.tolist() == [[i, 1] for i in [*range(1, 7), *range(9, 16)]]
    expected = np.concatenate(rates) / scale
    np.testing.assert_allclose(dataset.batch(states)[:, 1], expected, atol=2e-3)
    steps = dataset.training.pairs[:, 1, 0] - dataset.training.pairs[:, 0, 0]
    assert set(steps.tolist()) == {2}
    # States 1…6 and 9…15: four and five transitions, none from one trajectory into the other.
    assert dataset.training.pairs[:, 0, 0].tolist() == [1, 2, 3, 4, 9, 10, 11, 12, 13]
