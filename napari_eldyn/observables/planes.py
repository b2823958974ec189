"""Planes through a periodic cell: by Miller indices or through atoms, and the field on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import gcd

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.exceptions import EldynError

__all__ = [
    "NearAtoms",
    "Plane",
    "atoms_near",
    "interpolate",
    "miller_plane",
    "offset_range",
    "outline",
    "plane_through",
    "sample_plane",
    "spacing",
]

FloatArray = npt.NDArray[np.float64]

_MOST_SAMPLES = 400  # along a side; finer than a screen shows
_CLOSE = 1e-6  # Å; what lies this near to a plane lies on it


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane with a frame of its own: p = point + x u + y v + height n.

    Parameters
    ----------
    point : ndarray, shape (3,)
        Where x = y = 0 [Å].
    u, v : ndarray, shape (3,)
        Unit vectors in the plane, at right angles.
    along : str
        What direction u is, in words.
    """

    point: FloatArray
    u: FloatArray
    v: FloatArray
    along: str

    @property
    def normal(self) -> FloatArray:
        """Unit vector across the plane, u × v."""
        return np.cross(self.u, self.v)

    def to_space(self, places: npt.ArrayLike) -> FloatArray:
        """Positions [Å], shape (..., 3), of places (x, y) in the plane [Å], shape (..., 2)."""
        x, y = np.moveaxis(np.asarray(places, np.float64), -1, 0)
        return np.asarray(self.point + x[..., None] * self.u + y[..., None] * self.v)

    def to_plane(self, positions: npt.ArrayLike) -> FloatArray:
        """x, y and height above the plane [Å], shape (..., 3), of positions [Å]."""
        relative = np.asarray(positions, np.float64) - self.point
        return np.asarray(relative @ np.stack([self.u, self.v, self.normal], axis=-1))

    def moved(self, height: float) -> Plane:
        """Return the plane shifted along its normal [Å]."""
        return Plane(self.point + height * self.normal, self.u, self.v, self.along)


def spacing(grid: PeriodicGrid, indices: Sequence[int]) -> float:
    """Distance d_hkl = 2π/|h b₁ + k b₂ + l b₃| between lattice planes [Å].

    Raises
    ------
    EldynError
        If all indices are zero.
    """
    return float(2.0 * np.pi / np.linalg.norm(_wavevector(grid, indices)))


def miller_plane(grid: PeriodicGrid, indices: Sequence[int], offset: float) -> Plane:
    """Return the plane across h b₁ + k b₂ + l b₃ at a distance from the origin of the cell.

    Parameters
    ----------
    grid : PeriodicGrid
        Cell, of any shape.
    indices : sequence of 3 int
        Miller indices h, k, l.
    offset : float
        Distance from the cell's origin along the normal [Å]; n d_hkl are the lattice planes.

    Returns
    -------
    Plane
        u is a lattice direction: a, b or c where one of them lies in the plane.

    Raises
    ------
    EldynError
        If all indices are zero.
    """
    normal = _wavevector(grid, indices)
    normal /= np.linalg.norm(normal)
    direction = _direction_in_plane(indices)
    u = np.asarray(direction @ grid.cell)
    u /= np.linalg.norm(u)
    v = np.cross(normal, u)
    # The point nearest to the cell's origin, so that x and y are those of the lattice.
    name = f"[{' '.join(str(n) for n in direction)}]".replace("-", "−")
    return Plane(grid.origin + offset * normal, u, v, name)


def plane_through(
    grid: PeriodicGrid, positions: npt.ArrayLike, along: str = "", *, nearest: bool = True
) -> Plane:
    """Return the plane through three positions, such as those of atoms.

    Parameters
    ----------
    grid : PeriodicGrid
        Cell.
    positions : array-like, shape (3, 3)
        Positions [Å]; u points from the first to the second.
    along : str
        What direction that is, in words.
    nearest : bool
        Whether to take those images of the second and third that are nearest to the first.

    Raises
    ------
    EldynError
        If the positions lie on a line.
    """
    first, *others = np.asarray(positions, np.float64)
    first_edge, second_edge = (
        _nearest_image(grid, other - first) if nearest else other - first for other in others
    )
    normal = np.cross(first_edge, second_edge)
    size = np.linalg.norm(first_edge) * np.linalg.norm(second_edge)
    if not np.linalg.norm(normal) > 1e-4 * max(float(size), _CLOSE):
        raise EldynError(
            "the three atoms lie on a line, through which there are many planes",
            remedy="Choose another third atom.",
        )
    normal /= np.linalg.norm(normal)
    u = first_edge / np.linalg.norm(first_edge)
    return Plane(first, u, np.cross(normal, u), along)


def offset_range(plane: Plane, corner: npt.ArrayLike, edges: npt.ArrayLike) -> tuple[float, float]:
    """Least and greatest distance by which a plane can move and still meet a box [Å].

    Parameters
    ----------
    plane : Plane
        The plane.
    corner : array-like, shape (3,)
        A corner of the box [Å].
    edges : array-like, shape (3, 3)
        Its three edges as rows [Å].
    """
    heights = plane.to_plane(_corners(corner, edges))[:, 2]
    return float(heights.min()), float(heights.max())


def outline(plane: Plane, corner: npt.ArrayLike, edges: npt.ArrayLike) -> FloatArray:
    """Return the polygon in which a plane meets a box.

    Parameters
    ----------
    plane : Plane
        The plane.
    corner : array-like, shape (3,)
        A corner of the box [Å].
    edges : array-like, shape (3, 3)
        Its three edges as rows [Å].

    Returns
    -------
    ndarray, shape (n, 2)
        x and y of 3 to 6 corners [Å], counter-clockwise; n = 0 where the plane misses the box.
    """
    corners = plane.to_plane(_corners(corner, edges))
    found = []
    for i, j in combinations(range(8), 2):
        if (i ^ j).bit_count() != 1:
            continue  # not an edge of the box
        (*start, below), (*end, above) = corners[i], corners[j]
        for place, height in ((start, below), (end, above)):
            if abs(height) <= _CLOSE:
                found.append(place)
        if below * above < 0 and min(abs(below), abs(above)) > _CLOSE:
            share = below / (below - above)
            found.append([a + share * (b - a) for a, b in zip(start, end, strict=True)])
    places = _distinct(np.array(found, np.float64).reshape(-1, 2))
    if len(places) < 3:
        return np.empty((0, 2))
    around = places - places.mean(axis=0)
    return np.asarray(places[np.argsort(np.arctan2(around[:, 1], around[:, 0]))])


def interpolate(
    values: npt.NDArray[np.floating], grid: PeriodicGrid, positions: npt.ArrayLike
) -> npt.NDArray[np.float32]:
    """Interpolate a periodic field by cubic splines, in any cell.

    Parameters
    ----------
    values : ndarray, shape (nx, ny, nz)
        The field at the grid points.
    grid : PeriodicGrid
        Cell and points.
    positions : array-like, shape (..., 3)
        Where [Å], inside the cell or not.

    Returns
    -------
    ndarray, shape (...)
        Equal to the field at grid points. Between them a wave of 8 points per wavelength is
        right to 0.2 % of its amplitude, one of 16 points to 0.01 %.
    """
    places = np.asarray(positions, np.float64)
    fractional = (places - grid.origin) @ np.linalg.inv(grid.cell)
    coordinates = np.moveaxis(fractional * np.array(grid.shape), -1, 0)
    found: npt.NDArray[np.float32] = map_coordinates(
        values, coordinates, output=np.float32, order=3, mode="grid-wrap"
    )
    return found


def sample_plane(
    values: npt.NDArray[np.floating],
    grid: PeriodicGrid,
    plane: Plane,
    polygon: FloatArray,
    *,
    per_point: float = 4.0,
) -> tuple[npt.NDArray[np.float32], tuple[float, float, float, float]]:
    """Sample a field on the rectangle around a polygon in a plane.

    Parameters
    ----------
    values : ndarray, shape (nx, ny, nz)
        The field at the grid points.
    grid : PeriodicGrid
        Cell and points.
    plane : Plane
        The plane.
    polygon : ndarray, shape (n, 2)
        Of `outline`; not empty.
    per_point : float
        Samples per grid step, up to 400 along a side.

    Returns
    -------
    ndarray, shape (rows, columns)
        Values in the middles of equal cells, row 0 at the least y.
    tuple of 4 float
        The rectangle: x from, x to, y from, y to [Å].
    """
    (left, low), (right, high) = polygon.min(axis=0), polygon.max(axis=0)
    step = float(np.min(np.linalg.norm(grid.voxel_vectors, axis=1))) / per_point
    counts = [
        int(min(max(np.ceil(side / step), 2), _MOST_SAMPLES)) for side in (right - left, high - low)
    ]
    x, y = (
        start + (np.arange(n) + 0.5) / n * (end - start)
        for start, end, n in ((left, right, counts[0]), (low, high, counts[1]))
    )
    places = np.stack(np.meshgrid(x, y, indexing="xy"), axis=-1)
    box = (float(left), float(right), float(low), float(high))
    return interpolate(values, grid, plane.to_space(places)), box


@dataclass(frozen=True, eq=False)
class NearAtoms:
    """Atoms near a plane, images of the same atom apart.

    Parameters
    ----------
    index : ndarray of int, shape (n,)
        Which atom each is.
    places : ndarray, shape (n, 2)
        x and y in the plane [Å].
    heights : ndarray, shape (n,)
        Distance above the plane, negative below [Å].
    """

    index: npt.NDArray[np.int64]
    places: FloatArray
    heights: FloatArray


def atoms_near(
    plane: Plane,
    polygon: FloatArray,
    grid: PeriodicGrid,
    positions: npt.ArrayLike,
    distance: float,
) -> NearAtoms:
    """Find the atoms, and their periodic images, near a polygon in a plane.

    Parameters
    ----------
    plane : Plane
        The plane.
    polygon : ndarray, shape (n, 2)
        Part of the plane [Å], convex, counter-clockwise.
    grid : PeriodicGrid
        Cell.
    positions : array-like, shape (atoms, 3)
        Positions [Å], wrapped or not.
    distance : float
        Greatest distance from the plane [Å].
    """
    atoms = np.asarray(positions, np.float64).reshape(-1, 3)
    inverse = np.linalg.inv(grid.cell)
    wrapped = (atoms - grid.origin) @ inverse
    wrapped -= np.floor(wrapped)
    # Whole cells that the slab around the polygon can reach into.
    ends = plane.to_space(polygon)
    reach = np.concatenate([ends + distance * plane.normal, ends - distance * plane.normal])
    cells = np.floor((reach - grid.origin) @ inverse)
    low, high = cells.min(axis=0).astype(int) - 1, cells.max(axis=0).astype(int) + 1
    shifts = np.stack(
        np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high, strict=True)), indexing="ij"),
        axis=-1,
    ).reshape(-1, 1, 3)
    images = (wrapped + shifts).reshape(-1, 3) @ grid.cell + grid.origin
    index = np.tile(np.arange(len(atoms)), len(shifts))
    x_y_height = plane.to_plane(images)
    near = np.abs(x_y_height[:, 2]) <= distance + _CLOSE
    near &= _inside(polygon, x_y_height[:, :2])
    return NearAtoms(index[near], x_y_height[near, :2], x_y_height[near, 2])


def _wavevector(grid: PeriodicGrid, indices: Sequence[int]) -> FloatArray:
    if not any(indices):
        raise EldynError(
            "the Miller indices 0 0 0 name no plane", remedy="Give at least one that is not 0."
        )
    return np.asarray(np.array(indices, np.float64) @ grid.reciprocal_vectors)


def _direction_in_plane(indices: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return a short lattice direction [uvw] with hu + kv + lw = 0."""
    for axis in range(3):
        if indices[axis] == 0:
            return np.asarray(np.eye(3, dtype=np.int64)[axis])
    h, k, _ = indices
    common = gcd(h, k)
    return np.array([k // common, -h // common, 0], dtype=np.int64)


def _nearest_image(grid: PeriodicGrid, vector: FloatArray) -> FloatArray:
    fractional = vector @ np.linalg.inv(grid.cell)
    base = fractional - np.rint(fractional)
    around = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    images = (base + around) @ grid.cell
    return np.asarray(images[np.argmin(np.linalg.norm(images, axis=1))])


def _corners(corner: npt.ArrayLike, edges: npt.ArrayLike) -> FloatArray:
    """Corners of a box; bit i of a corner's number says whether it is at the end of edge i."""
    bits = np.array([[n >> axis & 1 for axis in range(3)] for n in range(8)], np.float64)
    return np.asarray(np.asarray(corner, np.float64) + bits @ np.asarray(edges, np.float64))


def _distinct(places: FloatArray) -> FloatArray:
    kept: list[FloatArray] = []
    for place in places:
        if all(np.linalg.norm(place - other) > 10 * _CLOSE for other in kept):
            kept.append(place)
    return np.array(kept).reshape(-1, 2)


def _inside(polygon: FloatArray, places: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether places lie in a convex counter-clockwise polygon or on its edge."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    relative = places[:, None] - polygon
    cross = edges[:, 0] * relative[..., 1] - edges[:, 1] * relative[..., 0]
    return np.asarray(np.all(cross >= -1e-4 * np.linalg.norm(edges, axis=1), axis=1))
