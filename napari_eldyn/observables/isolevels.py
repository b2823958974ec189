"""Levels of isosurfaces and what they enclose, both ways, by sorting the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Enclosed", "IsoLevels", "Weight"]

Weight = Literal["value", "square"]
"""What is summed: the field (a density), or its square (an orbital, whose square is one)."""


@dataclass(frozen=True)
class Enclosed:
    """What the surface of a level encloses.

    Parameters
    ----------
    amount : float
        Integral of the field, or of its square: electrons, for a density.
    share : float
        Part of all there is of that sign; 0 where there is nothing.
    volume : float
        Volume [Å³].
    """

    amount: float
    share: float
    volume: float


class IsoLevels:
    """A field sorted once, so that levels and what they enclose are found without a search.

    A positive level encloses the points whose values are at least as great, a negative one those
    at most as great; a point counts with its whole voxel.

    Parameters
    ----------
    values : ndarray, shape (nx, ny, nz)
        The field.
    voxel_volume : float
        Volume per point [Å³].
    weight : {"value", "square"}
        What is integrated.
    """

    def __init__(
        self, values: npt.NDArray[np.floating], voxel_volume: float, weight: Weight = "value"
    ) -> None:
        ordered = np.sort(values, axis=None)
        middle = int(np.searchsorted(ordered, 0.0, side="right"))
        self._voxel_volume = voxel_volume
        # From the largest size down, zeros left out: they belong to neither sign.
        sides = {1: ordered[middle:][::-1], -1: ordered[: np.searchsorted(ordered, 0.0)]}
        self._sizes = {sign: np.abs(side) for sign, side in sides.items()}
        self._sums = {
            sign: voxel_volume * np.cumsum(side if weight == "value" else side**2, dtype=np.float64)
            for sign, side in sides.items()
        }

    def extent(self, sign: int = 1) -> tuple[float, float]:
        """Least and greatest size of a level of a sign (+1, −1); two zeros where there is none."""
        sizes = self._sizes[sign]
        return (float(sizes[-1]), float(sizes[0])) if len(sizes) else (0.0, 0.0)

    def total(self, sign: int = 1) -> float:
        """Everything of a sign (+1, −1)."""
        sums = self._sums[sign]
        return float(sums[-1]) if len(sums) else 0.0

    def enclosed(self, level: float) -> Enclosed:
        """Return what the surface of a level encloses.

        Parameters
        ----------
        level : float
            In the unit of the field; its sign says which side is meant. 0 is the positive side.
        """
        sign = -1 if level < 0 else 1
        sizes, sums = self._sizes[sign], self._sums[sign]
        count = len(sizes) - int(np.searchsorted(sizes[::-1], abs(level), side="left"))
        amount = float(sums[count - 1]) if count else 0.0
        total = self.total(sign)
        return Enclosed(amount, amount / total if total else 0.0, count * self._voxel_volume)

    def level_enclosing(self, amount: float, sign: int = 1) -> float:
        """Return the level farthest from zero whose surface encloses an amount.

        Parameters
        ----------
        amount : float
            As `Enclosed.amount`; for the negative side of a density a negative one. More than
            there is gives the lowest level.
        sign : int
            +1 or −1.

        Returns
        -------
        float
            One of the values of the field: points come in whole, so that its surface encloses
            the amount or, by less than the points of that value, more. 0 if there is nothing.
        """
        sizes, sums = self._sizes[sign], np.abs(self._sums[sign])
        if not len(sizes):
            return 0.0
        # An amount that came from a level gives that level again, whatever was rounded since.
        wanted = abs(amount) * (1.0 - 1e-9)
        place = min(int(np.searchsorted(sums, wanted, side="left")), len(sizes) - 1)
        return sign * float(sizes[place])
