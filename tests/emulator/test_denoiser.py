from __future__ import annotations

from typing import Literal

import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding

from napari_eldyn.emulator.config import DenoiserConfig, ScheduleConfig
from napari_eldyn.emulator.denoiser import MLPDenoiser, sinusoidal_embedding

Output = Literal["noise", "velocity"]


def filled(output: Output) -> MLPDenoiser:
    torch.manual_seed(0)
    config = DenoiserConfig(hidden=48, layers=3, time_embedding=16, output=output)
    denoiser = MLPDenoiser(config, 6, ScheduleConfig(steps=50))
    torch.nn.init.normal_(denoiser.output.weight)
    return denoiser.eval()


def test_the_embedding_is_that_of_diffusers() -> None:
    steps = torch.tensor([0, 1, 17, 999])
    expected = get_timestep_embedding(steps, 128, downscale_freq_shift=0)
    torch.testing.assert_close(sinusoidal_embedding(steps, 128), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("output", ["noise", "velocity"])
@pytest.mark.parametrize("batch", [1, 5])
def test_binding_changes_no_prediction(output: Output, batch: int) -> None:
    denoiser = filled(output)
    z_0 = torch.randn(batch, 6)
    timesteps = torch.tensor([49, 30, 12, 0])
    with torch.no_grad():
        predict = denoiser.bind(z_0, timesteps)
        for index, step in enumerate(timesteps):
            z_t = torch.randn(batch, 6)
            expected = denoiser(z_t, step.expand(batch), z_0)
            torch.testing.assert_close(predict(index, z_t), expected, rtol=1e-5, atol=1e-5)


def test_a_fresh_network_predicts_no_noise_or_all_of_it() -> None:
    z, t = torch.randn(4, 6), torch.tensor([0, 10, 40, 49])
    plain = MLPDenoiser(DenoiserConfig(hidden=8, layers=1), 6, ScheduleConfig(steps=50))
    assert not plain(z, t, z).any()
    velocity = MLPDenoiser(
        DenoiserConfig(hidden=8, layers=1, output="velocity"), 6, ScheduleConfig(steps=50)
    )
    signal = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 50), 0)[t, None]
    torch.testing.assert_close(velocity(z, t, z), (1 - signal).sqrt() * z, rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_part() -> None:
    denoiser = filled("velocity")
    z_0 = torch.randn(8, 6, requires_grad=True)
    loss = denoiser(torch.randn(8, 6), torch.randint(50, (8,)), z_0).square().sum()
    loss.backward()
    assert z_0.grad is not None
    assert z_0.grad.abs().sum() > 0
    for name, parameter in denoiser.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
