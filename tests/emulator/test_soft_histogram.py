"""The linear-time soft histogram against the naive kernel matrix (S13)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_eldyn.emulator.soft_histogram import soft_histogram
from napari_eldyn.exceptions import EldynError


def naive_soft_histogram(values: Tensor, centres: Tensor, width: float) -> Tensor:
    """(S13) as it is written: every value against every bin."""
    clipped = values.clamp(float(centres[0]), float(centres[-1]))
    kernel = torch.exp(-((clipped[:, :, None] - centres) ** 2) / (2 * width**2))
    counts = kernel.sum(dim=1)
    return counts / counts.sum(dim=1, keepdim=True)


def sample(rows: int = 2, n: int = 4000, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, n, generator=generator, dtype=dtype)


@pytest.mark.parametrize(
    ("lower", "upper", "bins", "width"),
    [
        pytest.param(-4.0, 4.0, 128, 8.0 / 127, id="one bin wide"),
        pytest.param(-1.0, 0.7, 10, 0.05, id="clipping, narrow"),
        pytest.param(-8.0, 2.5, 64, 1.3, id="broad"),
        pytest.param(100.0, 101.0, 32, 0.02, id="far from zero"),
    ],
)
def test_matches_the_naive_form(lower: float, upper: float, bins: int, width: float) -> None:
    values = sample() * (upper - lower) / 8 + 0.5 * (lower + upper)
    values.requires_grad_()
    centres = torch.linspace(lower, upper, bins, dtype=torch.float64)
    fast, naive = (f(values, centres, width) for f in (soft_histogram, naive_soft_histogram))
    assert (fast - naive).abs().max() < 4e-6 * naive.max()
    torch.testing.assert_close(fast.sum(dim=1), torch.ones(2, dtype=torch.float64))

    weights = torch.randn(fast.shape, generator=torch.Generator().manual_seed(1)).double()
    gradients = [torch.autograd.grad((p * weights).sum(), values)[0] for p in (fast, naive)]
    assert (gradients[0] - gradients[1]).abs().max() < 5e-5 * gradients[1].abs().max()


def test_matches_the_naive_form_in_single_precision() -> None:
    values, centres = sample(1, 32**3, torch.float32), torch.linspace(-4, 4, 128)
    exact = naive_soft_histogram(values.double(), centres.double(), 0.06)
    fast = soft_histogram(values, centres, 0.06)
    assert fast.dtype == torch.float32
    assert (fast.double() - exact).abs().max() < 4e-6 * exact.max()


def test_gradcheck() -> None:
    values = (sample(2, 20) * 1.3).requires_grad_()
    centres = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)
    # Some values are clipped; none lies on the edge, where no derivative exists.
    assert (values.abs() > 2.0).any()
    assert torch.autograd.gradcheck(
        lambda x: soft_histogram(x, centres, 0.4, nodes_per_width=300), (values,), atol=1e-6
    )


def test_clipped_values_count_at_the_edge_and_get_no_gradient() -> None:
    centres = torch.linspace(-1.0, 1.0, 11, dtype=torch.float64)
    values = torch.tensor([[-7.0, 0.03, 55.0]], dtype=torch.float64, requires_grad=True)
    at_edges = torch.tensor([[-1.0, 0.03, 1.0]], dtype=torch.float64)
    probabilities = soft_histogram(values, centres, 0.1)
    torch.testing.assert_close(probabilities, soft_histogram(at_edges, centres, 0.1))
    probabilities[0, 5].backward()
    assert values.grad is not None
    assert values.grad[0, 0] == values.grad[0, 2] == 0.0
    assert values.grad[0, 1] != 0.0


def test_rows_are_independent() -> None:
    centres = torch.linspace(-3.0, 3.0, 16, dtype=torch.float64)
    values = sample(3, 50)
    together = soft_histogram(values, centres, 0.3)
    for row in range(3):
        torch.testing.assert_close(
            together[row : row + 1], soft_histogram(values[row : row + 1], centres, 0.3)
        )


def test_nan_makes_its_row_nan() -> None:
    values, centres = sample(2, 50), torch.linspace(-3.0, 3.0, 16, dtype=torch.float64)
    values[0, 7] = torch.nan
    probabilities = soft_histogram(values, centres, 0.3)
    assert probabilities[0].isnan().all()
    assert probabilities[1].isfinite().all()


@pytest.mark.parametrize(
    ("centres", "width"),
    [([0.0], 1.0), ([0.0, 0.0], 1.0), ([1.0, 0.0], 1.0), ([0.0, 1.0], 0.0), ([0.0, 1.0], -1.0)],
)
def test_refuses_unusable_bins(centres: list[float], width: float) -> None:
    with pytest.raises(EldynError, match=r"bin centres|kernel width"):
        soft_histogram(torch.zeros(1, 4), torch.tensor(centres), width)
