"""A small table of numbers."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

__all__ = ["DASH", "NumberTable", "format_divergence", "format_percent"]

#: Stands where there is no number yet.
DASH = "–"


def format_divergence(value: float | None) -> str:
    """Write a divergence with two significant digits.

    Parameters
    ----------
    value : float or None
        sJSD or JSD.

    Returns
    -------
    str
        Plain down to 0.001, with an exponent below; a dash for None.
    """
    if value is None:
        return DASH
    return f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.4f}"


def format_percent(value: float | None) -> str:
    """Write a fraction as per cent with two digits, or a dash for None."""
    if value is None:
        return DASH
    percent = 100 * value
    return f"{percent:.0f} %" if percent >= 99.5 else f"{percent:.2g} %"


class NumberTable(QWidget):
    """Rows of numbers under column headings; copies as text with the mouse.

    Parameters
    ----------
    columns : sequence of str
        Headings, the one of the row names included.
    rows : sequence of str
        Names of the rows.
    """

    def __init__(
        self, columns: Sequence[str], rows: Sequence[str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        grid = QGridLayout(self)
        grid.setContentsMargins(6, 0, 6, 4)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        self._headings: list[QLabel] = []
        for column, heading in enumerate(columns):
            label = QLabel(heading)
            if column:
                label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
                label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
                grid.setColumnStretch(column, 1)
            grid.addWidget(label, 0, column)
            self._headings.append(label)
        self._names: dict[str, QLabel] = {}
        self._cells: dict[str, list[QLabel]] = {}
        for number, row in enumerate(rows, start=1):
            name = QLabel(row)
            grid.addWidget(name, number, 0)
            self._names[row] = name
            self._cells[row] = []
            for column in range(1, len(columns)):
                cell = QLabel(DASH)
                cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                cell.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                # A new number never moves the layout.
                cell.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
                grid.addWidget(cell, number, column)
                self._cells[row].append(cell)

    def set_row(self, row: str, *values: str, name: str | None = None) -> None:
        """Show the values of one row.

        Parameters
        ----------
        row : str
            Its name as given at first.
        *values : str
            One text per column.
        name : str, optional
            What to call it now (rich text is shown).
        """
        for cell, value in zip(self._cells[row], values, strict=True):
            if cell.text() != value:
                cell.setText(value)
        if name is not None and self._names[row].text() != name:
            self._names[row].setText(name)

    def set_heading_colour(self, colour: str) -> None:
        """Print the column headings in a colour."""
        for label in self._headings:
            label.setStyleSheet(f"color: {colour};")

    def set_row_help(self, row: str, text: str) -> None:
        """Explain a row in a tool tip."""
        for label in (self._names[row], *self._cells[row]):
            label.setToolTip(text)

    def row_values(self, row: str) -> tuple[str, ...]:
        """Give the texts now shown in a row."""
        return tuple(cell.text() for cell in self._cells[row])
