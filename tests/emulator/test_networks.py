from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.ndimage import correlate

from napari_eldyn.config import parse_config
from napari_eldyn.emulator.autoencoder import PooledDecoder, PooledEncoder
from napari_eldyn.emulator.config import AutoencoderConfig, PooledConfig
from napari_eldyn.emulator.networks import EmulatorNetworks, build_networks
from napari_eldyn.exceptions import EldynError

CUBE = ((8.66, 0.0, 0.0), (0.0, 8.66, 0.0), (0.0, 0.0, 8.66))


def small(norm_groups: int = 0, **fields: object) -> PooledConfig:
    autoencoder = AutoencoderConfig(
        channels=(4, 8), decoder_channels=(8, 4), norm_groups=norm_groups
    )
    return PooledConfig(
        **{"grid_shape": (8, 12, 4), "cell": CUBE, "timestep_fs": 4.0, **fields},
        autoencoder=autoencoder,
    )


def perturbed(networks: EmulatorNetworks) -> EmulatorNetworks:
    """Fill also what starts at zero or one, so that no part is without effect."""
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return networks.eval()


@pytest.mark.parametrize("norm_groups", [0, 2])
def test_shapes_on_an_oblong_grid(norm_groups: int) -> None:
    torch.manual_seed(0)
    networks = perturbed(build_networks(small(norm_groups)))
    states = torch.randn(3, 2, 8, 12, 4)
    latents = networks.encode(states)
    assert latents.shape == (3, 32)
    assert networks.decode(latents).shape == states.shape


def test_the_encoder_is_periodic_with_the_total_stride() -> None:
    torch.manual_seed(1)
    networks = perturbed(build_networks(small()))
    states = torch.randn(1, 2, 8, 12, 4)
    latent = networks.encode(states)
    whole = torch.roll(states, (4, 8, 0), dims=(2, 3, 4))
    torch.testing.assert_close(networks.encode(whole), latent, rtol=1e-4, atol=1e-5)
    part = torch.roll(states, 1, dims=2)
    assert (networks.encode(part) - latent).abs().max() > 1e-3


def test_the_decoder_wraps_around_like_scipy() -> None:
    # With one level and no blocks the decoder is: projection, ELU, one convolution, pixel
    # shuffle. The same by scipy, with explicit loops.
    torch.manual_seed(2)
    config = AutoencoderConfig(
        channels=(4,), decoder_channels=(3,), decoder_blocks_per_level=0, latent_dim=5
    )
    decoder = PooledDecoder(config, (6, 4, 8)).double().eval()
    latent = torch.randn(1, 5, dtype=torch.float64)
    found = decoder(latent)[0].detach().numpy()
    coarse = decoder.project(latent).detach().numpy().reshape(3, 3, 2, 4)
    active = np.where(coarse > 0, coarse, np.expm1(coarse))
    convolution = decoder.features[-1]
    weight = convolution.weight.detach().numpy()
    expected = np.empty((2, 6, 4, 8))
    for channel in range(16):
        total = sum(correlate(active[i], weight[channel, i], mode="wrap") for i in range(3))
        field, corner = divmod(channel, 8)
        x, y, z = (corner >> 2) & 1, (corner >> 1) & 1, corner & 1
        expected[field, x::2, y::2, z::2] = total + convolution.bias[channel].item()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_encoder_works_at_half_resolution_and_below() -> None:
    sizes = []
    encoder = PooledEncoder(AutoencoderConfig())
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.register_forward_hook(lambda _m, _i, output: sizes.append(output.shape[-1]))
    encoder(torch.randn(1, 2, 16, 16, 16))
    assert max(sizes) == 8
    assert min(sizes) == 1


def test_latents_are_normalised_between_encoder_and_decoder() -> None:
    torch.manual_seed(3)
    networks = build_networks(small()).eval()
    states = torch.randn(64, 2, 8, 12, 4)
    raw = networks.encoder(states)
    networks.latent_mean.copy_(raw.mean(0))
    networks.latent_std.copy_(raw.std(0))
    latents = networks.encode(states)
    torch.testing.assert_close(latents.mean(0), torch.zeros(32), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std(0), torch.ones(32), atol=1e-3, rtol=0)
    torch.testing.assert_close(networks.decode(latents), networks.decoder(raw), atol=1e-4, rtol=0)


def test_a_grid_that_does_not_fit_is_refused() -> None:
    with pytest.raises(EldynError, match=r"grid 8×10×4 .* multiples of 4.*--grid"):
        build_networks(small(grid_shape=(8, 10, 4)))


def test_groups_must_divide_channels() -> None:
    with pytest.raises(ValidationError, match="norm_groups=3 must divide"):
        small(norm_groups=3)


def test_an_unknown_key_is_named_with_the_nearest() -> None:
    values = {**small().model_dump(), "timestep": 4.0}
    with pytest.raises(EldynError, match=r"unknown key 'timestep' \(did you mean 'timestep_fs'"):
        parse_config(PooledConfig, values)
    values = small().model_dump()
    values["denoiser"]["hiden"] = 3
    with pytest.raises(EldynError, match=r"'denoiser\.hiden' \(did you mean 'hidden'"):
        parse_config(PooledConfig, values)
