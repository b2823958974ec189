"""What a conversion starts from, so that other processes and later runs find the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_eldyn.density.formats.numbered_files import expand
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.density.frame_cache import SUFFIX, CachePlace
from napari_eldyn.density.supercell import repeat_cell
from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = ["ConversionRecipe"]


@dataclass(frozen=True)
class ConversionRecipe:
    """Files, how to read them, and what to take of them.

    Parameters
    ----------
    sources : tuple of Path
        As for `open_any`.
    options : OpenOptions
        What the files leave open.
    frames : slice
        Frames to keep.
    grid : tuple of 3 int, optional
        Points to resample to.
    repeat : tuple of 3 int, optional
        How often the cell is repeated along its vectors, after resampling.
    cache : {"beside", "user"}, optional
        Where parsed frames are kept.
    """

    sources: tuple[Path, ...]
    options: OpenOptions = field(default_factory=OpenOptions)
    frames: slice = field(default_factory=lambda: slice(None))
    grid: tuple[int, int, int] | None = None
    repeat: tuple[int, int, int] | None = None
    cache: CachePlace | None = None

    def open_source(self) -> DensityTrajectory:
        """Open all that the files hold."""
        from napari_eldyn.density.formats import open_any

        sources = self.sources[0] if len(self.sources) == 1 else self.sources
        return open_any(sources, self.options, cache=self.cache)

    def open(self) -> DensityTrajectory:
        """Open what is to be converted."""
        return self.take(self.open_source())

    def take(self, source: DensityTrajectory) -> DensityTrajectory:
        """Return what is to be converted of a source."""
        trajectory = source[self.frames]
        if self.grid is not None:
            trajectory = trajectory.resampled(self.grid)
        if self.repeat is not None:
            trajectory = repeat_cell(trajectory, self.repeat)
        return trajectory

    def mark(self) -> dict[str, Any]:
        """Return what tells whether another run has the same inputs, as JSON values.

        Files are known by their path, size and time of change.
        """
        digest = hashlib.sha256()
        for path in self._files():
            status = path.stat()
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        options = self.options
        return {
            "files": digest.hexdigest(),
            "options": [
                options.timestep,
                None if options.cell is None else options.cell.tolist(),
                options.unit,
                options.dataset,
                options.kind,
            ],
            "frames": [self.frames.start, self.frames.stop, self.frames.step],
            "grid": None if self.grid is None else list(self.grid),
            "repeat": None if self.repeat is None else list(self.repeat),
        }

    def _files(self) -> Iterable[Path]:
        for source in self.sources:
            for path in [source] if source.exists() else expand(source):
                inside = sorted(path.rglob("*")) if path.is_dir() else [path]
                yield from (part.resolve() for part in inside if part.is_file() and _counts(part))


def _counts(path: Path) -> bool:
    """Whether a file is an input, and nothing that was made of inputs meanwhile."""
    return path.suffix != SUFFIX and not any(part.endswith(".partial") for part in path.parts)
