"""A cell as people type it."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from napari_eldyn.exceptions import EldynError

__all__ = ["parse_cell"]


def parse_cell(text: str) -> npt.NDArray[np.float64]:
    """Return the cell vectors that a line of numbers means.

    Parameters
    ----------
    text : str
        One length [Å] of a cube, three lengths of a right-angled cell, three lengths and three
        angles [°], or nine components of the vectors one after the other; between them spaces,
        commas or semicolons.

    Returns
    -------
    ndarray, shape (3, 3)
        Vectors as rows [Å].

    Raises
    ------
    EldynError
        If it is none of these, or the cell has no volume.
    """
    from ase.geometry import cellpar_to_cell

    remedy = "Write 'A', 'A B C', 'A B C ALPHA BETA GAMMA', or the nine components of a, b and c."
    try:
        numbers = [float(part) for part in re.split(r"[\s,;]+", text.strip())]
        if len(numbers) == 9:
            cell = np.reshape(numbers, (3, 3))
        elif len(numbers) in (1, 3, 6):
            lengths = numbers * 3 if len(numbers) == 1 else numbers
            cell = np.asarray(cellpar_to_cell(lengths), dtype=np.float64)
        else:
            raise ValueError
    except (ValueError, AssertionError, ZeroDivisionError) as error:
        raise EldynError(f"'{text}' is not a cell", remedy=remedy) from error
    if not np.all(np.isfinite(cell)) or abs(np.linalg.det(cell)) < 1e-9:
        raise EldynError(f"the cell '{text}' has no volume", remedy=remedy)
    return cell
