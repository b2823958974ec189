"""The store and the restart state of a trajectory, written on the first MPI process.

Beside ``NAME.eldyn`` lies ``NAME.eldyn.restart`` with one file ``state_N.npz``: how to go on after
N stored frames. The state of a new frame is written before the frame counts, and the one before
is deleted after it, so that a process killed at any moment leaves a state for just the frames
that are there. Its ``recipe.json`` tells whose trajectory this is while there is no frame yet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

from eldyn_training.aimd.dynamics import DynamicsState, read_state, write_state
from eldyn_training.aimd.recipe import AimdRecipe
from eldyn_training.recipe_files import differences
from napari_eldyn.density import DensityTrajectory, PeriodicGrid, StoreWriter
from napari_eldyn.density.files import acquire, write_whole, writing
from napari_eldyn.exceptions import EldynError
from napari_eldyn.versions import installed_versions

__all__ = ["SCALARS", "TrajectoryOutput"]

SCALARS = ("energy", "kinetic_energy", "temperature", "scf_iterations", "scf_retries")
_MADE_BY = "eldyn-train aimd"


class TrajectoryOutput:
    """Frames and restart states of one trajectory; close it when done."""

    def __init__(self, recipe: AimdRecipe, path: Path) -> None:
        self._recipe, self._path = recipe, path
        self._writer: StoreWriter | None = None
        if path.exists():
            _check_store(recipe, path)
        self._make_folder()
        # Of the folder, since there is no store to lock before the first frame.
        self._lock = acquire(self._folder)
        try:
            self._claim()
            if path.exists():
                self._writer = StoreWriter.reopen(path)
        except EldynError:
            os.close(self._lock)
            raise

    @property
    def frames(self) -> int:
        """Whole frames in the store."""
        return 0 if self._writer is None else len(self._writer)

    @property
    def log(self) -> Path:
        """Where GPAW writes its own output."""
        return self._folder / "gpaw.txt"

    def restart(self) -> DynamicsState | None:
        """Return the state to go on from, or None for a trajectory not begun.

        Raises
        ------
        EldynError
            If there are frames but no state that belongs to them, or it is damaged.
        """
        path = self._state(self.frames)
        if not path.exists() and self.frames == 0:
            return None
        return read_state(path)

    def save_state(self, state: DynamicsState) -> None:
        """Keep where the dynamics are, between frames."""
        self._keep(state, self.frames)

    def add_frame(
        self,
        atoms: Atoms,
        state: DynamicsState,
        densities: Mapping[str, npt.NDArray[np.float64]],
        matrices: npt.NDArray[np.float64],
        scalars: Mapping[str, float],
    ) -> None:
        """Store a frame and the state after it.

        Raises
        ------
        EldynError
            If a part of the frame is not finite: then neither frame nor state are stored.
        """
        first, *others = self._recipe.kinds
        extra = {
            "atomic_density_matrices": matrices,
            **{f"density_{kind}": densities[kind] for kind in others},
        }
        rows = {"positions": atoms.get_positions(), "velocities": velocities(atoms)}
        for name, values in {"density": densities[first], **rows, **scalars, **extra}.items():
            if not np.all(np.isfinite(values)):
                raise EldynError(
                    f"{name} of frame {self.frames} is not finite; the frame is not stored",
                    path=self._path,
                    remedy="Shorten timestep, or tighten the tolerances of scf, in a new store.",
                )
        if self._writer is None:
            self._writer = self._create(atoms, matrices)
        self._keep(state, self.frames + 1)
        time = self.frames * self._recipe.stride * self._recipe.timestep
        self._writer.append(densities[first], time=time, **rows, scalars=scalars, extra=extra)
        for old in self._folder.glob("state_*"):
            if old != self._state(self.frames):
                old.unlink(missing_ok=True)

    def close(self) -> None:
        """Let other processes write to the store."""
        if self._writer is not None:
            self._writer.close()
        os.close(self._lock)

    @property
    def _folder(self) -> Path:
        return self._path.with_name(self._path.name + ".restart")

    def _claim(self) -> None:
        """Refuse the restart folder of another recipe, or of frames that are not there."""
        states = [path.stem for path in self._folder.glob("state_*.npz")]
        if not self._path.exists() and set(states) - {"state_0"}:
            raise EldynError(
                f"its frames are gone, but {self._folder.name} tells how to go on after them",
                path=self._path,
                remedy=f"Put the store back, or delete {self._folder} to begin anew.",
            )
        path = self._folder / "recipe.json"
        recipe = self._recipe.model_dump(mode="json")
        if path.exists():
            try:
                begun = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise EldynError(f"damaged ({error})", path=path) from error
            remedy = f"Choose another name, or delete {self._folder} to begin anew."
            _check_same(begun, recipe, self._path, remedy)
            return
        write_whole(path, json.dumps(recipe, indent=1).encode())

    def _keep(self, state: DynamicsState, frames: int) -> None:
        write_state(state, self._state(frames))

    def _make_folder(self) -> None:
        with writing(self._folder):
            self._folder.mkdir(exist_ok=True)

    def _state(self, frames: int) -> Path:
        return self._folder / f"state_{frames}.npz"

    def _create(self, atoms: Atoms, matrices: npt.NDArray[np.float64]) -> StoreWriter:
        recipe = self._recipe
        extra: dict[str, tuple[int, ...]] = {"atomic_density_matrices": matrices.shape}
        extra.update({f"density_{kind}": recipe.scf.grid for kind in recipe.kinds[1:]})
        return StoreWriter.create(
            self._path,
            PeriodicGrid(np.array(atoms.cell[:]), recipe.scf.grid),
            # Only the pseudo density is positive by construction.
            encoding="log16" if recipe.kinds[0] == "pseudo" else "float32",
            kind=recipe.kinds[0],
            numbers=atoms.numbers,
            velocities=True,
            scalars=SCALARS,
            extra=extra,
            extra_dtypes={"atomic_density_matrices": np.float64},
            provenance={
                "made_by": _MADE_BY,
                "code": "GPAW (legacy calculator), ASE",
                "versions": installed_versions("napari-eldyn", "gpaw", "ase", "numpy"),
                "includes_pseudo_core": recipe.kinds[0] == "pseudo",
                "recipe": recipe.model_dump(mode="json"),
                "meaning": {
                    "atomic_density_matrices": "as GPAW packs them, summed over spins",
                    "energy": "free energy of electrons and ions without kinetic energy, eV",
                    "scf_retries": "1 where the recipe's mixer failed and a safer one was used",
                },
            },
        )


def velocities(atoms: Atoms) -> npt.NDArray[np.float64]:
    """Return velocities in Å/fs."""
    from ase import units

    return np.asarray(atoms.get_velocities() * units.fs)


def _check_store(recipe: AimdRecipe, path: Path) -> None:
    """Refuse to append to what another program or another recipe made."""
    found = dict(DensityTrajectory.open(path).provenance)
    if found.get("made_by") != _MADE_BY:
        raise EldynError(
            "the store was not made by eldyn-train aimd, so nothing is appended to it",
            path=path,
            remedy="Choose another name.",
        )
    remedy = "Choose another name, or use that trajectory's recipe to go on with it."
    _check_same(dict(found["recipe"]), recipe.model_dump(mode="json"), path, remedy)


def _check_same(begun: dict[str, Any], recipe: dict[str, Any], path: Path, remedy: str) -> None:
    """Refuse to go on with another recipe; only the number of frames may change."""
    differing = differences({**begun, "frames": None}, {**recipe, "frames": None})
    if differing:
        raise EldynError(
            f"the store holds a trajectory of another recipe; it differs in {', '.join(differing)}",
            path=path,
            remedy=remedy,
        )
