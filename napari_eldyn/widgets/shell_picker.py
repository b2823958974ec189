"""Choice of the shells whose F(q,t) is drawn, by their wave number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QAction  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu, QToolButton

from napari_eldyn.figures.correlation_plot import MOST_SHELLS
from napari_eldyn.figures.rollout_waves import MAIN_PEAK, usual_shells
from napari_eldyn.observables.scattering.waves import DensityWaves

__all__ = ["ShellPicker"]

# A wave number chosen for one cell finds the shell of another within this distance, 1/Å.
_NEAR = 0.05


class _OpenMenu(QMenu):
    """A menu that stays open while entries are checked."""

    def mouseReleaseEvent(self, event: Any) -> None:  # noqa: N802
        action = self.activeAction()
        if action is not None and action.isCheckable() and action.isEnabled():
            action.trigger()
            event.accept()
        else:
            super().mouseReleaseEvent(event)


class ShellPicker(QToolButton):
    """A button with a menu of shells, of which one to four can be checked.

    Attributes
    ----------
    chosen_q : tuple of float or None
        Wave numbers chosen, 1/Å; None for the usual ones near the main peak.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.chosen_q: tuple[float, ...] | None = None
        self._waves: DensityWaves | None = None
        self.setText("shells ▾")
        self.setAutoRaise(True)
        self.setStyleSheet("QToolButton::menu-indicator { image: none; width: 0px; }")
        self.setToolTip(
            f"Wave numbers q (1/Å) at which F(q,t) is drawn, up to {MOST_SHELLS}\n"
            "More points in a shell mean less noise"
        )
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.shell_menu = _OpenMenu(self)
        self.setMenu(self.shell_menu)

    def set_waves(self, waves: DensityWaves) -> None:
        """Offer the shells of a cell."""
        self._waves = waves
        self.shell_menu.clear()
        low, high = MAIN_PEAK
        usual = QAction(f"Near the main peak ({low:.1f}–{high:.1f} 1/Å)", self.shell_menu)
        self.shell_menu.addAction(usual)
        usual.triggered.connect(lambda *_: self.choose(None))
        self.shell_menu.addSeparator()
        for shell, (q, count) in enumerate(zip(waves.q, waves.counts, strict=True)):
            entry = QAction(f"{q:.2f} 1/Å ({count} points)", self.shell_menu)
            self.shell_menu.addAction(entry)
            entry.setCheckable(True)
            entry.triggered.connect(lambda *_, shell=shell: self._toggle(shell))
        self._mark()

    @property
    def shells(self) -> tuple[int, ...] | None:
        """Shells chosen, as indices; None for the usual ones."""
        if self.chosen_q is None or self._waves is None:
            return None
        known = self._waves.q
        found = {int(np.argmin(np.abs(known - q))): q for q in self.chosen_q}
        near = tuple(sorted(s for s, q in found.items() if abs(known[s] - q) <= _NEAR))
        return near or None

    def choose(self, q: Sequence[float] | None) -> None:
        """Choose wave numbers (1/Å), or the usual ones."""
        chosen = None if q is None else tuple(float(one) for one in q)[:MOST_SHELLS]
        if chosen != self.chosen_q:
            self.chosen_q = chosen or None
            self._mark()
            self.changed.emit()
        else:
            self._mark()

    def _toggle(self, shell: int) -> None:
        waves = self._waves
        if waves is None:
            return
        shown = set(self._shown())
        shown ^= {shell}
        if 1 <= len(shown) <= MOST_SHELLS:
            self.choose([float(waves.q[s]) for s in sorted(shown)])
        else:
            self._mark()

    def _shown(self) -> tuple[int, ...]:
        chosen = self.shells
        if chosen is not None:
            return chosen
        return () if self._waves is None else usual_shells(self._waves)

    def _mark(self) -> None:
        """Check what is drawn; no more than fit can be checked, and the last cannot go."""
        shown = self._shown()
        entries = [action for action in self.shell_menu.actions() if action.isCheckable()]
        for shell, entry in enumerate(entries):
            entry.setChecked(shell in shown)
            full, last = len(shown) >= MOST_SHELLS, len(shown) == 1
            entry.setEnabled(not last if shell in shown else not full)
