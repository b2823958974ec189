"""What a layer shows at the frame looked at: the field, its grid and unit, the atoms."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.quantities import QUANTITIES, Quantity
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.observables.isolevels import IsoLevels, Weight
from napari_eldyn.observables.regions import FieldWaves
from napari_eldyn.viewer.frames import CheckedFrames
from napari_eldyn.viewer.layers import (
    FRAMES_KEY,
    PANEL_KEY,
    layer_trajectory,
    shows_density,
    time_axis,
)
from napari_eldyn.viewer.tiling import plain_volumes

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["FieldValues", "ShownField", "analysed_layers", "shown_field"]

_N_AXES = 4  # time and space


@dataclass(frozen=True, eq=False)
class ShownField:
    """The field that a layer shows at one frame, read when asked for.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer.
    grid : PeriodicGrid
        Cell and points of one cell, whatever the layer repeats.
    quantity : Quantity
        What the values are.
    trajectory : DensityTrajectory or None
        Whose frame it is; None for what is computed (differences, ensembles, rollouts).
    frame : int
        Index of the frame.
    time : str
        When, for titles; the frame's number where times are unknown, nothing for a single one.
    load : callable
        Returns the values (worker thread).
    key : hashable or None
        Equal keys mean equal values; None where they may change at any time.
    """

    layer: Any
    grid: PeriodicGrid
    quantity: Quantity
    trajectory: DensityTrajectory | None
    frame: int
    time: str
    load: Callable[[], npt.NDArray[np.float32]]
    key: Hashable | None

    @property
    def name(self) -> str:
        """Name of the layer."""
        return str(self.layer.name)

    @property
    def weight(self) -> Weight:
        """What is integrated: the square of an orbital, everything else as it is."""
        return "square" if self.quantity is QUANTITIES["orbital"] else "value"

    @property
    def integral_unit(self) -> str:
        """Unit of the integral over space; none for the probability of an orbital."""
        if self.weight == "square":
            return ""
        if self.quantity is QUANTITIES["spin_density"]:
            return "µB"
        if self.is_density:
            return "electrons"
        return f"{self.quantity.unit}·Å³" if self.quantity.unit else "Å³"

    @property
    def caution(self) -> str:
        """What to know about integrals of something that is no density; empty for densities."""
        if self.weight == "square":
            return "Integrals are of |ψ|²: the probability to find the electron."
        if self.quantity is QUANTITIES["spin_density"]:
            return "Spin up minus spin down: a magnetic moment."
        if self.is_density:
            return ""
        return f"{self.quantity.title}: its integral is no number of electrons."

    @property
    def short_unit(self) -> str:
        """Unit of the values, as short as plots have it."""
        return self.quantity.unit.replace("electrons", "e")

    @property
    def is_density(self) -> bool:
        """Whether an integral over space counts electrons."""
        return self.quantity.unit == QUANTITIES["density"].unit

    @property
    def numbers(self) -> npt.NDArray[np.int64] | None:
        """Atomic numbers, if known together with positions."""
        return None if self.trajectory is None else self.trajectory.numbers

    def positions(self) -> npt.NDArray[np.float64] | None:
        """Positions of the atoms in this frame, shape (atoms, 3) [Å], if known."""
        if self.trajectory is None or self.trajectory.numbers is None:
            return None
        return self.trajectory.positions_at(self.frame)


class FieldValues:
    """The values of a field, with what several numbers are found from, worked out once.

    Parameters
    ----------
    values : ndarray, shape (nx, ny, nz)
        The field.
    grid : PeriodicGrid
        Its grid.
    """

    def __init__(self, values: npt.NDArray[np.float32], grid: PeriodicGrid) -> None:
        self.values = values
        self.grid = grid
        self._levels: dict[Weight, IsoLevels] = {}
        self._waves: dict[Weight, FieldWaves] = {}

    def waves(self, weight: Weight) -> FieldWaves:
        """Return the field, or its square, as waves."""
        if weight not in self._waves:
            values = self.values if weight == "value" else self.values**2
            self._waves[weight] = FieldWaves(values, self.grid)
        return self._waves[weight]

    def levels(self, weight: Weight) -> IsoLevels:
        """Return the field sorted; with the weight of a square, both signs as one."""
        if weight not in self._levels:
            values = self.values if weight == "value" else np.abs(self.values)
            self._levels[weight] = IsoLevels(values, self.grid.voxel_volume, weight)
        return self._levels[weight]


def analysed_layers(viewer: Viewer) -> list[Any]:
    """Layers whose fields can be analysed, the uppermost first; no standard deviations."""
    return [
        layer
        for layer in reversed(viewer.layers)
        if shows_density(layer) and layer.metadata.get(PANEL_KEY) != "std"
    ]


def shown_field(viewer: Viewer, layer: Any) -> ShownField | None:
    """Return what a layer shows now, or None where the slider is outside of its frames.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    layer : napari.layers.Image
        One of `analysed_layers`.
    """
    from napari_eldyn.viewer.controller import controller_of

    comparison = controller_of(viewer).comparison
    panel = layer.metadata.get(PANEL_KEY)
    if comparison is not None and (panel or layer is comparison.reference):
        return _panel_field(layer, panel or "reference", comparison)
    trajectory = layer_trajectory(layer)
    if trajectory is None:
        return None
    first, step = time_axis(trajectory)
    point = viewer.dims.point[viewer.dims.ndim - _N_AXES]
    index = round((point - first) / step)
    return _frame_field(layer, trajectory, index) if 0 <= index < len(trajectory) else None


def _frame_field(layer: Any, trajectory: DensityTrajectory, index: int) -> ShownField:
    n = len(trajectory)
    when = f"frame {index} of {n}" if n > 1 else ""
    if trajectory.times_known:
        when = f"t = {trajectory.times[index]:g} fs"
    # The layer keeps the frame that it has just shown.
    read = layer.metadata.get(FRAMES_KEY) or CheckedFrames(trajectory)
    return ShownField(
        layer,
        trajectory.grid,
        QUANTITIES[trajectory.quantity],
        trajectory,
        index,
        when,
        partial(read, index),
        (id(trajectory), index),
    )


def _panel_field(layer: Any, panel: str, comparison: Any) -> ShownField | None:
    pairing, index = comparison.pairing, comparison.index
    if panel == "reference":
        frame = pairing.reference_frame(index)
        return None if frame is None else _frame_field(layer, pairing.trajectory, frame)
    # Panels give at once what there is, and on the window's thread only.
    values = np.asarray(plain_volumes(layer)[index], np.float32)
    if not values.any():  # no frame yet
        return None
    quantity = "density_difference" if panel == "difference" else "density"
    return ShownField(
        layer,
        pairing.trajectory.grid,
        QUANTITIES[quantity],
        None,
        index,
        f"t = {pairing.time(index):g} fs",
        lambda: values,
        None,
    )
