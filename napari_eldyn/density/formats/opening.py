"""Open whatever a user points at as one trajectory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from napari_eldyn.density.formats import npz_chunks
from napari_eldyn.density.formats.gpw_traj import find_traj, with_atoms
from napari_eldyn.density.formats.numbered_files import by_pattern, expand
from napari_eldyn.density.formats.series import open_series
from napari_eldyn.density.formats.sniffing import (
    FORMATS,
    TrajectoryFormat,
    find_format,
    find_series,
)
from napari_eldyn.density.formats.volume_file import OpenOptions, VolumeFormat
from napari_eldyn.density.formats.zarr_arrays import is_zarr
from napari_eldyn.density.frame_cache import CachePlace
from napari_eldyn.density.frames import SourceOf
from napari_eldyn.density.join import join
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["open_any"]


def open_any(
    path: str | Path | Sequence[str | Path],
    options: OpenOptions | None = None,
    *,
    cache: CachePlace | None = None,
) -> DensityTrajectory:
    """Open a trajectory of any supported format without reading its frames.

    Parameters
    ----------
    path : path-like, or sequence of path-like
        A file; a directory that holds one trajectory, or one series of numbered files; a pattern
        such as ``run/*.cube``; or several files that are parts of one trajectory.
    options : OpenOptions, optional
        What the files leave open.
    cache : {"beside", "user"}, optional
        Where parsed frames are kept for the next time.

    Raises
    ------
    EldynError
        If a path is missing, damaged, or of no supported format; or if a directory holds several
        trajectories.
    MissingInformationError
        If a file leaves something open that an option says.
    """
    options = options or OpenOptions()
    if options.timestep is not None and not options.timestep > 0.0:
        raise EldynError(f"a time step of {options.timestep:g} fs is not positive")
    given = [path] if isinstance(path, (str, Path)) else path
    paths = [found for part in given for found in expand(part) or [Path(part)]]
    if not paths:
        raise EldynError("there are no files to open")
    if len(paths) == 1:
        return _open_one(paths[0], options, cache)
    return _open_several(paths, options, cache)


def _open_one(path: Path, options: OpenOptions, cache: CachePlace | None) -> DensityTrajectory:
    known = find_format(path)
    if isinstance(known, TrajectoryFormat):
        return _timed(known.open(path), options.timestep)
    if known is not None:
        return open_series([path], known, options, cache=cache)
    try:
        if path.is_dir():
            return _open_directory(path, options, cache)
    except OSError as error:
        raise EldynError(f"cannot be read: {error.strerror or error}", path=path) from error
    raise _not_ours(path)


def _timed(trajectory: DensityTrajectory, timestep: float | None) -> DensityTrajectory:
    """Return the trajectory with times for its frames, if it has none yet and they are given."""
    if timestep is None or trajectory.times_known:
        return trajectory
    return DensityTrajectory(
        SourceOf(trajectory),
        trajectory.grid,
        trajectory.times * timestep,
        numbers=trajectory.numbers,
        positions=trajectory.positions,
        velocities=trajectory.velocities,
        scalars=trajectory.scalars,
        extra=trajectory.extra,
        kind=trajectory.kind,
        quantity=trajectory.quantity,
        provenance=trajectory.provenance,
        path=trajectory.path,
    )


def _open_directory(
    path: Path, options: OpenOptions, cache: CachePlace | None
) -> DensityTrajectory:
    """Open the one trajectory that a directory holds."""
    if is_zarr(path):
        raise _not_ours(path)
    with os.scandir(path) as entries:
        folders = sorted(path / entry.name for entry in entries if entry.is_dir())
    inside = [folder for folder in folders if find_format(folder)]
    if len(inside) == 1:
        return _open_one(inside[0], options, cache)
    if inside:
        names = ", ".join(part.name for part in inside)
        raise EldynError(
            f"the directory holds {len(inside)} trajectories: {names}",
            path=path,
            remedy="Open one of them.",
        )
    series = find_series(path)
    if not series:
        raise _not_ours(path)
    if len(series) > 1:
        names = ", ".join(
            f"{group.pattern} ({len(group.files)} files)" if len(group.files) > 1 else group.pattern
            for group, _ in series[:10]
        ) + (", …" if len(series) > 10 else "")
        raise EldynError(
            f"the directory holds {len(series)} files or series of files: {names}",
            path=path,
            remedy=f"Open one of them, such as '{path / series[0][0].pattern}'.",
        )
    ((group, form),) = series
    label = path if len(group.files) > 1 else group.files[0]
    trajectory = open_series(group.files, form, options, cache=cache, label=label)
    traj = find_traj(path, group.files)
    return trajectory if traj is None else with_atoms(trajectory, group.files, traj)


def _open_several(
    paths: list[Path], options: OpenOptions, cache: CachePlace | None
) -> DensityTrajectory:
    """Open parts of one trajectory; of files named alike but for numbers, one is looked at."""
    for path in paths:
        if not path.exists():
            raise _not_ours(path)
    found = {group[0]: find_format(group[0]) for group in by_pattern(paths)}
    for path, known in found.items():
        if known is None and not path.is_dir():
            raise _not_ours(path)
    forms = set(found.values())
    if not any(isinstance(known, VolumeFormat) for known in forms):
        if all(path.suffix == ".npz" for path in paths):
            return npz_chunks.open_npz_chunks(paths)
        return join([_open_one(path, options, cache) for path in paths])
    if len(forms) > 1:
        names = ", ".join(f"{path.name} ({known.name})" for path, known in found.items() if known)
        raise EldynError(
            f"the files are of several formats: {names}",
            path=paths[0].parent,
            remedy="Open those of one format, or of one trajectory, at a time.",
        )
    (form,) = forms
    assert isinstance(form, VolumeFormat)
    label = Path(os.path.commonpath([path.absolute() for path in paths]))
    return open_series(paths, form, options, cache=cache, label=label)


def _not_ours(path: Path) -> EldynError:
    if not path.exists():
        return EldynError("there is no such file or directory", path=path)
    supported = "; ".join(known.name for known in FORMATS)
    return EldynError(
        "this is not a density trajectory", path=path, remedy=f"Supported: {supported}."
    )
