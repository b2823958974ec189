"""How much of a periodic field lies in a sphere or in a layer: integrals exact for its waves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.exceptions import EldynError

__all__ = ["FieldWaves", "LayerIntegral", "integral_in_layer", "integral_in_sphere"]

FloatArray = npt.NDArray[np.float64]


class FieldWaves:
    """A field as the sum of the waves that its grid holds, ρ(r) = Re Σ w c exp(i q·(r − origin)).

    The waves are those of half the reciprocal space, and w (2, or 1 on the planes that hold their
    own conjugates) counts those left out. On an even grid the wave of index N/2 stands for ±N/2:
    both get half of its coefficient, as in `napari_eldyn.density.grid.resample`.

    Parameters
    ----------
    values : ndarray, shape (nx, ny, nz)
        The field at the grid points.
    grid : PeriodicGrid
        Cell and points.
    """

    def __init__(self, values: npt.NDArray[np.floating], grid: PeriodicGrid) -> None:
        if values.shape != grid.shape:
            raise EldynError(f"a field of shape {values.shape} is not on {grid.shape} points")
        self.grid = grid
        spectrum = np.fft.rfftn(np.asarray(values, np.float64)) / grid.n_points
        indices: list[FloatArray] = [
            np.asarray(np.fft.fftfreq(n, 1.0 / n), np.float64) for n in grid.shape[:2]
        ]
        for axis in (0, 1):
            spectrum, indices[axis] = _with_both_ends(spectrum, indices[axis], axis)
        nz = grid.shape[2]
        along_z = np.arange(nz // 2 + 1, dtype=np.float64)
        weights = np.where((along_z == 0) | (2 * along_z == nz), 1.0, 2.0)
        self.indices = (*indices, along_z)
        """Miller indices h, k, l of the waves along the three axes of `coefficients`."""
        self.coefficients = spectrum * weights
        """c w, complex, shape (n_h, n_k, n_l)."""

    @cached_property
    def lengths(self) -> FloatArray:
        """|q| of the waves [1/Å], shape (n_h, n_k, n_l)."""
        b = self.grid.reciprocal_vectors
        h, k, m = np.meshgrid(*self.indices, indexing="ij", sparse=True)
        squares = sum((h * b[0, i] + k * b[1, i] + m * b[2, i]) ** 2 for i in range(3))
        lengths: FloatArray = np.sqrt(squares)
        return lengths

    def phases(self, position: npt.ArrayLike) -> list[npt.NDArray[np.complex128]]:
        """Factors along the three axes whose product is exp(i q·(r − origin)) at a position [Å]."""
        fractional = (np.asarray(position, np.float64) - self.grid.origin) @ np.linalg.inv(
            self.grid.cell
        )
        return [
            np.exp(2j * np.pi * numbers * share)
            for numbers, share in zip(self.indices, fractional, strict=True)
        ]


def integral_in_sphere(waves: FieldWaves, centre: npt.ArrayLike, radius: float) -> float:
    """Integrate a field over a sphere, exactly for the waves of its grid.

    A wave of length q contributes its value at the centre times V_s f(qR), with the volume
    V_s = 4πR³/3 and f(x) = 3 (sin x − x cos x)/x³ [1].

    Parameters
    ----------
    waves : FieldWaves
        The field.
    centre : array-like, shape (3,)
        Centre [Å], inside the cell or not.
    radius : float
        Radius R [Å]. A sphere wider than the cell reaches into periodic images, which count.

    Returns
    -------
    float
        In the unit of the field times Å³: electrons for a density.

    Raises
    ------
    EldynError
        If the radius is negative.

    References
    ----------
    [1] Form factor of a sphere: Rayleigh, Proc. R. Soc. Lond. A 84, 25 (1910).
    """
    if not radius >= 0:
        raise EldynError(f"a sphere has a radius of at least 0 Å, not {radius:g} Å")
    x = radius * waves.lengths
    small = x < 1e-2
    safe = np.where(small, 1.0, x)
    factor = np.where(
        small,
        1.0 - x**2 / 10.0 + x**4 / 280.0,
        3.0 * (np.sin(safe) - safe * np.cos(safe)) / safe**3,
    )
    along_x, along_y, along_z = waves.phases(centre)
    summed = ((waves.coefficients * factor) @ along_z) @ along_y @ along_x
    return float(summed.real) * 4.0 / 3.0 * np.pi * radius**3


@dataclass(frozen=True)
class LayerIntegral:
    """A field integrated over a layer of a cell.

    Parameters
    ----------
    value : float
        Integral, in the unit of the field times Å³: electrons for a density.
    thickness : float
        Of the layer [Å].
    area : float
        Of the part of the layer that belongs to one cell [Å²].
    """

    value: float
    thickness: float
    area: float


def integral_in_layer(
    waves: FieldWaves, indices: Sequence[int], lower: float, upper: float
) -> LayerIntegral:
    """Integrate a field between two parallel lattice planes, exactly for the waves of its grid.

    Only waves across the planes, q = m G with G = h b₁ + k b₂ + l b₃, do not average out in them.

    Parameters
    ----------
    waves : FieldWaves
        The field.
    indices : sequence of 3 int
        Miller indices h, k, l of the planes.
    lower, upper : float
        Distances of the planes from the cell's origin along the normal [Å].

    Returns
    -------
    LayerIntegral
        For the area of one cell: a layer as thick as the period of the lattice across the planes
        holds the whole cell.

    Raises
    ------
    EldynError
        If all indices are zero, or the upper plane lies below the lower one.
    """
    if not any(indices):
        raise EldynError(
            "the Miller indices 0 0 0 name no plane", remedy="Give at least one that is not 0."
        )
    if not upper >= lower:
        raise EldynError(f"the layer ends at {upper:g} Å, below its start at {lower:g} Å")
    common = gcd(*(int(n) for n in indices))
    direction = np.array(indices, dtype=np.int64) // common
    grid = waves.grid
    period = float(2.0 * np.pi / np.linalg.norm(direction @ grid.reciprocal_vectors))
    start, end = lower / period, upper / period
    total = 0.0
    for m, coefficient in _along(waves, direction):
        if m == 0:
            total += coefficient.real * (end - start)
        else:
            turns = 2j * np.pi * m
            total += (coefficient * (np.exp(turns * end) - np.exp(turns * start)) / turns).real
    return LayerIntegral(total * grid.volume, upper - lower, grid.volume / period)


def _with_both_ends(
    spectrum: npt.NDArray[np.complex128], indices: FloatArray, axis: int
) -> tuple[npt.NDArray[np.complex128], FloatArray]:
    """Share the coefficient of index −N/2 between −N/2 and a new +N/2, where N is even."""
    n = len(indices)
    if n % 2:
        return spectrum, indices
    moved = np.moveaxis(spectrum, axis, 0)
    half = 0.5 * moved[n // 2]
    whole = np.concatenate([moved, half[None]])
    whole[n // 2] = half
    return np.moveaxis(whole, 0, axis), np.append(indices, n / 2)


def _along(waves: FieldWaves, direction: npt.NDArray[np.int64]) -> list[tuple[int, complex]]:
    """Coefficients, with their weights, of the waves m·direction in the half space held."""
    places = [{int(h): place for place, h in enumerate(axis)} for axis in waves.indices]
    most = max(len(axis) for axis in waves.indices)
    found = []
    for m in range(-most, most + 1):
        wanted = [int(m * n) for n in direction]
        if all(h in place for h, place in zip(wanted, places, strict=True)):
            x, y, z = (place[h] for h, place in zip(wanted, places, strict=True))
            found.append((m, complex(waves.coefficients[x, y, z])))
    return found
