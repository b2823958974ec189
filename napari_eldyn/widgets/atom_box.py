"""A box to choose an atom in, by its number."""

from __future__ import annotations

from collections.abc import Sequence

from ase.data import chemical_symbols
from qtpy.QtWidgets import QSpinBox

__all__ = ["AtomBox"]


class AtomBox(QSpinBox):
    """The number of an atom, counted from 1 as the files do, before its element."""

    def __init__(self, number: int, tip: str) -> None:
        super().__init__()
        self._numbers: Sequence[int] = ()
        self.setRange(1, 1)
        self.setStyleSheet("QSpinBox { min-width: 40px; }")  # napari's style asks for 70
        self.setToolTip(tip)
        self.setKeyboardTracking(False)
        self._wanted = number
        self.valueChanged.connect(self._show_element)

    @property
    def index(self) -> int:
        """Index of the atom, counted from 0."""
        return self.value() - 1

    @property
    def text_of_atom(self) -> str:
        """Such as ``Li5``."""
        known = self.index < len(self._numbers)
        symbol = chemical_symbols[self._numbers[self.index]] if known else ""
        return f"{symbol}{self.value()}"

    def set_atoms(self, numbers: Sequence[int]) -> None:
        """Offer the atoms of these atomic numbers, without telling anybody."""
        if len(numbers) == len(self._numbers) and all(
            a == b for a, b in zip(numbers, self._numbers, strict=True)
        ):
            return
        first = not len(self._numbers)
        self._numbers = [int(n) for n in numbers]
        was = self.blockSignals(True)
        value = self._wanted if first else self.value()
        self.setRange(1, max(len(numbers), 1))
        self.setValue(value)
        self.blockSignals(was)
        self._show_element()

    def want(self, number: int) -> None:
        """Choose an atom, counted from 1, now or as soon as there are so many."""
        self._wanted = number
        was = self.blockSignals(True)
        self.setValue(number)
        self.blockSignals(was)
        self._show_element()

    def _show_element(self, _: int = 0) -> None:
        known = self.index < len(self._numbers)
        self.setPrefix(f"{chemical_symbols[self._numbers[self.index]]} " if known else "")
