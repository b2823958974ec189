"""The structure behind the density that a viewer shows: box, atoms and bonds at the frame shown."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.cell_view import cell_view_of
from napari_eldyn.viewer.closing import ClosingWatch
from napari_eldyn.viewer.layers import layer_trajectory, time_axis
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.viewer.presentation import presentation_of
from napari_eldyn.viewer.structure_drawing import StructureDrawing
from napari_eldyn.viewer.tiling import tile_layers_of

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Layer

__all__ = ["PARTS", "Structure", "structure_of"]

FloatArray = npt.NDArray[np.float64]

PARTS = ("cell", "atoms", "bonds")
"""What can be shown of a structure."""

_GROUP = "structure"
_N_AXES = 4  # time and space


class Structure(QObject):
    """Draws box, atoms and bonds of the trajectory selected last, and moves them with time.

    Box and atoms are on as soon as a trajectory has atoms. Layers side by side are shown without:
    each layer more would take a panel.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    """

    changed = Signal()
    """Another trajectory, or other parts are shown."""
    moved = Signal()
    """Another frame is shown."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self._view = cell_view_of(viewer)
        self._tiling = self._view.tiling
        self._layer: weakref.ref[Image] | None = None
        self._trajectory: DensityTrajectory | None = None
        self._has_atoms = False
        self._time_axis = (0.0, 1.0)
        self._index: int | None = None
        self._positions: FloatArray | None = None
        self._deleted: list[str] = []
        self._drawing = StructureDrawing(
            viewer, self._view, on_eye=self._eye_clicked, on_deleted=self._part_deleted
        )
        choices = remembered(_GROUP)
        self._wanted: dict[str, bool | None] = {
            part: choices[part] if isinstance(choices.get(part), bool) else None for part in PARTS
        }
        self._wrapped = choices.get("wrapped") is not False
        # Not at once: napari may be in the middle of adding or deleting several layers.
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._update)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._layers_changed)
        viewer.layers.selection.events.active.connect(self._layers_changed)
        viewer.dims.events.current_step.connect(self._time_changed)
        viewer.canvas.grid.events.enabled.connect(self._draw)
        self._view.changed.connect(self._view_changed)
        window = main_window(viewer)
        if window is not None:
            ClosingWatch(window, self._close)
        self._later.start()

    # -- what is shown ------------------------------------------------------------------------

    @property
    def layer(self) -> Image | None:
        """The layer whose structure is shown: selected last, or else the uppermost visible one."""
        viewer = self._viewer()
        if viewer is None:
            return None
        there = [x for x in reversed(viewer.layers) if layer_trajectory(x) is not None]
        active = viewer.layers.selection.active
        if active in there:
            self._layer = weakref.ref(active)
        chosen = None if self._layer is None else self._layer()
        if chosen is not None and chosen in there:
            return chosen
        return next((x for x in there if x.visible), there[0] if there else None)

    @property
    def trajectory(self) -> DensityTrajectory | None:
        """Whose structure is shown."""
        return self._trajectory

    @property
    def has_atoms(self) -> bool:
        """Whether the trajectory knows its atoms."""
        return self._has_atoms

    @property
    def frame(self) -> int | None:
        """Index of the frame shown; None outside of the trajectory."""
        return self._index

    @property
    def positions(self) -> FloatArray | None:
        """Positions in the frame shown as the file has them, shape (atoms, 3) [Å], if known."""
        return self._positions

    @property
    def hint(self) -> str:
        """Why nothing is drawn, if so."""
        viewer = self._viewer()
        if viewer is None or self._trajectory is None:
            return "Open a density trajectory to see its structure."
        if viewer.canvas.grid.enabled:
            return "Panels side by side are shown without atoms and box."
        if not self.has_atoms:
            return "This file has no atomic positions."
        if self._index is None:
            return "The trajectory has no frame at this time."
        return "" if self._positions is not None else "This frame's positions cannot be read."

    def is_shown(self, part: str) -> bool:
        """Whether one of `PARTS` is on."""
        wanted = self._wanted[part]
        if part != "cell" and not self.has_atoms:
            return False
        if wanted is None:
            return part != "bonds" and self.has_atoms
        return wanted and self._trajectory is not None

    def set_shown(self, part: str, shown: bool) -> None:
        """Switch one of `PARTS` on or off."""
        if shown != self.is_shown(part):
            self._wanted[part] = shown
            self._remember()
            self._draw()
            self.changed.emit()

    @property
    def wrapped(self) -> bool:
        """Whether atoms are brought into the cell; unwrapped they lie as in the file."""
        return self._wrapped

    @wrapped.setter
    def wrapped(self, wrapped: bool) -> None:
        if wrapped != self._wrapped:
            self._wrapped = wrapped
            self._remember()
            self._draw()
            self.changed.emit()

    def layers(self) -> dict[str, list[Layer]]:
        """Return the layers that exist, by part."""
        return self._drawing.layers()

    def centre_on_atom(self, atom: int) -> None:
        """Shift the cell's content so that an atom of the frame shown comes to the middle.

        Parameters
        ----------
        atom : int
            Its index; nothing is done if there is none.
        """
        positions = self._positions
        if self._trajectory is not None and positions is not None and atom < len(positions):
            self._view.centre_on(positions[atom], self._trajectory)

    def _remember(self) -> None:
        chosen = {part: wanted for part, wanted in self._wanted.items() if wanted is not None}
        remember(_GROUP, wrapped=self._wrapped, **chosen)

    # -- what the viewer says -----------------------------------------------------------------

    def _layers_changed(self, event: Any = None) -> None:
        self._later.start()

    def _update(self) -> None:
        """Follow the layer list and the selection."""
        layer = self.layer
        trajectory = None if layer is None else layer_trajectory(layer)
        deleted, self._deleted = self._deleted, []
        if trajectory is not None and trajectory is self._trajectory:
            for part in deleted:
                self._drawing.remove(part)
                self._wanted[part] = False
                self._remember()
        if trajectory is not self._trajectory:
            self._trajectory, self._index, self._positions = trajectory, None, None
            self._has_atoms = trajectory is not None and _knows_atoms(trajectory)
            self._drawing.clear()
            if trajectory is not None:
                self._time_axis = time_axis(trajectory)
                self._read_frame()
            self._draw()
            self._fit()
        else:
            self._draw()
        self.changed.emit()

    def _time_changed(self, event: Any = None) -> None:
        before = self._index
        if self._trajectory is None or self._index_now() == before:
            return
        self._read_frame()
        if (before is None) != (self._index is None):
            self._draw()
        else:
            self._draw_atoms()
        self.moved.emit()

    def _view_changed(self) -> None:
        if self._view.tiling != self._tiling:
            self._tiling = self._view.tiling
            self._drawing.clear()
            self._draw()
            self._fit()
        else:
            self._draw_atoms()

    def _eye_clicked(self, part: str, shown: bool) -> None:
        self._wanted[part] = shown
        self._remember()
        self._later.start()

    def _part_deleted(self, part: str) -> None:
        # Whoever deletes the density as well has not switched anything off.
        self._deleted.append(part)
        self._later.start()

    def _fit(self) -> None:
        viewer = self._viewer()
        if viewer is not None and self._trajectory is not None:
            presentation_of(viewer).fit_again()

    def _close(self) -> None:
        self._later.stop()
        self._trajectory = self._positions = None

    # -- drawing ------------------------------------------------------------------------------

    def _index_now(self) -> int | None:
        viewer, trajectory = self._viewer(), self._trajectory
        if viewer is None or trajectory is None:
            return None
        first, step = self._time_axis
        index = round((viewer.dims.point[viewer.dims.ndim - _N_AXES] - first) / step)
        return int(index) if 0 <= index < len(trajectory) else None

    def _read_frame(self) -> None:
        self._index = self._index_now()
        self._positions = None
        if self._index is not None and self._trajectory is not None and self.has_atoms:
            with contextlib.suppress(EldynError):  # `hint` says so
                self._positions = self._trajectory.positions_at(self._index)

    @property
    def _is_alone(self) -> bool:
        viewer = self._viewer()
        return viewer is not None and not viewer.canvas.grid.enabled

    def _draw(self, event: Any = None) -> None:
        """Make what is wanted and missing, and show it; nothing beside other panels."""
        trajectory = self._trajectory
        if not self._is_alone:
            self._drawing.clear()
        elif trajectory is not None and self.is_shown("cell"):
            self._drawing.add_cell(trajectory.grid)
        self._draw_atoms()
        known = self._positions is not None
        self._drawing.set_visible(lambda part: self.is_shown(part) and (known or part == "cell"))
        self._draw_boxes()

    def _draw_atoms(self) -> None:
        trajectory, positions = self._trajectory, self._positions
        parts = tuple(part for part in ("atoms", "bonds") if self.is_shown(part))
        if trajectory is None or trajectory.numbers is None or positions is None or not parts:
            return
        if self._is_alone:
            self._drawing.draw_atoms(
                trajectory.grid, trajectory.numbers, positions, wrapped=self._wrapped, parts=parts
            )

    def _draw_boxes(self) -> None:
        """Show napari's own boxes where ours is not in their place."""
        viewer, trajectory = self._viewer(), self._trajectory
        if viewer is None or trajectory is None:
            return
        boxed = self._is_alone and self.is_shown("cell")
        for layer in viewer.layers:
            other = layer_trajectory(layer)
            if other is not None and other.grid.matches(trajectory.grid):
                layer.bounding_box.visible = not boxed


def _knows_atoms(trajectory: DensityTrajectory) -> bool:
    if trajectory.numbers is None or len(trajectory.numbers) == 0:
        return False
    try:
        return trajectory.positions_at(0) is not None
    except EldynError:
        return False


_structures: weakref.WeakKeyDictionary[Any, Structure] = weakref.WeakKeyDictionary()


def structure_of(viewer: Viewer) -> Structure:
    """Return the viewer's structure, made at the first call; its densities are tiled from then."""
    viewer = unwrap(viewer)
    structure = _structures.get(viewer)
    if structure is None:
        tile_layers_of(viewer)
        structure = _structures[viewer] = Structure(viewer)
    return structure
