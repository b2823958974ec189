"""The numbers of a structure, each with its unit."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel, QSizePolicy, QWidget

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.widgets.statistics_table import DASH

__all__ = ["StructureNumbers", "structure_numbers"]

_TIPS = {
    "Lengths": "Lengths of the cell vectors a, b, c",
    "Angles": "α between b and c, β between a and c, γ between a and b",
    "Volume": "Volume of one cell",
    "Atoms": "Atoms in one cell",
    "Grid": "Grid points along a, b, c; the mean distance between neighbours",
    "Electrons": "The density of the frame shown, summed over one cell; expected is what the file, "
    "or one beside it, tells of",
}


def structure_numbers(trajectory: DensityTrajectory, electrons: float | None) -> dict[str, str]:
    """Return what is to be known of a cell and its content, in words and numbers.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Whose cell.
    electrons : float or None
        The frame shown summed over one cell, if it is a density.
    """
    from ase.cell import Cell

    grid = trajectory.grid
    lengths, angles = np.split(Cell(grid.cell).cellpar(), 2)
    spacing = np.linalg.norm(grid.voxel_vectors, axis=1)
    return {
        "Lengths": " · ".join(_plain(length, 3) for length in lengths) + " Å",
        "Angles": " · ".join(_plain(angle, 2) for angle in angles) + " °",
        "Volume": f"{grid.volume:.5g} Å³",
        "Atoms": _atoms(trajectory),
        "Grid": f"{' × '.join(map(str, grid.shape))}, {spacing.mean():.3g} Å",
        "Electrons": _electrons(trajectory, electrons),
    }


def _plain(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _atoms(trajectory: DensityTrajectory) -> str:
    numbers = trajectory.numbers
    if numbers is None or len(numbers) == 0:
        return "not in the file"
    from ase.symbols import Symbols

    return f"{len(numbers)} ({Symbols(numbers).get_chemical_formula('hill')})"


def _electrons(trajectory: DensityTrajectory, count: float | None) -> str:
    if count is None:
        return DASH
    if trajectory.quantity == "spin_density":
        return f"{count:.4g} μB (spin up − spin down)"
    expected = trajectory.provenance.get("expected_electrons")
    if trajectory.quantity == "density" and isinstance(expected, int | float):
        return f"{count:.6g}, {expected:g} expected"
    kind = trajectory.kind.replace("_", " ")
    return f"{count:.6g}" if kind == "unknown" else f"{count:.6g} ({kind})"


class StructureNumbers(QWidget):
    """A list of numbers that can be copied."""

    def __init__(self) -> None:
        super().__init__()
        form = QFormLayout(self)
        form.setContentsMargins(6, 0, 6, 4)
        form.setVerticalSpacing(2)
        form.setHorizontalSpacing(10)
        self._values: dict[str, QLabel] = {}
        for name, tip in _TIPS.items():
            title, value = QLabel(name), QLabel(DASH)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            value.setWordWrap(True)
            value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            for label in (title, value):
                label.setToolTip(tip)
            form.addRow(title, value)
            self._values[name] = value

    def show_numbers(self, numbers: dict[str, str]) -> None:
        """Show the result of `structure_numbers`, or nothing for an empty one."""
        for name, label in self._values.items():
            text = numbers.get(name, DASH)
            if label.text() != text:
                label.setText(text)

    def texts(self) -> dict[str, str]:
        """Return what is shown."""
        return {name: label.text() for name, label in self._values.items()}
