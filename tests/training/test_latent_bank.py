"""The bank of latents, with an encoder simple enough to follow every value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from eldyn_training.data import load_dataset
from eldyn_training.distributed import Processes
from eldyn_training.latent_bank import LatentBank, encode_bank
from eldyn_training.recipe import SpatialRecipe
from eldyn_training.state import TrainingState, start
from eldyn_training.steps import never
from liquid import gaussian_liquid
from torch import Tensor, nn
from torch.nn import functional

from napari_eldyn.exceptions import EldynError


class Samples(nn.Module):
    """Every fourth value: rotations and reflections map these to each other."""

    def forward(self, states: Tensor) -> Tensor:
        return states[:, :, ::4, ::4, ::4]


class Averages(nn.Module):
    """Averages over 4³ voxels: their mean stays, whatever moves."""

    def forward(self, states: Tensor) -> Tensor:
        return functional.avg_pool3d(states, 4)


def training(copies: int, frames: int = 1, **data: Any) -> TrainingState:
    recipe = SpatialRecipe.model_validate(
        {
            "data": {"time_reversal": True, **data},
            "model": {
                "family": "spatial",
                "autoencoder": {"width": 4, "fine_width": 2, "decoder_blocks": 1},
                "denoiser": {"width": 4, "blocks": 1, "context_frames": frames},
            },
            "training": {"stages": "two_stage", "steps": 1},
            "refinement": {"steps": 1, "copies": copies},
        }
    )
    parts = [gaussian_liquid(9), gaussian_liquid(8, seed=1)]
    state = start(recipe, load_dataset(recipe.data, parts), torch.device("cpu"), Processes())
    state.networks.encoder = Averages()  # type: ignore[assignment]
    return state


def bank_of(state: TrainingState) -> LatentBank:
    return encode_bank(state, never, show_progress=False)


def averages(state: TrainingState) -> Tensor:
    """Block averages of the training states as they are."""
    return functional.avg_pool3d(state.dataset.batch(state.dataset.training.states), 4)


def test_without_symmetries_the_bank_holds_the_states() -> None:
    state = training(5, frames=2)
    bank = bank_of(state)
    expected = averages(state)
    assert bank.latents.shape == (1, *expected.shape)
    np.testing.assert_allclose(bank.latents[0].float(), expected, rtol=1e-3, atol=1e-3)
    mean, std = bank.moments()
    np.testing.assert_allclose(mean.flatten(), expected.mean((0, 2, 3, 4)), atol=1e-3)
    flat = expected.transpose(0, 1).flatten(1)
    np.testing.assert_allclose(std.flatten(), flat.std(dim=1, correction=0), rtol=1e-3)
    # Chains: context frame, state, next state; the states of both trajectories, both directions.
    states = state.dataset.training.states
    assert len(bank.rows) == 2 * ((7 - 2) + (6 - 2))
    for before, first, after in states[bank.rows].tolist():
        assert first[0] - before[0] == after[0] - first[0] == before[1] == first[1] == after[1]
    change = (expected[bank.rows[:, 2]] - expected[bank.rows[:, 1]]).square().mean((0, 2, 3, 4))
    np.testing.assert_allclose(bank.mean_square_change().flatten(), change, rtol=2e-2)
    drawn = bank.draw(64, slice(None), torch.Generator().manual_seed(0))
    assert drawn.shape == (64, 3, *expected.shape[1:])
    held = bank.latents[0].float()[bank.rows]
    assert all(any(torch.equal(one, other) for other in held) for one in drawn)


def test_a_copy_moves_a_trajectory_as_a_whole() -> None:
    """Inner products between its states are those of the states as they are."""
    state = training(6, random_point_group=True)
    state.networks.encoder = Samples()  # type: ignore[assignment]
    bank = bank_of(state)
    states = state.dataset.training.states
    kept = Samples()(state.dataset.batch(states)).flatten(1)
    gram = kept @ kept.T
    first = states[:, 0] < 9
    within = first[:, None] == first
    copies = bank.latents.float().flatten(2)
    assert len({tuple(copy[0].tolist()) for copy in copies}) > 1
    across = 0
    for copy in copies:
        products = copy @ copy.T
        np.testing.assert_allclose(products[within], gram[within], rtol=2e-3, atol=0.05)
        across += not torch.allclose(products, gram, rtol=2e-3, atol=0.05)
    assert across > 0  # each trajectory by an operation of its own
    assert torch.equal(bank_of(state).latents, bank.latents)


def test_shifts_by_single_voxels_are_in_the_bank_and_by_cells_in_the_draw() -> None:
    state = training(8, random_shifts=True)
    bank = bank_of(state)
    total = averages(state).sum((2, 3, 4))
    for copy in bank.latents.float():
        np.testing.assert_allclose(copy.sum((2, 3, 4)), total, rtol=5e-3, atol=0.05)
    drawn = bank.draw(12, slice(None), torch.Generator().manual_seed(1))
    rolls = [(x, y, z) for x in range(4) for y in range(4) for z in range(4)]
    held = bank.latents.float()[:, bank.rows].flatten(0, 1)
    found = set()
    for one in drawn:
        # The state and its successor are moved alike.
        places = [
            roll
            for roll in rolls
            if bool((torch.roll(one, roll, (2, 3, 4)) == held).flatten(1).all(dim=1).any())
        ]
        assert len(places) == 1
        found.add(places[0])
    assert len(found) > 8
    whole = bank.draw(12, slice(0, 12), torch.Generator().manual_seed(1))
    half = bank.draw(12, slice(6, 12), torch.Generator().manual_seed(1))
    assert torch.equal(whole[6:], half)


def test_too_many_copies_or_context_frames_are_refused() -> None:
    with pytest.raises(EldynError, match=r"copies of 26 states.*GB, but") as error:
        bank_of(training(10**9, random_shifts=True))
    assert error.value.remedy == "Lower refinement.copies."
    with pytest.raises(EldynError, match=r"no stretch of training frames .* 9 context frames"):
        bank_of(training(1, frames=9))


def test_encoding_can_be_stopped() -> None:
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_bank(training(9, random_shifts=True), check, show_progress=False)
    assert len(calls) == 3
