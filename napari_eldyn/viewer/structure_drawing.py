"""The layers of a structure in a viewer's layer list: made, moved, hidden, taken away again."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.viewer.atoms import place_atoms, repeat_atoms
from napari_eldyn.viewer.bonds import find_bonds
from napari_eldyn.viewer.cell_view import CellView
from napari_eldyn.viewer.structure_layers import (
    AtomsLayer,
    BondsLayer,
    CellLayers,
    structure_part,
)

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

__all__ = ["StructureDrawing"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class StructureDrawing:
    """Draws the structure of one trajectory.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    view : CellView
        Tiling and shift.
    on_eye : callable
        Called with a part, and whether it is to be seen, when the user has clicked on its eye.
    on_deleted : callable
        Called with a part of which the user has deleted a layer; others of it are left.
    """

    def __init__(
        self,
        viewer: Viewer,
        view: CellView,
        *,
        on_eye: Callable[[str, bool], None],
        on_deleted: Callable[[str], None],
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._view = view
        self._on_eye, self._on_deleted = on_eye, on_deleted
        self._busy = False
        self._parts: dict[str, CellLayers | AtomsLayer | BondsLayer] = {}
        viewer.layers.events.removed.connect(self._layer_removed)

    def layers(self) -> dict[str, list[Layer]]:
        """Return the layers that exist, by part."""
        return {part: list(made.layers) for part, made in self._parts.items()}

    def clear(self) -> None:
        """Remove all layers."""
        for part in list(self._parts):
            self.remove(part)

    def remove(self, part: str) -> None:
        """Remove the layers of a part, if there are any."""
        viewer, made = self._viewer(), self._parts.pop(part, None)
        if made is None or viewer is None:
            return
        with self._working(viewer):
            for layer in made.layers:
                layer.events.visible.disconnect(self._eye_clicked)
                if layer in viewer.layers:
                    viewer.layers.remove(layer)

    def add_cell(self, grid: PeriodicGrid) -> None:
        """Draw the edges of the cells shown."""
        if "cell" not in self._parts:
            self._add("cell", CellLayers(grid, self._view.tiling))

    def draw_atoms(
        self,
        grid: PeriodicGrid,
        numbers: IntArray,
        positions: FloatArray,
        *,
        wrapped: bool,
        parts: tuple[str, ...],
    ) -> None:
        """Draw atoms and bonds, new ones or those that are there.

        Parameters
        ----------
        grid : PeriodicGrid
            Cell, points and origin.
        numbers : ndarray, shape (atoms,)
            Atomic numbers.
        positions : ndarray, shape (atoms, 3)
            As the file has them [Å].
        wrapped : bool
            Whether to bring all atoms into the cell.
        parts : tuple of str
            ``atoms``, ``bonds``, or both.
        """
        tiling = self._view.tiling
        home = place_atoms(positions, grid, self._view.shift_on(grid.shape), wrapped=wrapped)
        places = repeat_atoms(home, grid.cell, tiling)
        atoms, bonds = self._parts.get("atoms"), self._parts.get("bonds")
        if "atoms" in parts:
            if isinstance(atoms, AtomsLayer):
                atoms.move(places)
            else:
                self._add("atoms", AtomsLayer(numbers, int(np.prod(tiling)), places))
        if "bonds" in parts:
            if not isinstance(bonds, BondsLayer):
                bonds = BondsLayer(numbers)
                self._add("bonds", bonds)
            found = find_bonds(positions, numbers, grid.cell)
            bonds.show(found, places.reshape(-1, len(numbers), 3))

    def set_visible(self, is_visible: Callable[[str], bool]) -> None:
        """Show or hide the layers of each part."""
        viewer = self._viewer()
        if viewer is None:
            return
        with self._working(viewer):
            for part, made in self._parts.items():
                for layer in made.layers:
                    if layer.visible != is_visible(part):
                        layer.visible = is_visible(part)

    def _add(self, part: str, made: CellLayers | AtomsLayer | BondsLayer) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        self._parts[part] = made
        with self._working(viewer):
            for layer in made.layers:
                viewer.layers.append(layer)
                layer.events.visible.connect(self._eye_clicked)

    @contextmanager
    def _working(self, viewer: Viewer) -> Iterator[None]:
        """Change the layer list without a change of what is selected there."""
        before, self._busy = self._busy, True
        selected, active = set(viewer.layers.selection), viewer.layers.selection.active
        try:
            yield
        finally:
            self._busy = before
            left = {layer for layer in selected if layer in viewer.layers}
            if set(viewer.layers.selection) != left:
                viewer.layers.selection = left
                if active in left:
                    viewer.layers.selection.active = active

    def _eye_clicked(self, event: Any) -> None:
        if not self._busy:
            self._on_eye(structure_part(event.source), bool(event.source.visible))

    def _layer_removed(self, event: Any) -> None:
        part = structure_part(event.value)
        made = self._parts.get(part)
        if not self._busy and made is not None and event.value in made.layers:
            made.layers.remove(event.value)
            self._on_deleted(part)
