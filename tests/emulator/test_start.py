from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, LogNormalisation, PeriodicGrid
from napari_eldyn.emulator.start import start_state
from napari_eldyn.exceptions import EldynError

GRID = PeriodicGrid(np.eye(3) * 5.0, (4, 4, 4))
NORMALISATION = LogNormalisation(mean=-2.9, std=0.3, rate_std=0.05)
TIMES = 2.0 * np.arange(6)


def parabola(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=GRID.shape) * scale for scale in (1.0, 0.1, 0.01))  # type: ignore[return-value]


def liquid(change: dict[int, float] | None = None) -> DensityTrajectory:
    """Normalised density a + bτ + cτ² in every voxel, so that differences are exact."""
    a, b, c = parabola()
    fields = np.array([a + b * t + c * t * t for t in TIMES])
    densities = np.exp(0.3 * fields - 2.9).astype(np.float32)
    for frame, value in (change or {}).items():
        densities[frame, 0, 0, 0] = value
    return DensityTrajectory.from_array(densities, GRID, TIMES)


@pytest.mark.parametrize("frame", [2, 5, -1])
def test_the_rate_is_of_second_order_where_it_can_be(frame: int) -> None:
    a, b, c = parabola()
    start = start_state(liquid(), frame, NORMALISATION)
    time = TIMES[frame]
    np.testing.assert_allclose(start.state[0], a + b * time + c * time**2, atol=1e-4)
    np.testing.assert_allclose(start.state[1], (b + 2 * c * time) / 0.05, atol=1e-3)
    assert start.state.dtype == np.float32
    assert start.frame == frame % 6
    assert "second order" in start.rate


def test_the_first_two_frames() -> None:
    _a, b, c = parabola()
    first = start_state(liquid(), 0, NORMALISATION)
    np.testing.assert_allclose(first.state[1], (b + 2 * c) / 0.05, atol=1e-3)
    assert "forward" in first.rate
    second = start_state(liquid(), 1, NORMALISATION)
    np.testing.assert_allclose(second.state[1], (b + 2 * c) / 0.05, atol=1e-3)
    assert "first order" in second.rate


def test_no_later_frame_leaks_in() -> None:
    changed = liquid({4: 7.0, 5: float("nan")})
    for frame in (1, 2, 3):
        np.testing.assert_array_equal(
            start_state(changed, frame, NORMALISATION).state,
            start_state(liquid(), frame, NORMALISATION).state,
        )


@pytest.mark.parametrize("frame", [3, 4, 5])
def test_nan_in_a_frame_that_is_needed_is_named(frame: int) -> None:
    with pytest.raises(EldynError, match="frame 3 has 1 values of 64 that are NaN"):
        start_state(liquid({3: float("nan")}), frame, NORMALISATION)


def test_clipped_values_are_counted() -> None:
    assert start_state(liquid({2: -0.1, 3: 0.0}), 3, NORMALISATION).n_clipped == 2
    assert start_state(liquid(), 3, NORMALISATION).n_clipped == 0


@pytest.mark.parametrize("frame", [6, -7, 1000])
def test_frames_that_are_not_there(frame: int) -> None:
    with pytest.raises(EldynError, match=rf"no frame {frame}: .* 6 frames.*from 0 to 5"):
        start_state(liquid(), frame, NORMALISATION)


def test_one_frame_has_no_rate() -> None:
    with pytest.raises(EldynError, match="needs two frames"):
        start_state(liquid()[:1], 0, NORMALISATION)


def test_a_state_of_several_frames() -> None:
    a, b, c = parabola()
    start = start_state(liquid(), 5, NORMALISATION, context_frames=3, stride=2)
    assert start.states.shape == (3, 2, *GRID.shape)
    for state, time in zip(start.states, TIMES[[1, 3, 5]], strict=True):
        np.testing.assert_allclose(state[0], a + b * time + c * time**2, atol=1e-4)
    np.testing.assert_array_equal(start.state, start_state(liquid(), 5, NORMALISATION).state)
    assert start.rate == (
        "backward difference of second order; of the oldest frame, backward difference of first "
        "order"
    )
    # Frame 3 is read for the rates of frames 3, 4 and 5, and counted once.
    clipped = liquid({2: -0.1, 3: 0.0})
    assert start_state(clipped, 5, NORMALISATION, context_frames=3).n_clipped == 2


def test_too_few_frames_before_the_start() -> None:
    message = r"3 frames, 2 apart, and frame 3 has too few before it.*from 4 on; .* 6 frames"
    with pytest.raises(EldynError, match=message):
        start_state(liquid(), 3, NORMALISATION, context_frames=3, stride=2)
