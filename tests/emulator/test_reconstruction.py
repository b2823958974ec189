"""Encode → decode of frames as they lie, shifted and rotated, against errors worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from liquid import gaussian_liquid

from napari_eldyn.density import DensityTrajectory, apply_operation, point_group, shift
from napari_eldyn.emulator import Emulator
from napari_eldyn.emulator.lead_scores import LeadScores
from napari_eldyn.emulator.reconstruction import reconstruction
from napari_eldyn.observables import default_settings


@pytest.fixture(scope="module")
def reference():
    return gaussian_liquid(8, seed=5)


def by_hand(model, trajectory):
    """NMAE, MSE of both channels for each frame, from whole arrays."""
    rows = []
    for i in range(len(trajectory)):
        state = model.start_state(trajectory, i).states[-1]
        decoded = model.decode_states(model.encode_states(state[None]))[0]
        density = model.normalisation.denormalise(decoded[0])
        truth = trajectory[i]
        nmae = 100 * np.abs(density - truth).sum() / truth.sum()
        rows.append((nmae, *((decoded - state) ** 2).mean(axis=(1, 2, 3))))
    return np.array(rows)


@pytest.mark.parametrize(
    ("path", "below", "numbers"),
    [("model_path", (16, 16, 16), 32), ("spatial_model_path", (4, 4, 4), 2 * 4**3)],
)
def test_errors_of_all_variants(path, below, numbers, reference, request):
    model = Emulator.load(request.getfixturevalue(path))
    settings = default_settings(reference, model.normalisation)
    found = reconstruction(model, reference, settings, seed=3)
    assert found.frames == tuple(range(8))
    assert found.shift_below == below
    assert (found.state_numbers, found.latent_numbers) == (2 * 16**3, numbers)
    assert found.compression == 2 * 16**3 / numbers
    stack = np.stack(list(reference))
    operations = point_group(reference.grid)
    assert len(operations) == 48
    rng = np.random.default_rng(3)
    expected = {"plain": by_hand(model, reference), "shifted": [], "rotated": []}
    for i in range(8):
        by = np.unravel_index(rng.integers(1, np.prod(below)), below)
        turn = operations[rng.integers(1, 48)]
        assert any(by)
        moved = {"shifted": shift(stack, by), "rotated": apply_operation(stack, turn)}
        for name, frames in moved.items():
            whole = DensityTrajectory.from_array(
                frames, reference.grid, reference.times, kind="pseudo"
            )
            expected[name].append(by_hand(model, whole)[i])
    for name, rows in expected.items():
        scores = found.scores[name]
        mean = np.mean(rows, axis=0)
        np.testing.assert_allclose([scores.nmae, scores.mse, scores.rate_mse], mean, rtol=1e-3)
    # The truth is the same up to symmetry, so its values and S(q) are, too.
    shapes = [scores.level.amplitude_difference.shape for scores in found.scores.values()]
    assert len(set(shapes)) == 1


def test_starts_close_in_time_are_not_independent():
    """Blocks of copies count once; and pairs tell what means alone do not."""
    rng = np.random.default_rng(0)
    single = rng.normal(size=(6, 3))
    doubled = np.repeat(single, 2, axis=0)

    def scores(values, blocks):
        return LeadScores(values, None, np.ones(3), np.array(blocks))

    alone = scores(single, range(6))
    np.testing.assert_allclose(alone.crps_error, single.std(axis=0, ddof=1) / np.sqrt(6))
    blocked = scores(doubled, np.repeat(range(6), 2))
    np.testing.assert_allclose(blocked.crps_error, alone.crps_error)
    assert (scores(doubled, range(12)).crps_error < 0.8 * alone.crps_error).all()
    assert scores(single, [0] * 6).crps_error is None
    gain, error = alone.gain_over(scores(single + 0.1, range(6)))
    np.testing.assert_allclose(gain, 0.1)
    np.testing.assert_allclose(error, 0, atol=1e-12)
