"""Save trajectories as ``.eldyn`` stores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.encodings import Clipping, EncodingName, clip_positive
from napari_eldyn.density.files import acquire, partial_path, put_in_place, remove, writing
from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.store import StoreWriter, check_free
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.exceptions import EldynError

__all__ = [
    "clipping_record",
    "create_like",
    "read_block",
    "recorded_clipping",
    "rows_of",
    "save_trajectory",
]

SHARDED_ABOVE = 1000
"""Saved trajectories of more frames than this keep several in each file."""

FRAMES_PER_SHARD = 64
SHARD_BYTES = 2**26
"""Upper bounds of what is kept in a file, and held in memory while it is written."""


def create_like(trajectory: DensityTrajectory, path: Path, encoding: EncodingName) -> StoreWriter:
    """Make a store without frames for those of a trajectory."""
    extra = trajectory.extra
    first = trajectory[:1]  # all positions need not be read to know whether there are any
    return StoreWriter.create(
        path,
        trajectory.grid,
        encoding=encoding,
        kind=trajectory.kind,
        quantity=trajectory.quantity,
        times_known=trajectory.times_known,
        provenance=trajectory.provenance,
        numbers=trajectory.numbers,
        positions=first.positions is not None,
        velocities=first.velocities is not None,
        scalars=tuple(trajectory.scalars),
        extra={name: tuple(values.shape[1:]) for name, values in extra.items()},
        extra_dtypes={name: values.dtype for name, values in extra.items()},
        frames_per_shard=_frames_per_shard(len(trajectory), trajectory.grid),
    )


def _frames_per_shard(n_frames: int, grid: PeriodicGrid) -> int:
    return 1 if n_frames <= SHARDED_ABOVE else _frames_in_memory(grid)


def _frames_in_memory(grid: PeriodicGrid) -> int:
    return int(np.clip(SHARD_BYTES // (4 * grid.n_points), 1, FRAMES_PER_SHARD))


def rows_of(part: DensityTrajectory) -> dict[str, npt.NDArray[Any]]:
    """Return all that a store keeps of some frames besides their densities, by its names."""
    rows: dict[str, Any] = {"times": part.times}
    for name, value in (("positions", part.positions), ("velocities", part.velocities)):
        if value is not None:
            rows[name] = value
    rows.update({f"scalars/{name}": values for name, values in part.scalars.items()})
    rows.update({f"extra/{name}": values for name, values in part.extra.items()})
    return {name: np.asarray(values) for name, values in rows.items()}


def read_block(
    trajectory: DensityTrajectory, frames: range, *, clip: bool
) -> tuple[npt.NDArray[np.float32], Clipping]:
    """Read some frames, shape (n, nx, ny, nz), and clip what has no logarithm if told to."""
    block = np.empty((len(frames), *trajectory.grid.shape), dtype=np.float32)
    clipping = Clipping()
    for place, index in enumerate(frames):
        frame = trajectory[index]
        if trajectory.path is not None:  # else the store is named, when the frame is coded
            check_frame(frame, trajectory.path, index)
        if clip:
            frame, clipped = clip_positive(frame)
            clipping += clipped
        block[place] = frame
    return block, clipping


def clipping_record(clipping: Clipping, voxel_volume: float) -> dict[str, Any]:
    """Return what the provenance of a store says of clipped values; nothing if there are none."""
    if not clipping.values:
        return {}
    return {
        "clipped": {
            "values": clipping.values,
            "frames": clipping.frames,
            "electrons_added": clipping.added * voxel_volume,
        }
    }


def recorded_clipping(provenance: Mapping[str, Any], voxel_volume: float) -> Clipping:
    """Return what `clipping_record` has written, as it was."""
    record = provenance.get("clipped")
    if record is None:
        return Clipping()
    added = record["electrons_added"] / voxel_volume
    return Clipping(record["values"], record["frames"], added)


def save_trajectory(
    trajectory: DensityTrajectory,
    path: str | Path,
    *,
    encoding: EncodingName = "log16",
    clip: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a trajectory as a store; see `DensityTrajectory.save`.

    With `clip`, values that are not positive become the smallest positive one of their frame
    where the encoding is a logarithm, and the provenance tells how many they were.
    """
    path = Path(path)
    check_free(path, overwrite)
    partial = partial_path(path)
    if partial.exists():
        # Left by a killed process, unless somebody is writing there: then this raises.
        os.close(acquire(partial))
        remove(partial)
    clip = clip and encoding == "log16"
    clipping, n = Clipping(), len(trajectory)
    try:
        with create_like(trajectory, partial, encoding) as writer:
            size = _frames_in_memory(trajectory.grid)
            for start in range(0, n, size):
                frames = range(start, min(start + size, n))
                densities, clipped = read_block(trajectory, frames, clip=clip)
                clipping += clipped
                writer.append_block(
                    densities,
                    rows_of(trajectory[frames.start : frames.stop]),
                    clipping_record(clipping, trajectory.grid.voxel_volume),
                )
                if progress is not None:
                    progress(frames.stop, n)
        with writing(path):
            put_in_place(partial, path)
    except BaseException as error:
        remove(partial)
        if isinstance(error, EldynError) and error.path == partial:
            raise EldynError(error.problem, path=path, remedy=error.remedy) from error
        raise
