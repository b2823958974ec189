"""napari layers of a structure: box and lattice vectors, atoms, bonds; all of them 3D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.viewer.atoms import atom_colours, atom_diameters, atom_symbols
from napari_eldyn.viewer.bonds import HalfBonds
from napari_eldyn.viewer.cell_box import VECTOR_NAMES, cell_lines, label_places
from napari_eldyn.viewer.sticks import stick_faces, stick_vertices

if TYPE_CHECKING:
    from napari.layers import Layer, Points, Surface

__all__ = [
    "STRUCTURE_KEY",
    "AtomsLayer",
    "BondsLayer",
    "CellLayers",
    "structure_part",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

STRUCTURE_KEY = "density_structure"
"""Key of the part of a structure in the metadata of the layers that show it."""

_SPACE: dict[str, Any] = {
    "units": ("angstrom", "angstrom", "angstrom"),
    "axis_labels": ("x", "y", "z"),
}
# Visible on napari's dark and light canvas alike.
_EDGE = (0.54, 0.58, 0.65, 1.0)
_VECTORS = ((0.89, 0.33, 0.29, 1.0), (0.25, 0.66, 0.36, 1.0), (0.29, 0.55, 0.91, 1.0))
_EDGE_SHARE, _VECTOR_SHARE = 0.0018, 0.0030  # radii, of the longest line
_BOND_RADIUS = 0.09  # Å
_EDGE_SIDES, _BOND_SIDES = 6, 6
_LIGHT_RIM = 0.06  # of an atom's diameter; white hydrogen must not vanish on a white canvas


def structure_part(layer: Any) -> str:
    """Name of the part of a structure that a layer shows; empty for other layers."""
    return str((getattr(layer, "metadata", None) or {}).get(STRUCTURE_KEY, ""))


class CellLayers:
    """The edges of the cells shown, with the lattice vectors in colour, and their names.

    Parameters
    ----------
    grid : PeriodicGrid
        Cell and origin.
    tiling : sequence of 3 int
        Cells along each cell vector.
    """

    def __init__(self, grid: PeriodicGrid, tiling: Sequence[int]) -> None:
        from napari.layers import Points, Surface

        lines = cell_lines(grid, tiling)
        size = float(np.linalg.norm(lines.vectors, axis=1).max())
        is_vector = lines.axes >= 0
        vertices = [
            stick_vertices(lines.starts[chosen], lines.vectors[chosen], share * size, _EDGE_SIDES)
            for chosen, share in ((~is_vector, _EDGE_SHARE), (is_vector, _VECTOR_SHARE))
        ]
        palette = np.array([*_VECTORS, _EDGE])  # −1 is the last one
        axes = np.concatenate([lines.axes[~is_vector], lines.axes[is_vector]])
        box = Surface(
            (np.concatenate(vertices), stick_faces(len(axes), _EDGE_SIDES)),
            vertex_colors=np.repeat(palette[axes], 2 * _EDGE_SIDES, axis=0),
            shading="none",
            name="cell",
            metadata={STRUCTURE_KEY: "cell"},
            **_SPACE,
        )
        names = Points(
            label_places(grid, tiling),
            features={"vector": list(VECTOR_NAMES)},
            blending="translucent_no_depth",
            text={
                "string": "{vector}",
                "size": 12,
                "color": np.array(_VECTORS),
                "anchor": "center",
            },
            size=1e-3 * size,
            face_color="transparent",
            border_color="transparent",
            canvas_size_limits=(0, 1),
            name="lattice vectors",
            metadata={STRUCTURE_KEY: "cell"},
            **_SPACE,
        )
        self.layers: list[Layer] = [box, names]


class AtomsLayer:
    """Atoms as spheres in the colours of their elements.

    Parameters
    ----------
    numbers : ndarray, shape (atoms,)
        Atomic numbers.
    n_cells : int
        How often each atom is shown.
    places : ndarray, shape (n_cells * atoms, 3)
        Where [Å].
    """

    def __init__(self, numbers: IntArray, n_cells: int, places: FloatArray) -> None:
        from napari.layers import Points

        everywhere = np.tile(numbers, n_cells)
        colours = atom_colours(everywhere)
        rims = colours.copy()
        rims[:, :3] *= 0.55
        self._points: Points = Points(
            np.array(places, np.float32),
            features={
                "element": atom_symbols(everywhere),
                "atom": np.tile(np.arange(len(numbers)), n_cells),
            },
            size=atom_diameters(everywhere),
            face_color=colours,
            border_color=rims,
            border_width=_LIGHT_RIM,
            shading="spherical",
            antialiasing=1,
            projection_mode="rescale_spherical",
            blending="translucent",
            name="atoms",
            metadata={STRUCTURE_KEY: "atoms"},
            **_SPACE,
        )
        self.layers: list[Layer] = [self._points]

    def move(self, places: FloatArray) -> None:
        """Show the atoms elsewhere; cheaper than new data, which napari checks at length."""
        self._points.data[:] = places
        self._points.refresh(thumbnail=False, highlight=False, extent=False)


class BondsLayer:
    """Bonds as sticks in the colours of their atoms.

    There are more sticks than bonds, the spare ones without extent: their number changes from
    frame to frame, and other numbers of vertices cost napari far more than other places.

    Parameters
    ----------
    numbers : ndarray, shape (atoms,)
        Atomic numbers.
    """

    def __init__(self, numbers: IntArray) -> None:
        from napari.layers import Surface
        from napari.utils.colormaps import Colormap

        elements = np.unique(numbers)
        self._ranks = np.searchsorted(elements, numbers).astype(np.float32)
        colours = atom_colours(elements)
        if len(colours) == 1:  # a colormap has two ends
            colours = np.repeat(colours, 2, axis=0)
        self._room = 0
        self._surface: Surface = Surface(
            _spare_sticks(1),
            colormap=Colormap(colours, name="elements"),
            contrast_limits=(0, len(colours) - 1),
            shading="smooth",
            name="bonds",
            metadata={STRUCTURE_KEY: "bonds"},
            **_SPACE,
        )
        self.layers: list[Layer] = [self._surface]

    def show(self, bonds: HalfBonds, places: FloatArray) -> None:
        """Draw bonds.

        Parameters
        ----------
        bonds : HalfBonds
            Of the atoms of one cell.
        places : ndarray, shape (cells, atoms, 3)
            Where the atoms are shown [Å].
        """
        n_cells = len(places)
        n = n_cells * len(bonds)
        starts = places[:, bonds.atoms].reshape(-1, 3)
        vectors = np.tile(bonds.vectors, (n_cells, 1))
        values = np.tile(self._ranks[bonds.atoms], n_cells)
        used = n * 2 * _BOND_SIDES
        if n > self._room:
            self._room = n + n // 4 + 8
        vertices, faces, ranks = self._surface.data
        fits = len(vertices) == self._room * 2 * _BOND_SIDES
        if not fits:
            vertices, faces, ranks = _spare_sticks(self._room)
        vertices[:used] = stick_vertices(starts, vectors, _BOND_RADIUS, _BOND_SIDES)
        vertices[used:] = places[0, 0]
        ranks[:used] = np.repeat(values, 2 * _BOND_SIDES)
        if fits:
            self._surface.refresh(thumbnail=False, highlight=False, extent=False)
        else:
            self._surface.data = vertices, faces, ranks


def _spare_sticks(n: int) -> tuple[Any, Any, Any]:
    """Sticks without extent; napari has no empty surfaces."""
    n_vertices = 2 * _BOND_SIDES * n
    return (
        np.zeros((n_vertices, 3), np.float32),
        stick_faces(n, _BOND_SIDES),
        np.zeros(n_vertices, np.float32),
    )
