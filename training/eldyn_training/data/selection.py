"""Which trajectories and frames a recipe takes, checked before any frame is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eldyn_training.recipe import DataRecipe, parse_frames
from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["Selection", "Source", "select"]


@dataclass(frozen=True, eq=False)
class Source:
    """A trajectory that frames were taken from.

    Attributes
    ----------
    name : str
        Short, and not that of another source.
    path : Path, optional
        Its file or directory.
    sha256 : str
        Over grid, cell, times and the densities used.
    frames : tuple of int
        First, one past the last, and step of the frames used.
    times : tuple of float
        Of the first and last frame used [fs].
    training, validation : range
        Frames for each, counted through the frames used of all sources; may be empty.
    cell : ndarray, optional
        Its cell vectors as rows [Å], if they are not the model's.
    n_clipped : int
        Values of the frames used that are clipped before the logarithm.
    provenance : mapping
        The trajectory's own.
    """

    name: str
    path: Path | None
    sha256: str
    frames: tuple[int, int, int]
    times: tuple[float, float]
    training: range
    validation: range
    cell: npt.NDArray[np.float64] | None
    n_clipped: int
    provenance: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Selection:
    """The chosen frames of one trajectory, on the recipe's grid.

    Attributes
    ----------
    name : str
        Its name in messages and the model card.
    trajectory : DensityTrajectory
        The chosen frames.
    chosen : range
        Where they stand in the trajectory given.
    timestep : float
        Time between chosen frames [fs].
    training, validation : range
        Chosen frames for each, counted from the first chosen; may be empty.
    in_other_cell : bool
        Whether its cell is not that of the first trajectory.
    """

    name: str
    trajectory: DensityTrajectory
    chosen: range
    timestep: float
    training: range
    validation: range
    in_other_cell: bool


def select(recipe: DataRecipe, trajectories: Sequence[DensityTrajectory]) -> list[Selection]:
    """Choose frames of trajectories that belong together.

    Parameters
    ----------
    recipe : DataRecipe
        Frames, grid and split.
    trajectories : sequence of DensityTrajectory
        Of the same cell, atoms, kind of density and time step; of the same grid too, unless the
        recipe sets one. With ``other_cells`` the cell of some may be the first one's, scaled.

    Raises
    ------
    EldynError
        If they differ, a selection has too few frames for the stride, frames are not equally
        spaced, or nothing is left to train on.
    """
    if not trajectories:
        raise EldynError("there are no trajectories to train on")
    names = _distinct_names(trajectories)
    own_cell = trajectories[0].grid.cell
    others = frozenset(
        name
        for name, trajectory in zip(names, trajectories, strict=True)
        if recipe.other_cells and not _same_cell(own_cell, trajectory.grid.cell)
    )
    held_back = _held_back(recipe, names, others)
    selections = [
        _selection(recipe, name, trajectory, held_back=name in held_back, other=name in others)
        for name, trajectory in zip(names, trajectories, strict=True)
    ]
    for selection in selections[1:]:
        _check_alike(selections[0], selection)
    return selections


def _selection(
    recipe: DataRecipe,
    name: str,
    trajectory: DensityTrajectory,
    *,
    held_back: bool,
    other: bool,
) -> Selection:
    chosen = range(len(trajectory))[parse_frames(recipe.frames)]
    n = len(chosen)
    needed = recipe.stride + 3
    if n < needed:
        raise EldynError(
            f"frames {recipe.frames} select {n} of {len(trajectory)} frames, but stride "
            f"{recipe.stride} with central rates needs at least {needed}",
            path=trajectory.path,
            remedy="Select more frames or lower data.stride in the recipe.",
        )
    selected = trajectory[slice(chosen.start, chosen.stop, chosen.step)]
    if recipe.grid is not None:
        selected = selected.resampled(recipe.grid)
    # Those in other cells only train: what validates is in the model's own.
    training, validation = (range(n), range(0)) if other else _split(recipe, n, held_back=held_back)
    for purpose, run in (("training", training), ("validation", validation)):
        if 0 < len(run) < needed or (purpose == "training" and not len(run) and not held_back):
            raise EldynError(
                f"of {n} frames, {len(training)} are left for training and {len(validation)} for "
                f"validation, but stride {recipe.stride} with central rates needs at least "
                f"{needed} for each",
                path=trajectory.path,
                remedy="Select more frames, or change data.validation_frames, "
                "validation_fraction or validation_gap in the recipe.",
            )
    return Selection(name, selected, chosen, selected.timestep, training, validation, other)


def _split(recipe: DataRecipe, n: int, *, held_back: bool) -> tuple[range, range]:
    """Return the training and the validation frames among n."""
    if held_back:
        return range(0), range(n)
    count = recipe.validation_frames or round(recipe.validation_fraction * n)
    if not (recipe.validation_frames or recipe.validation_fraction):
        return range(n), range(0)
    gap = recipe.validation_gap or recipe.stride + 2
    return range(max(0, n - count - gap)), range(max(0, n - count), n)


def _distinct_names(trajectories: Sequence[DensityTrajectory]) -> list[str]:
    """Return short names, with as many directories before them as tell them apart."""
    names = [trajectory.name for trajectory in trajectories]
    paths = [
        Path(trajectory.name) if trajectory.path is None else trajectory.path.absolute()
        for trajectory in trajectories
    ]
    for depth in range(1, max(len(path.parts) for path in paths)):
        counts = Counter(names)
        names = [
            "/".join((*path.parts[-1 - depth : -1], trajectory.name)) if counts[name] > 1 else name
            for name, path, trajectory in zip(names, paths, trajectories, strict=True)
        ]
    counts = Counter(names)
    return [
        f"{name} ({number})" if counts[name] > 1 else name
        for number, name in enumerate(names, start=1)
    ]


def _held_back(recipe: DataRecipe, all_names: list[str], others: frozenset[str]) -> frozenset[str]:
    """Return the names of the trajectories that validate, none of them in another cell."""
    wanted = recipe.validation_trajectories
    names = [name for name in all_names if name not in others]
    where = " in the model's cell" if others else ""
    if isinstance(wanted, int):
        found = names[len(names) - wanted :] if wanted <= len(names) else names
        if wanted >= len(names):
            raise EldynError(
                f"data.validation_trajectories = {wanted} of {len(names)}{where} leaves none "
                "to train on",
                remedy="Give more trajectories, or hold back frames with data.validation_frames.",
            )
        return frozenset(found)
    for name in wanted:
        if name in others:
            raise EldynError(
                f"data.validation_trajectories names '{name}', whose cell is not that of "
                f"{names[0]}, which is the model's",
                remedy="Hold back a trajectory in the model's cell: the first trajectory's.",
            )
        if name not in names:
            raise EldynError(
                f"data.validation_trajectories names '{name}', which is not given",
                remedy=f"The trajectories given are {', '.join(names)}.",
            )
    if len(set(wanted)) == len(names):
        raise EldynError(
            f"data.validation_trajectories names all trajectories{where} and leaves none to "
            "train on"
        )
    return frozenset(wanted)


def _check_alike(first: Selection, other: Selection) -> None:
    """Refuse trajectories that one model cannot learn together."""
    mine, theirs = first.trajectory, other.trajectory
    problem, remedy = None, None
    scaled = _scaled(mine.grid.cell, theirs.grid.cell)
    if other.in_other_cell and not scaled:
        problem = f"has the cell {_rows(theirs)} Å, which is not that of %s scaled, {_rows(mine)} Å"
        remedy = "Train on cells of one shape and orientation, which differ in size only."
    elif not other.in_other_cell and not _same_cell(mine.grid.cell, theirs.grid.cell):
        problem = f"has the cell {_rows(theirs)} Å, but %s has {_rows(mine)} Å"
        remedy = (
            "Set data.other_cells = true in the recipe to train on both; the model's cell is the "
            "first one's."
            if scaled
            else "Train on trajectories of one cell; a model holds one."
        )
    elif mine.grid.shape != theirs.grid.shape:
        problem = f"has {_points(theirs)} grid points, but %s has {_points(mine)}"
        remedy = "Set data.grid in the recipe: all are then resampled to it."
    elif mine.kind != theirs.kind:
        problem = f"holds the density '{theirs.kind}', but %s holds '{mine.kind}'"
        remedy = "Train on one kind of density."
    elif abs(first.timestep - other.timestep) > 1e-3 * first.timestep:
        problem = f"has frames {other.timestep:g} fs apart, but %s has {first.timestep:g} fs"
        remedy = "Bring them to one spacing (eldyn convert --frames A:B:S)."
    elif (
        mine.numbers is not None
        and theirs.numbers is not None
        and not np.array_equal(np.sort(mine.numbers), np.sort(theirs.numbers))
    ):
        problem = f"holds the atoms {_atoms(theirs)}, but %s holds {_atoms(mine)}"
        remedy = "Train on trajectories of one system."
    if problem is not None:
        name = first.trajectory.path or first.name
        raise EldynError(problem % name, path=theirs.path or other.name, remedy=remedy)


def _same_cell(mine: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> bool:
    return bool(np.all(np.abs(mine - theirs) <= 1e-4))


def _scaled(mine: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> bool:
    """Whether one cell is the other times a number."""
    scale = np.cbrt(np.linalg.det(theirs) / np.linalg.det(mine))
    return bool(scale > 0) and _same_cell(scale * mine, theirs)


def _rows(trajectory: DensityTrajectory) -> str:
    return str(np.round(trajectory.grid.cell, 4).tolist())


def _points(trajectory: DensityTrajectory) -> str:
    return " × ".join(map(str, trajectory.grid.shape))


def _atoms(trajectory: DensityTrajectory) -> str:
    from ase import Atoms

    assert trajectory.numbers is not None
    return str(Atoms(numbers=trajectory.numbers).get_chemical_formula())
