"""The denoiser: a multi-layer perceptron on noisy latent, diffusion step and condition."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_eldyn.emulator.config import DenoiserConfig, ScheduleConfig
from napari_eldyn.emulator.schedule import linear_schedule

__all__ = ["MLPDenoiser", "sinusoidal_embedding"]


def sinusoidal_embedding(steps: Tensor, width: int) -> Tensor:
    """Embed diffusion steps as sines and cosines of geometrically spaced frequencies.

    Parameters
    ----------
    steps : Tensor
        Diffusion steps, (B,).
    width : int
        Width of the embedding (even); wavelengths from 2π to 10000·2π steps
        (Vaswani et al. 2017).

    Returns
    -------
    Tensor
        (B, width) float32: the sines, then the cosines.
    """
    half = width // 2
    exponent = torch.arange(half, dtype=torch.float32, device=steps.device) / half
    phase = steps.to(torch.float32)[:, None] * torch.exp(-math.log(10000.0) * exponent)
    return torch.cat([phase.sin(), phase.cos()], dim=1)


class MLPDenoiser(nn.Module):
    """Predicts the noise ε_θ(z_t(τ+Δτ), t, z_0(τ)) of (S12).

    The concatenated input [z_t, z_0, embedding of t] passes one linear layer, residual hidden
    layers with ELU and a linear output layer, which starts at zero and gives the noise or the
    velocity (see :class:`~napari_eldyn.emulator.config.DenoiserConfig`).
    """

    def __init__(
        self, config: DenoiserConfig, latent_dim: int, schedule: ScheduleConfig | None = None
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        # Shares of network output and z_t in the noise, for each diffusion step, (T, 2); not a
        # buffer, since they follow from the configuration.
        signal = linear_schedule(schedule or ScheduleConfig()).alphas_cumprod
        self.weights = (
            torch.stack([signal.sqrt(), (1.0 - signal).sqrt()], dim=1)
            if config.output == "velocity"
            else None
        )
        self.embedding_width = config.time_embedding
        self.input = nn.Linear(2 * latent_dim + config.time_embedding, config.hidden)
        self.hidden = nn.ModuleList(
            nn.Linear(config.hidden, config.hidden) for _ in range(config.layers)
        )
        self.output = nn.Linear(config.hidden, latent_dim)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, z_t: Tensor, t: Tensor, z_0: Tensor) -> Tensor:
        """Predict the noise.

        Parameters
        ----------
        z_t : Tensor
            Noisy latents of the next frame, (B, D).
        t : Tensor
            Diffusion steps 0 … T−1, (B,) integer.
        z_0 : Tensor
            Latents of the current frame, (B, D).

        Returns
        -------
        Tensor
            Predicted noise, (B, D).
        """
        embedding = sinusoidal_embedding(t, self.embedding_width).to(z_t.dtype)
        output = self._after_input(self.input(torch.cat([z_t, z_0, embedding], dim=1)))
        if self.weights is None:
            return output
        weights = self.weights.to(z_t)[t]
        return weights[:, :1] * output + weights[:, 1:] * z_t

    def bind(self, condition: Tensor, timesteps: Tensor) -> Callable[[int, Tensor], Tensor]:
        """Prepare the predictions of one sampling run.

        The contributions of the condition and of all diffusion steps to the input layer are
        computed once; a prediction then costs one small product less per evaluation.

        Parameters
        ----------
        condition : Tensor
            Latents of the current frame, (B, D).
        timesteps : Tensor
            The run's diffusion steps, (evaluations,) integer.

        Returns
        -------
        callable
            ``predict(i, z_t)``: the noise (B, D) at diffusion step ``timesteps[i]``.
        """
        width = self.latent_dim
        from_noisy, from_condition, from_time = torch.split(
            self.input.weight, [width, width, self.embedding_width], dim=1
        )
        embedding = sinusoidal_embedding(timesteps, self.embedding_width).to(condition.dtype)
        by_time = functional.linear(embedding, from_time, self.input.bias)
        by_condition = functional.linear(condition, from_condition)
        offsets = (by_time[:, None, :] + by_condition[None]).unbind(0)
        transposed = from_noisy.t()

        def output(index: int, z_t: Tensor) -> Tensor:
            return self._after_input(torch.addmm(offsets[index], z_t, transposed))

        if self.weights is None:
            return output
        weights = self.weights[timesteps.cpu()].tolist()

        def noise(index: int, z_t: Tensor) -> Tensor:
            on_output, on_noisy = weights[index]
            return torch.add(z_t * on_noisy, output(index, z_t), alpha=on_output)

        return noise

    def _after_input(self, features: Tensor) -> Tensor:
        features = functional.elu(features)
        for layer in self.hidden:
            features = features + functional.elu(layer(features))
        return cast("Tensor", self.output(features))
