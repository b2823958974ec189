"""One reader per file format, and the registry that finds the right one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_eldyn.density.formats import eldyn, npz_chunks
from napari_eldyn.density.join import join
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["FORMATS", "TrajectoryFormat", "find_format", "open_any"]


@dataclass(frozen=True)
class TrajectoryFormat:
    """A format that trajectories are read from.

    Parameters
    ----------
    name : str
        For messages and lists.
    accepts : callable
        Whether a path looks like this format; cheap, reads no data.
    open : callable
        Opens the path lazily.
    """

    name: str
    accepts: Callable[[Path], bool]
    open: Callable[[Path], DensityTrajectory]


FORMATS: tuple[TrajectoryFormat, ...] = (
    TrajectoryFormat(eldyn.NAME, eldyn.accepts, eldyn.open_eldyn),
    TrajectoryFormat(npz_chunks.NAME, npz_chunks.accepts, npz_chunks.open_npz_chunks),
)


def find_format(path: str | Path) -> TrajectoryFormat | None:
    """Return the format that a path looks like, or None."""
    path = Path(path)
    return next((known for known in FORMATS if known.accepts(path)), None)


def open_any(path: str | Path | Sequence[str | Path]) -> DensityTrajectory:
    """Open a trajectory of any supported format without reading its frames.

    Parameters
    ----------
    path : path-like, or sequence of path-like
        A file or directory; or several that are parts of one trajectory. A directory that holds
        just one trajectory opens that one.

    Raises
    ------
    EldynError
        If a path is missing, damaged, or of no supported format.
    """
    if not isinstance(path, (str, Path)):
        paths = [Path(part) for part in path]
        if len(paths) != 1:
            return _open_several(paths)
        path = paths[0]
    path = Path(path)
    known = find_format(path)
    if known is not None:
        return known.open(path)
    if not path.exists():
        raise EldynError("there is no such file or directory", path=path)
    inside = _inside(path)
    if len(inside) == 1:
        return open_any(inside[0])
    supported = "Supported: " + "; ".join(known.name for known in FORMATS) + "."
    if inside:
        names = ", ".join(part.name for part in inside)
        raise EldynError(
            f"the directory holds {len(inside)} trajectories: {names}",
            path=path,
            remedy="Open one of them.",
        )
    raise EldynError("this is not a density trajectory", path=path, remedy=supported)


def _open_several(paths: list[Path]) -> DensityTrajectory:
    if paths and all(path.suffix == ".npz" for path in paths):
        return npz_chunks.open_npz_chunks(paths)
    return join([open_any(path) for path in paths])


def _inside(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return [part for part in sorted(path.iterdir()) if part.is_dir() and find_format(part)]
