"""Where networks run: what this machine has, and no silent fallback."""

from __future__ import annotations

import platform

import torch

from napari_eldyn.exceptions import EldynError

__all__ = ["available_devices", "describe_device", "resolve_device"]


def available_devices() -> list[str]:
    """Name the devices that networks can run on here, the fastest first, ``cpu`` last."""
    devices = []
    if torch.cuda.is_available():
        devices += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def resolve_device(name: str = "auto") -> torch.device:
    """Turn a device name into a device that exists.

    Parameters
    ----------
    name : str
        ``auto`` for the fastest one here, or ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises
    ------
    EldynError
        If the name is not a device's, or this machine has no such device.
    """
    available = available_devices()
    if name == "auto":
        return torch.device(available[0])
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise EldynError(
            f"'{name}' is not the name of a device",
            remedy=f"Choose auto or one of: {', '.join(available)}.",
        ) from error
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", 0)
    full_name = "cpu" if device.type == "cpu" else str(device).removesuffix(":0")
    if str(device) in available or full_name in available:
        return torch.device("cpu") if device.type == "cpu" else device
    raise EldynError(
        f"the device '{name}' is not available: {_reason(device)}",
        remedy=f"Choose auto or one of: {', '.join(available)}.",
    )


def describe_device(device: torch.device | str) -> str:
    """Describe a device for people, with the name of its hardware."""
    device = torch.device(device)
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu ({threads} thread{'s' if threads != 1 else ''})"
    return f"{device} ({platform.processor() or platform.machine()})"


def _reason(device: torch.device) -> str:
    if device.type == "cuda":
        if torch.version.cuda is None and torch.version.hip is None:
            return f"PyTorch {torch.__version__} was installed without GPU support"
        count = torch.cuda.device_count()
        return f"PyTorch finds {count} GPU{'s' if count != 1 else ''} here"
    return "this machine has none"
