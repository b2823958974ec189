from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from napari_eldyn.emulator.spatial_autoencoder import periodic


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("training", [False, True])
def test_it_wraps_around_like_scipy(batch: int, training: bool) -> None:
    torch.manual_seed(0)
    layer = periodic(5, 3)
    fields = torch.randn(batch, 5, 4, 6, 2)
    with torch.set_grad_enabled(training):
        found = layer(fields)
    assert found.shape == (batch, 3, 4, 6, 2)
    assert found.requires_grad == training
    weight = layer.weight.detach().double().numpy()
    values = fields.double().numpy()
    for sample in range(batch):
        for channel in range(3):
            expected = sum(
                correlate(values[sample, i], weight[channel, i], mode="wrap") for i in range(5)
            )
            np.testing.assert_allclose(
                found[sample, channel].detach().numpy(),
                expected + layer.bias[channel].item(),
                atol=1e-5,
            )


def test_double_precision_stays_double() -> None:
    with torch.inference_mode():
        assert periodic(1, 1).double()(torch.ones(1, 1, 2, 2, 2).double()).dtype == torch.float64
