"""The generative model: autoencoder, latent diffusion, rollouts. Needs torch."""

from napari_eldyn.emulator.device import available_devices, describe_device, resolve_device
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.live import LiveUpdate, live_rollout
from napari_eldyn.emulator.rollout import Rollout

__all__ = [
    "Emulator",
    "LiveUpdate",
    "Rollout",
    "available_devices",
    "describe_device",
    "live_rollout",
    "resolve_device",
]
