"""Whether a model can run in another cell than the one it was trained in."""

from __future__ import annotations

import numpy as np

from napari_eldyn.density import PeriodicGrid
from napari_eldyn.emulator.config import EmulatorConfig, SpatialConfig
from napari_eldyn.exceptions import EldynError

__all__ = ["check_transfer", "describe_grid"]

TOLERANCE = 1e-3
"""Largest difference of voxel vectors, relative to the longest."""


def check_transfer(
    config: EmulatorConfig, trained: PeriodicGrid, grid: PeriodicGrid, model: str
) -> None:
    """Check that a model's weights mean the same on another grid.

    Parameters
    ----------
    config : EmulatorConfig
        Of the model.
    trained : PeriodicGrid
        Grid it was trained on.
    grid : PeriodicGrid
        Grid to run on.
    model : str
        The model's name, for messages.

    Raises
    ------
    EldynError
        If the pooled family is to leave its grid, voxels differ, or points are no whole number of
        latent cells.
    """
    if not isinstance(config, SpatialConfig):
        _check_same(trained, grid, model)
        return
    block = config.autoencoder.total_stride
    ours, theirs = trained.voxel_vectors, grid.voxel_vectors
    size = float(np.linalg.norm(ours, axis=1).max())
    if np.abs(ours - theirs).max() > TOLERANCE * size:
        raise EldynError(
            f"the grid points ({describe_grid(grid)}) lie {_spacing(grid)} apart, those of the "
            f"model {model} {_spacing(trained)}"
            + ("" if _same_directions(trained, grid) else ", along other directions"),
            remedy=_resampling(trained, grid, block),
        )
    if any(points % block for points in grid.shape):
        raise EldynError(
            f"the grid has {_times(grid.shape)} points, which are not multiples of {block} as the "
            f"model {model} needs",
            remedy="Choose a cell that is a whole number of latent cells along each axis.",
        )


def describe_grid(grid: PeriodicGrid) -> str:
    """Describe points and cell for a message."""
    return f"{_times(grid.shape)} points in a cell of {_lengths(grid)}"


def _check_same(trained: PeriodicGrid, grid: PeriodicGrid, model: str) -> None:
    if grid.shape != trained.shape:
        points = " ".join(map(str, trained.shape))
        larger = not np.allclose(grid.cell, trained.cell, atol=1e-2)
        raise EldynError(
            f"the grid has {_times(grid.shape)} points, the model {model} works on "
            f"{_times(trained.shape)}" + (" in a cell of another size" if larger else ""),
            remedy="A pooled model runs in its own cell only; choose a spatial one."
            if larger
            else f"Resample the trajectory: eldyn convert IN OUT.eldyn --grid {points}.",
        )
    if not grid.matches(trained):
        raise EldynError(
            f"the cell ({_lengths(grid)}) is not the one the model {model} was trained in "
            f"({_lengths(trained)})",
            remedy="Choose a model trained in this cell.",
        )


def _resampling(trained: PeriodicGrid, grid: PeriodicGrid, block: int) -> str:
    """Tell the grid that would fit, if there is one."""
    edges = np.linalg.norm(grid.cell, axis=1) / np.linalg.norm(trained.voxel_vectors, axis=1)
    points = (np.rint(edges / block) * block).astype(int)
    fits = points.min() > 0 and bool(np.all(np.abs(points / edges - 1.0) <= TOLERANCE))
    if fits and _same_directions(trained, grid):
        wanted = " ".join(map(str, points.tolist()))
        return f"Resample the trajectory: eldyn convert IN OUT.eldyn --grid {wanted}."
    return "Choose a model trained at this spacing, or a cell that fits a whole number of blocks."


def _same_directions(one: PeriodicGrid, other: PeriodicGrid) -> bool:
    units = [grid.cell / np.linalg.norm(grid.cell, axis=1)[:, None] for grid in (one, other)]
    return bool(np.abs(units[0] - units[1]).max() <= TOLERANCE)


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _lengths(grid: PeriodicGrid) -> str:
    lengths = " × ".join(f"{length:.2f}" for length in np.linalg.norm(grid.cell, axis=1))
    return f"{lengths} Å" + ("" if grid.is_orthogonal else ", oblique")


def _spacing(grid: PeriodicGrid) -> str:
    lengths = np.linalg.norm(grid.voxel_vectors, axis=1)
    if np.ptp(lengths) <= 1e-4 * lengths.max():
        return f"{lengths[0]:.4f} Å"
    return " × ".join(f"{length:.4f}" for length in lengths) + " Å"
