"""Where the normalised frames lie: on the device, in main memory, or mapped from a file."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import psutil  # type: ignore[import-untyped]
import torch
from torch import Tensor

from napari_eldyn.density.files import partial_path, writing
from napari_eldyn.exceptions import EldynError

__all__ = [
    "Frames",
    "Plan",
    "Storage",
    "available_memory",
    "in_memory",
    "mapped",
    "mapped_path",
    "plan_storage",
]

Storage = Literal["auto", "memory", "mapped"]

ReadFrame = Callable[[int], npt.NDArray[np.float32]]

SHARE = 0.5
"""Of the memory that is free, how much the frames may take without being asked."""


class Plan(NamedTuple):
    """Where frames go, and why, in words for the user."""

    place: Literal["device", "memory", "mapped"]
    reason: str


class Frames(NamedTuple):
    """All frames, ρ̃, (frames, nx, ny, nz) float32, and where they lie."""

    density: Tensor
    is_mapped: bool
    description: str


def plan_storage(storage: Storage, n_bytes: int, device: torch.device) -> Plan:
    """Decide where frames go.

    Parameters
    ----------
    storage : {"auto", "memory", "mapped"}
        What the user wants. ``memory`` is the device's where it fits in half of what is free
        there, otherwise main memory; ``auto`` maps a file where neither has twice the room.
    n_bytes : int
        Size of all frames.
    device : torch.device
        Where the model trains.

    Raises
    ------
    EldynError
        If ``memory`` is asked for and there is not enough.
    """
    size = _gigabytes(n_bytes)
    if storage == "mapped":
        return Plan("mapped", f"{size}, as asked")
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if n_bytes <= SHARE * free:
            return Plan("device", f"{size} of {_gigabytes(free)} free on {device}")
    # The processes of one machine share its memory.
    available = available_memory() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    reason = f"{size} of {_gigabytes(available)} available"
    if storage == "memory" and n_bytes > available:
        raise EldynError(
            f"the frames take {size}, but only {_gigabytes(available)} of memory are available",
            remedy="Use --storage mapped, a smaller data.grid, or fewer frames.",
        )
    if storage == "memory" or n_bytes <= SHARE * available:
        return Plan("memory", reason)
    return Plan("mapped", f"{reason} in memory")


def in_memory(plan: Plan, shape: tuple[int, ...], read: ReadFrame, device: torch.device) -> Frames:
    """Read all frames into the memory that the plan says."""
    place = device if plan.place == "device" else torch.device("cpu")
    density = torch.empty(shape, dtype=torch.float32, device=place)
    for index in range(shape[0]):
        density[index] = torch.from_numpy(read(index))
    where = f"on {device}" if plan.place == "device" else "in memory"
    return Frames(density, False, f"{where} ({plan.reason})")


def mapped_path(directory: Path, key: str) -> Path:
    """Return the file for frames of these contents."""
    return directory / f"frames-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"


def mapped(plan: Plan, path: Path, shape: tuple[int, ...], read: ReadFrame) -> Frames:
    """Map frames from a file, which is written first if it is not there whole.

    The name says what the file holds, so runs on the same frames share it, and one of other
    frames is never taken for it. Several processes may call this at once: one writes.

    Raises
    ------
    EldynError
        If the disk is full or cannot be written.
    """
    found = _open(path, shape)
    if found is None:
        _write(path, shape, read)
        found = _open(path, shape)
    if found is None:
        raise EldynError("the file of frames was changed while it was opened", path=path)
    # Opened copy-on-write, which torch takes for writable; nothing writes.
    return Frames(torch.from_numpy(found), True, f"mapped from {path} ({plan.reason})")


def _open(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    """Map the file, or return None if it is missing or damaged."""
    try:
        values = np.load(path, mmap_mode="c")
    except (OSError, ValueError, EOFError):
        return None
    whole = values.shape == shape and values.dtype == np.float32
    return values if whole else None


def _write(path: Path, shape: tuple[int, ...], read: ReadFrame) -> None:
    partial = partial_path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("a+b") as file:
            # Without locks several may write, and all write the same.
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            if _open(path, shape) is not None:
                return  # another process wrote it meanwhile
            try:
                _fill(file, shape, read)
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise


def _fill(file: IO[bytes], shape: tuple[int, ...], read: ReadFrame) -> None:
    file.truncate(0)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for index in range(shape[0]):
        # Written, not mapped: a full disk is then an error and no crash.
        file.write(np.ascontiguousarray(read(index), dtype="<f4").tobytes())
    file.flush()
    os.fsync(file.fileno())


def available_memory() -> int:
    """Memory that can be taken, within the limit of the batch job or container [bytes]."""
    available = int(psutil.virtual_memory().available)
    try:
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        if limit != "max":
            available = min(available, int(limit) - used)
    except (OSError, ValueError):
        pass  # no such limits on this system
    return max(0, available)


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.3g} GB"
