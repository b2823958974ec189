"""Write a trajectory as an ``.eldyn`` store with several processes, and go on after a stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.encodings import Clipping, EncodingName
from napari_eldyn.density.files import put_in_place, writing
from napari_eldyn.density.store import StoreWriter, check_free, write_densities
from napari_eldyn.density.store_saving import (
    clipping_record,
    create_like,
    read_block,
    recorded_clipping,
    rows_of,
)
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.density.writers.processes import Recipe, do_pieces

__all__ = ["StoreTarget"]

_BLOCKS = 64
"""Into how many blocks stores with a file for each frame are parted at least, if they can be."""

_LARGEST_BLOCK = 16


@dataclass(frozen=True)
class _Block:
    """What a process tells of the frames whose densities it has written."""

    rows: dict[str, npt.NDArray[Any]]
    limits: npt.NDArray[np.float64] | None
    clipping: Clipping


class StoreTarget:
    """A store that grows under a partial name.

    Parameters
    ----------
    path : Path
        The store to write.
    encoding : {"log16", "float32"}
        Values that have no logarithm are clipped and counted.
    overwrite : bool
        Replace a store that exists.

    Raises
    ------
    EldynError
        If the path cannot be written to.
    """

    def __init__(self, path: Path, encoding: EncodingName, overwrite: bool) -> None:
        check_free(path, overwrite)
        self._path = path
        self._encoding = encoding
        self._clipping = Clipping()

    @property
    def clipping(self) -> Clipping:
        """What has been clipped in all frames written."""
        return self._clipping

    def begin(self, trajectory: DensityTrajectory, directory: Path) -> None:
        """Make an empty store in a directory that does not exist."""
        create_like(trajectory, directory, self._encoding).close()

    def go_on(
        self, trajectory: DensityTrajectory, directory: Path, recipe: Recipe | None, workers: int
    ) -> Iterator[int]:
        """Write the frames that a store lacks.

        Yields
        ------
        int
            The number of whole frames, first that of those found.
        """
        volume = trajectory.grid.voxel_volume
        with StoreWriter.reopen(directory) as writer:
            self._clipping = recorded_clipping(writer.provenance, volume)
            yield len(writer)
            n = len(trajectory)
            writer.reserve(n)
            blocks = list(_blocks(len(writer), n, writer.frames_per_shard))
            work = partial(_write_block, directory, self._encoding == "log16")
            ready: dict[int, _Block] = {}
            for frames, block in do_pieces(trajectory, recipe, work, blocks, workers):
                ready[frames.start] = block
                # Frames count in their order, so that what counts is whole up to its end.
                while len(writer) in ready:
                    block = ready.pop(len(writer))
                    self._clipping += block.clipping
                    record = clipping_record(self._clipping, volume)
                    writer.count_block(block.rows, block.limits, record)
                    yield len(writer)

    def finish(self, trajectory: DensityTrajectory, directory: Path) -> tuple[Path, ...]:
        """Give the store its name."""
        with writing(self._path):
            put_in_place(directory, self._path)
        return (self._path,)


def _blocks(start: int, n: int, frames_per_shard: int) -> Iterator[range]:
    """Part frames into blocks that different processes can write."""
    size = frames_per_shard
    if frames_per_shard == 1:
        size = min(max((n - start) // _BLOCKS, 1), _LARGEST_BLOCK)
    while start < n:
        stop = min((start // size + 1) * size, n)
        yield range(start, stop)
        start = stop


def _write_block(
    directory: Path, clip: bool, trajectory: DensityTrajectory, frames: range
) -> _Block:
    densities, clipping = read_block(trajectory, frames, clip=clip)
    limits = write_densities(directory, frames.start, densities)
    return _Block(rows_of(trajectory[frames.start : frames.stop]), limits, clipping)
