"""Trained models as the window sees them: the emulator, its device, and what it can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.torch_threads import leave_a_core_to_the_window

if TYPE_CHECKING:
    from napari_eldyn.density.trajectory import DensityTrajectory
    from napari_eldyn.emulator.emulator import Emulator

__all__ = ["LoadedModel", "load_model"]


@dataclass(frozen=True)
class LoadedModel:
    """A model with what the window says of it.

    Parameters
    ----------
    emulator : Emulator
        The model on its device.
    path : Path
        Its file.
    device : str
        The device in words.
    devices : tuple of str
        All devices of this machine.
    samplers : mapping of str to int
        Samplers that the model supports, and the evaluations that are usual for them.
    default_sampler : str
        The one taken unless another is asked for.
    most_evaluations : int
        Most evaluations per frame.
    """

    emulator: Emulator
    path: Path
    device: str
    devices: tuple[str, ...]
    samplers: Mapping[str, int]
    default_sampler: str
    most_evaluations: int

    @property
    def positions_comparable(self) -> bool:
        """Whether generated atoms may be expected where the reference's are.

        A pooled latent carries value statistics and S(q), not the positions of the atoms.
        """
        return self.emulator.config.family != "pooled"

    def first_start(self, trajectory: DensityTrajectory) -> int:
        """Return the first frame of a trajectory that has enough others before it to start from."""
        before = self.emulator.context_frames - 1
        try:
            stride = round(self.emulator.timestep / trajectory.timestep)
        except EldynError:  # unequal steps, or one frame alone: the start itself will explain it
            return 0
        return min(before * stride, len(trajectory) - 1)


def load_model(path: Path, device: str) -> LoadedModel:
    """Load a model on a device.

    Raises
    ------
    EldynError
        If the file is not a sound checkpoint, or the device does not exist.
    """
    from napari_eldyn.emulator import (
        Emulator,
        available_devices,
        describe_device,
        resolve_device,
    )

    leave_a_core_to_the_window()
    chosen = resolve_device(device)
    emulator = Emulator.load(path, device=chosen)
    return LoadedModel(
        emulator,
        Path(path),
        describe_device(chosen),
        tuple(available_devices()),
        {name: emulator.default_evaluations(name) for name in emulator.samplers},
        emulator.default_sampler,
        emulator.networks.most_evaluations,
    )
