"""Emulator: encode a density, step in latent space, decode; physical values at every border."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from napari_eldyn.density import DensityTrajectory, LogNormalisation, PeriodicGrid
from napari_eldyn.emulator.checkpoint import load_checkpoint, save_checkpoint
from napari_eldyn.emulator.config import EmulatorConfig, SpatialConfig
from napari_eldyn.emulator.device import resolve_device
from napari_eldyn.emulator.grid_transfer import check_transfer, describe_grid
from napari_eldyn.emulator.networks import EmulatorNetworks, latent_shape
from napari_eldyn.emulator.samplers import StepCallback, check_evaluations, check_sampler
from napari_eldyn.emulator.start import StartState, start_state
from napari_eldyn.exceptions import EldynError

__all__ = ["Emulator"]

FloatArray = npt.NDArray[np.float32]


class Emulator:
    """A trained autoencoder with latent diffusion, ready to run.

    Arrays go in and come out as numpy float32, densities in electrons/Å³. A latent holds the
    whole state from which the next frame follows: one vector in the pooled family; on a grid of
    latent cells in the spatial one, with the newest frames stacked along the channels, oldest
    first. Methods may be called from several threads.

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
    grid : PeriodicGrid, optional
        Cell and grid to run on, if not those of `config`; see :meth:`for_grid`.

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
        grid: PeriodicGrid | None = None,
    ) -> None:
        self.device = resolve_device(str(device))
        self.networks = networks.to(self.device).eval().requires_grad_(False)
        self.config = config
        self.normalisation = normalisation
        self.provenance: Mapping[str, Any] = dict(provenance or {})
        self.path = None if path is None else Path(path)
        self.sha256 = sha256
        self.trained_grid = PeriodicGrid(config.cell, config.grid_shape)
        self.grid = self.trained_grid if grid is None else grid

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
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of a latent: (D,), or (context frames × channels, gx, gy, gz)."""
        return latent_shape(self.config, self.grid.shape)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of one frame's part of a latent, and of the noise of an evaluation."""
        first, *cells = self.latent_shape
        return (first // self.context_frames, *cells)

    @property
    def latent_size(self) -> int:
        """Numbers in a latent."""
        return prod(self.latent_shape)

    @property
    def context_frames(self) -> int:
        """Frames that a latent holds."""
        return self.config.denoiser.context_frames if isinstance(self.config, SpatialConfig) else 1

    @property
    def samplers(self) -> tuple[str, ...]:
        """Samplers of this model, by name."""
        return self.networks.samplers

    @property
    def default_sampler(self) -> str:
        """The sampler taken unless another is asked for."""
        return self.networks.default_sampler

    def default_evaluations(self, sampler: str) -> int:
        """Return the evaluations of the denoiser per frame that are usual for a sampler.

        Raises
        ------
        EldynError
            If the model has no such sampler.
        """
        check_sampler(sampler, self.samplers, self.name)
        return self.networks.default_evaluations(sampler)

    def choose_sampler(self, sampler: str | None, evaluations: int | None) -> tuple[str, int]:
        """Check a sampler and its evaluations per frame; None stands for what is usual.

        Raises
        ------
        EldynError
            If the model has no such sampler, or cannot be evaluated as often.
        """
        name = self.default_sampler if sampler is None else sampler
        usual = self.default_evaluations(name)
        if evaluations is None:
            return name, usual
        check_evaluations(evaluations, self.networks.most_evaluations)
        return name, evaluations

    def for_grid(self, grid: PeriodicGrid) -> Emulator:
        """Return the same model, with the same weights, running in another cell.

        Parameters
        ----------
        grid : PeriodicGrid
            With the voxels of the grid the model was trained on, within 0.1 %, and points that
            are multiples of 4.

        Returns
        -------
        Emulator
            This one, if the grid is its own.

        Raises
        ------
        EldynError
            If the voxels are others, the points are no such multiples, or the family is pooled,
            whose latent describes one size of cell only.
        """
        if grid.matches(self.grid):
            return self
        check_transfer(self.config, self.trained_grid, grid, self.name)
        return Emulator(
            self.networks,
            self.config,
            self.normalisation,
            self.provenance,
            device=self.device,
            path=self.path,
            sha256=self.sha256,
            grid=grid,
        )

    def for_trajectory(self, trajectory: DensityTrajectory) -> Emulator:
        """Return the same model running on a trajectory's grid.

        Raises
        ------
        EldynError
            As :meth:`for_grid`, naming the file.
        """
        try:
            return self.for_grid(trajectory.grid)
        except EldynError as error:
            raise EldynError(error.problem, path=trajectory.path, remedy=error.remedy) from error

    def check_compatible(self, trajectory: DensityTrajectory) -> int:
        """Check that a trajectory can start this model or be compared with it.

        Its grid may be any that :meth:`for_trajectory` takes: run the model that it returns, as
        a rollout does by itself.

        Returns
        -------
        int
            The stride: frames of the trajectory per model step.

        Raises
        ------
        EldynError
            If grid, cell, kind of density or time step do not fit.
        """
        self.for_trajectory(trajectory)
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
        """Check that a trajectory lies on the grid the model runs on, in its cell.

        Raises
        ------
        EldynError
            Naming both grids or cells.
        """
        self.for_trajectory(trajectory)
        if not trajectory.grid.matches(self.grid):
            raise EldynError(
                f"the grid is {describe_grid(trajectory.grid)}, the model {self.name} runs on "
                f"{describe_grid(self.grid)}",
                path=trajectory.path,
                remedy="Take the model for this grid: model.for_trajectory(trajectory).",
            )

    def first_frame(self, trajectory: DensityTrajectory) -> int:
        """Return the first frame that the model can start from: those before it are there too.

        Raises
        ------
        EldynError
            As :meth:`check_compatible`.
        """
        return (self.context_frames - 1) * self.check_compatible(trajectory)

    def start_state(self, trajectory: DensityTrajectory, frame: int | None = None) -> StartState:
        """Return the normalised states of a frame, and of those before it that a latent holds.

        Parameters
        ----------
        trajectory : DensityTrajectory
            On the model's grid.
        frame : int, optional
            Index of the newest frame; negative ones count from the end. Default the
            :meth:`first_frame`.

        Raises
        ------
        EldynError
            If the trajectory does not fit the model, has no such frame, has too few frames
            before it, or a frame holds NaN.
        """
        self.check_grid(trajectory)
        stride = self.check_compatible(trajectory)
        return start_state(
            trajectory,
            (self.context_frames - 1) * stride if frame is None else frame,
            self.normalisation,
            context_frames=self.context_frames,
            stride=stride,
        )

    def encode(self, trajectory: DensityTrajectory, frame: int | None = None) -> FloatArray:
        """Encode one frame of a trajectory, with those before it that a latent holds.

        Parameters
        ----------
        trajectory : DensityTrajectory
            On the model's grid.
        frame : int, optional
            Index of the frame; negative ones count from the end. Default the
            :meth:`first_frame`. Rates are differenced from past frames; see
            :func:`~napari_eldyn.emulator.start.start_state`.

        Returns
        -------
        ndarray, latent_shape
            Normalised latent.

        Raises
        ------
        EldynError
            As :meth:`start_state`.
        """
        return self.encode_start(self.start_state(trajectory, frame))

    def encode_start(self, start: StartState) -> FloatArray:
        """Encode the states of a start to one latent."""
        return self.encode_states(start.states).reshape(self.latent_shape)

    def encode_states(self, states: FloatArray) -> FloatArray:
        """Encode normalised states (B, 2, nx, ny, nz), each to its part (B, *noise_shape)."""
        _check_shape(states, ("B", 2, *self.grid.shape), "states")
        with torch.inference_mode():
            return _array(self.networks.encode(self._tensor(states)))

    def decode(self, latents: FloatArray) -> FloatArray:
        """Decode the newest frame of latents to its density.

        Parameters
        ----------
        latents : ndarray, latent_shape or (B, *latent_shape)
            Normalised latents; or only the part of one frame, of the shape `noise_shape`.

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
        alone = batch.ndim == len(self.latent_shape)
        states = self.decode_states(batch[None] if alone else batch)
        # Beyond float32's range the exponential says so itself, by infinity.
        with np.errstate(over="ignore"):
            densities = self.normalisation.denormalise(states[:, 0])
        if not np.isfinite(densities).all():
            raise EldynError("the latents decode to densities that are not finite")
        return densities[0] if alone else densities

    def decode_states(self, latents: FloatArray) -> FloatArray:
        """Decode the newest frame of latents, a batch as for :meth:`decode`.

        Returns
        -------
        ndarray, (B, 2, nx, ny, nz)
            Normalised states.
        """
        if np.shape(latents)[1:] != self.noise_shape:
            _check_shape(latents, ("B", *self.latent_shape), "latents")
        with torch.inference_mode():
            return _array(self.networks.decode(self._tensor(latents)))

    def step(
        self,
        latents: FloatArray,
        noise: FloatArray,
        sampler: str | None = None,
        callback: StepCallback | None = None,
    ) -> FloatArray:
        """Sample the latents of the next frame, one model step Δτ later.

        Parameters
        ----------
        latents : ndarray, latent_shape or (B, *latent_shape)
            Normalised latents of the current frames.
        noise : ndarray, (evaluations + 1, *noise_shape) or (evaluations + 1, B, *noise_shape)
            Standard normal noise; its length sets the evaluations of the denoiser.
        sampler : str, optional
            One of :attr:`samplers`; the model's default if not given.
        callback : callable, optional
            Called after each evaluation with its index, the sampler's step and the sample then.

        Returns
        -------
        ndarray, shape of `latents`
            Normalised latents of the next frames.

        Raises
        ------
        EldynError
            If shapes do not fit, the sampler is unknown, or there are more evaluations than the
            model allows.
        """
        batch, draws = np.asarray(latents), np.asarray(noise)
        sampler, _ = self.choose_sampler(sampler, len(draws) - 1)
        alone = batch.ndim == len(self.latent_shape)
        size = () if alone else batch.shape[:1]
        _check_shape(batch, (*size, *self.latent_shape), "latents")
        _check_shape(draws, ("evaluations + 1", *size, *self.noise_shape), "noise")
        if alone:
            batch, draws = batch[None], draws[:, None]
        with torch.inference_mode():
            following = self.networks.sample(
                sampler, self._tensor(batch), self._tensor(draws), callback
            )
            return _array(following).reshape(np.shape(latents))

    def _tensor(self, values: FloatArray) -> torch.Tensor:
        return torch.tensor(np.asarray(values, dtype=np.float32), device=self.device)


def _check_shape(values: FloatArray, expected: tuple[int | str, ...], what: str) -> None:
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
