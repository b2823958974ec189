"""Emulator: encode a density, step in latent space, decode; physical values at every border."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from napari_eldyn.density import DensityTrajectory, LogNormalisation, PeriodicGrid
from napari_eldyn.emulator.checkpoint import load_checkpoint, save_checkpoint
from napari_eldyn.emulator.config import EmulatorConfig
from napari_eldyn.emulator.device import resolve_device
from napari_eldyn.emulator.networks import EmulatorNetworks
from napari_eldyn.emulator.samplers import StepCallback, check_sampler
from napari_eldyn.emulator.schedule import NoiseSchedule, linear_schedule
from napari_eldyn.emulator.start import start_state
from napari_eldyn.exceptions import EldynError

__all__ = ["Emulator"]

FloatArray = npt.NDArray[np.float32]


class Emulator:
    """A trained autoencoder with latent diffusion, ready to run.

    Arrays go in and come out as numpy float32, densities in electrons/Å³. Methods may be called
    from several threads.

    Parameters
    ----------
    networks : EmulatorNetworks
        Built from `config`; moved to `device`.
    config : EmulatorConfig
        Architecture, grid and time step.
    normalisation : LogNormalisation
        Fitted on the training data.
    provenance : mapping, optional
        Where the model came from.
    device : str or torch.device
        ``auto``, ``cpu``, ``cuda``, …
    path : path-like, optional
        The file it was loaded from.
    sha256 : str, optional
        Hash of that file.

    Raises
    ------
    EldynError
        If there is no such device.
    """

    def __init__(
        self,
        networks: EmulatorNetworks,
        config: EmulatorConfig,
        normalisation: LogNormalisation,
        provenance: Mapping[str, Any] | None = None,
        *,
        device: str | torch.device = "cpu",
        path: str | Path | None = None,
        sha256: str | None = None,
    ) -> None:
        self.device = resolve_device(str(device))
        self.networks = networks.to(self.device).eval().requires_grad_(False)
        self.config = config
        self.normalisation = normalisation
        self.provenance: Mapping[str, Any] = dict(provenance or {})
        self.path = None if path is None else Path(path)
        self.sha256 = sha256
        self.schedule: NoiseSchedule = linear_schedule(config.schedule)

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Self:
        """Load a model from its safetensors file.

        Raises
        ------
        EldynError
            If the device is missing or the file is not a sound model; see
            :func:`~napari_eldyn.emulator.checkpoint.load_checkpoint`.
        """
        resolved = resolve_device(str(device))
        checkpoint = load_checkpoint(path)
        return cls(
            checkpoint.networks,
            checkpoint.config,
            checkpoint.normalisation,
            checkpoint.provenance,
            device=resolved,
            path=path,
            sha256=checkpoint.sha256,
        )

    def save(self, path: str | Path) -> None:
        """Write the model to one safetensors file, which it is then identified by."""
        self.sha256 = save_checkpoint(
            path, self.networks, self.config, self.normalisation, self.provenance
        )
        self.path = Path(path)

    @property
    def name(self) -> str:
        """File name without suffix, or ``unsaved``."""
        return "unsaved" if self.path is None else self.path.stem

    @property
    def timestep(self) -> float:
        """Δτ: time from a frame to the next generated one, in fs."""
        return self.config.timestep_fs

    @property
    def latent_dim(self) -> int:
        """Length of a latent vector."""
        return self.config.autoencoder.latent_dim

    @cached_property
    def grid(self) -> PeriodicGrid:
        """Cell and grid of the densities."""
        return PeriodicGrid(self.config.cell, self.config.grid_shape)

    def check_compatible(self, trajectory: DensityTrajectory) -> int:
        """Check that a trajectory can start this model or be compared with it.

        Returns
        -------
        int
            The stride: frames of the trajectory per model step.

        Raises
        ------
        EldynError
            If grid, cell, kind of density or time step do not fit.
        """
        self.check_grid(trajectory)
        kinds = {self.config.density_kind, trajectory.kind}
        if len(kinds) == 2 and "unknown" not in kinds:
            raise EldynError(
                f"the density is {trajectory.kind}, the model {self.name} was trained on "
                f"{self.config.density_kind}",
                path=trajectory.path,
                remedy="Choose a model trained on this kind of density.",
            )
        stride = self.timestep / trajectory.timestep
        nearest = round(stride)
        if nearest < 1 or abs(stride - nearest) > 1e-3 * nearest:
            raise EldynError(
                f"frames are {trajectory.timestep:g} fs apart, which does not divide the "
                f"{self.timestep:g} fs of a step of the model {self.name}",
                path=trajectory.path,
                remedy="Choose a trajectory with a finer time step, or another model.",
            )
        return nearest

    def check_grid(self, trajectory: DensityTrajectory) -> None:
        """Check that a trajectory lies on the model's grid, in the model's cell.

        Raises
        ------
        EldynError
            Naming both grids or cells.
        """
        if trajectory.grid.shape != self.grid.shape:
            points = " ".join(map(str, self.grid.shape))
            raise EldynError(
                f"the grid has {_times(trajectory.grid.shape)} points, the model {self.name} "
                f"works on {_times(self.grid.shape)}",
                path=trajectory.path,
                remedy=f"Resample the trajectory: eldyn convert IN OUT.eldyn --grid {points}.",
            )
        if not trajectory.grid.matches(self.grid):
            raise EldynError(
                f"the cell ({_lengths(trajectory.grid)}) is not the one the model {self.name} was "
                f"trained in ({_lengths(self.grid)})",
                path=trajectory.path,
                remedy="Choose a model trained in this cell.",
            )

    def encode(self, trajectory: DensityTrajectory, frame: int = 0) -> FloatArray:
        """Encode one frame of a trajectory.

        Parameters
        ----------
        trajectory : DensityTrajectory
            On the model's grid.
        frame : int
            Index of the frame. Its rate is differenced from this frame and earlier ones; see
            :func:`~napari_eldyn.emulator.start.start_state`.

        Returns
        -------
        ndarray, (D,)
            Normalised latent.

        Raises
        ------
        EldynError
            If the trajectory does not fit the model, has no such frame, or the frame holds NaN.
        """
        self.check_compatible(trajectory)
        start = start_state(trajectory, frame, self.normalisation)
        latent: FloatArray = self.encode_states(start.state[None])[0]
        return latent

    def encode_states(self, states: FloatArray) -> FloatArray:
        """Encode normalised states (B, 2, nx, ny, nz) to normalised latents (B, D)."""
        self._check_shape(states, ("B", 2, *self.grid.shape), "states")
        with torch.inference_mode():
            return _array(self.networks.encode(self._tensor(states)))

    def decode(self, latents: FloatArray) -> FloatArray:
        """Decode latents to densities.

        Parameters
        ----------
        latents : ndarray, (D,) or (B, D)
            Normalised latents.

        Returns
        -------
        ndarray, (nx, ny, nz) or (B, nx, ny, nz)
            Density in electrons/Å³, always positive.

        Raises
        ------
        EldynError
            If the latents have a wrong shape, or they decode to values that are not finite.
        """
        batch = np.asarray(latents, dtype=np.float32)
        states = self.decode_states(batch[None] if batch.ndim == 1 else batch)
        # Beyond float32's range the exponential says so itself, by infinity.
        with np.errstate(over="ignore"):
            densities = self.normalisation.denormalise(states[:, 0])
        if not np.isfinite(densities).all():
            raise EldynError("the latents decode to densities that are not finite")
        return densities[0] if batch.ndim == 1 else densities

    def decode_states(self, latents: FloatArray) -> FloatArray:
        """Decode normalised latents (B, D) to normalised states (B, 2, nx, ny, nz)."""
        self._check_shape(latents, ("B", self.latent_dim), "latents")
        with torch.inference_mode():
            return _array(self.networks.decode(self._tensor(latents)))

    def step(
        self,
        latents: FloatArray,
        noise: FloatArray,
        sampler: str = "ddpm",
        callback: StepCallback | None = None,
    ) -> FloatArray:
        """Sample the latents of the next frame, one model step Δτ later.

        Parameters
        ----------
        latents : ndarray, (D,) or (B, D)
            Normalised latents of the current frames.
        noise : ndarray, (evaluations + 1, D) or (evaluations + 1, B, D)
            Standard normal noise; its length sets the evaluations of the denoiser.
        sampler : str
            One of ``networks.samplers``.
        callback : callable, optional
            Called after each evaluation with its index, the diffusion step and the latents.

        Returns
        -------
        ndarray, (D,) or (B, D)
            Normalised latents of the next frames.

        Raises
        ------
        EldynError
            If shapes do not fit, the sampler is unknown, or there are more evaluations than
            diffusion steps.
        """
        check_sampler(sampler, self.networks.samplers, self.name)
        batch, draws = np.asarray(latents), np.asarray(noise)
        self._check_shape(draws, ("evaluations + 1", *batch.shape), "noise")
        if batch.ndim == 1:
            batch, draws = batch[None], draws[:, None]
        self._check_shape(batch, ("B", self.latent_dim), "latents")
        with torch.inference_mode():
            following = self.networks.sample(
                sampler, self._tensor(batch), self._tensor(draws), callback
            )
            return _array(following).reshape(np.shape(latents))

    def _tensor(self, values: FloatArray) -> torch.Tensor:
        return torch.tensor(np.asarray(values, dtype=np.float32), device=self.device)

    def _check_shape(self, values: FloatArray, expected: tuple[int | str, ...], what: str) -> None:
        shape = np.shape(values)
        fits = len(shape) == len(expected) and all(
            isinstance(wanted, str) or size == wanted
            for size, wanted in zip(shape, expected, strict=True)
        )
        if not fits:
            wanted = ", ".join(map(str, expected))
            raise EldynError(f"the {what} have the shape {shape}, the model takes ({wanted})")


def _array(tensor: torch.Tensor) -> FloatArray:
    array: FloatArray = tensor.cpu().numpy()
    return array


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _lengths(grid: PeriodicGrid) -> str:
    lengths = " × ".join(f"{length:.2f}" for length in np.linalg.norm(grid.cell, axis=1))
    return f"{lengths} Å" + ("" if grid.is_orthogonal else ", oblique")
