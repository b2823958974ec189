"""The controls of the Statistics dock: what the plots show, remembered and restored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QWidget

from napari_eldyn.figures.divergence_plot import Divergence
from napari_eldyn.figures.rollout_plots import PlotChoices
from napari_eldyn.figures.structure_factor_plot import Convention
from napari_eldyn.widgets.shell_picker import ShellPicker

__all__ = ["StatisticsChoices"]

_DIVERGENCES: tuple[tuple[Divergence, str], ...] = (("sjsd", "sJSD"), ("jsd", "JSD"))
_CONVENTIONS: tuple[Convention, ...] = ("amplitude", "intensity")


class StatisticsChoices(QObject):
    """Controls of the plots that have some.

    Attributes
    ----------
    log, ratio : QCheckBox
        Logarithmic probability axis; S(q) divided by the reference.
    divergences, conventions : QComboBox
        sJSD or JSD; amplitude or intensity.
    shells : ShellPicker
        Of F(q,t).
    """

    changed = Signal(str)
    """The name of the plot whose choices the user changed."""

    def __init__(self) -> None:
        super().__init__()
        self.log = QCheckBox("log")
        self.log.setToolTip("Logarithmic probability axis: shows the tails")
        self.divergences = QComboBox()
        self.divergences.addItems([text for _, text in _DIVERGENCES])
        self.divergences.setToolTip(
            "sJSD: JSD over ½ ln 2, the paper's measure, 0 (equal) to 2 (disjoint)\n"
            "JSD: Jensen-Shannon divergence in nats, 0 to ln 2"
        )
        self.conventions = QComboBox()
        self.conventions.addItems(_CONVENTIONS)
        self.conventions.setToolTip(
            "amplitude: shell mean of |F(q)| in electrons, as in the paper\n"
            "intensity: shell mean of |F(q)|² per electron, the usual convention"
        )
        self.ratio = QCheckBox("ratio")
        self.ratio.setToolTip("Divide by the reference: shows differences of a few per cent")
        self.shells = ShellPicker()
        self.log.toggled.connect(lambda: self.changed.emit("distribution"))
        self.divergences.currentIndexChanged.connect(lambda: self.changed.emit("divergence"))
        self.conventions.currentIndexChanged.connect(lambda: self.changed.emit("structure_factor"))
        self.ratio.toggled.connect(lambda: self.changed.emit("structure_factor"))
        self.shells.changed.connect(lambda: self.changed.emit("correlation"))

    def controls(self, plot: str) -> tuple[QWidget, ...]:
        """Return the controls of a plot."""
        known: dict[str, tuple[QWidget, ...]] = {
            "distribution": (self.log,),
            "divergence": (self.divergences,),
            "structure_factor": (self.ratio, self.conventions),
            "correlation": (self.shells,),
        }
        return known.get(plot, ())

    @property
    def convention(self) -> Convention:
        """Convention of S(q) chosen."""
        return _CONVENTIONS[self.conventions.currentIndex()]

    @property
    def choices(self) -> PlotChoices:
        """What is chosen."""
        return PlotChoices(
            log=self.log.isChecked(),
            divergence=_DIVERGENCES[self.divergences.currentIndex()][0],
            convention=self.convention,
            ratio=self.ratio.isChecked(),
            shells=self.shells.shells,
        )

    def state(self) -> dict[str, Any]:
        """Return the choices as JSON values."""
        chosen = self.shells.chosen_q
        return {
            "log": self.log.isChecked(),
            "divergence": _DIVERGENCES[self.divergences.currentIndex()][0],
            "convention": self.convention,
            "ratio": self.ratio.isChecked(),
            "shells": None if chosen is None else list(chosen),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over choices; what is missing or does not fit leaves things as they are."""
        for box, key in ((self.log, "log"), (self.ratio, "ratio")):
            if isinstance(state.get(key), bool):
                box.setChecked(state[key])
        names = [name for name, _ in _DIVERGENCES]
        if state.get("divergence") in names:
            self.divergences.setCurrentIndex(names.index(state["divergence"]))
        if state.get("convention") in _CONVENTIONS:
            self.conventions.setCurrentIndex(_CONVENTIONS.index(state["convention"]))
        if "shells" in state:
            shells = state["shells"]
            if shells is None:
                self.shells.choose(None)
            elif isinstance(shells, list) and all(_is_positive(q) for q in shells):
                self.shells.choose(shells)


def _is_positive(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value > 0
    )
