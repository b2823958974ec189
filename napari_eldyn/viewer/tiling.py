"""Volumes repeated along the cell vectors and moved around the cell, when they are shown."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject

from napari_eldyn.viewer._compat import unwrap
from napari_eldyn.viewer.cell_view import CellView, cell_view_of
from napari_eldyn.viewer.layers import shows_density

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["TiledVolumes", "plain_volumes", "tile_layers_of"]

Volume = npt.NDArray[np.float32]


class TiledVolumes:
    """Array-like of shape (n, kx nx, ky ny, kz nz): periodic volumes, repeated and shifted.

    Point i along an axis is point (i − s) mod N of the plain volume, read when asked for.

    Parameters
    ----------
    plain : array-like, shape (n, nx, ny, nz)
        Volumes of one cell, as a layer slices them.
    tiling, shift : sequence of 3 int
        Cells along each axis, and the shift in grid points.
    """

    ndim = 4

    def __init__(self, plain: Any, tiling: Sequence[int], shift: Sequence[int]) -> None:
        self.plain = plain
        self.tiling, self.shift = tuple(tiling), tuple(shift)
        self.dtype = np.dtype(plain.dtype)
        counts = zip(self.tiling, self.shift, plain.shape[1:], strict=True)
        self._points = [(np.arange(k * n) - s) % n for k, s, n in counts]
        self.shape: tuple[int, ...] = (int(plain.shape[0]), *map(len, self._points))

    @property
    def problems(self) -> dict[int, str]:
        """What is wrong with frames, by their index."""
        found: dict[int, str] = getattr(self.plain, "problems", {})
        return found

    @property
    def size(self) -> int:
        """Number of values in all."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Volume:
        time, *space = key if isinstance(key, tuple) else (key,)
        points = [
            points[space[axis]] if axis < len(space) else points
            for axis, points in enumerate(self._points)
        ]
        if isinstance(time, slice):
            chosen = range(len(self))[time]
            if not chosen:
                return np.zeros((0, *(len(x) for x in points if np.ndim(x))), self.dtype)
            if len(chosen) == 1:  # what napari asks for at every step
                return self._volume(chosen[0], points)[np.newaxis]
            return np.stack([self._volume(index, points) for index in chosen])
        return self._volume(range(len(self))[operator.index(time)], points)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        values = self[:]
        return values if dtype is None else values.astype(dtype)

    def _volume(self, index: int, points: list[Any]) -> Volume:
        volume: Volume = np.asarray(self.plain[index])
        # A single point drops its axis, so the last axis comes first; it is the cheapest, too.
        for axis in (2, 1, 0):
            volume = np.take(volume, points[axis], axis=axis)
        return volume


def plain_volumes(layer: Any) -> Any:
    """Return the volumes of one cell, unshifted, that a layer shows: its data without tiling."""
    data = layer.data
    return data.plain if isinstance(data, TiledVolumes) else data


class _LayerTiling(QObject):
    """Keeps the volumes of a viewer's density layers in the tiling and shift of its cell view."""

    def __init__(self, viewer: Viewer, view: CellView) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self._view = view
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()
        view.changed.connect(self._update)
        viewer.layers.events.inserted.connect(self._update)
        self._update()

    def _update(self, event: Any = None) -> None:
        viewer = self._viewer()
        for layer in [] if viewer is None else viewer.layers:
            if shows_density(layer):
                if layer not in self._watched:
                    self._watched.add(layer)
                    layer.events.data.connect(self._data_changed)
                self._tile(layer)

    def _data_changed(self, event: Any) -> None:
        self._tile(event.source)  # someone has set plain volumes, or such of an earlier tiling

    def _tile(self, layer: Any) -> None:
        plain = plain_volumes(layer)
        if getattr(plain, "ndim", 0) != 4:
            return
        tiling, shift = self._view.tiling, self._view.shift_on(plain.shape[1:])
        if tiling == (1, 1, 1) and shift == (0, 0, 0):
            if layer.data is not plain:
                layer.data = plain
            return
        data = layer.data
        if not isinstance(data, TiledVolumes) or (data.tiling, data.shift) != (tiling, shift):
            layer.data = TiledVolumes(plain, tiling, shift)


_tilings: weakref.WeakKeyDictionary[Any, _LayerTiling] = weakref.WeakKeyDictionary()


def tile_layers_of(viewer: Viewer) -> None:
    """Have the viewer's density layers follow its cell view from now on."""
    viewer = unwrap(viewer)
    if viewer not in _tilings:
        _tilings[viewer] = _LayerTiling(viewer, cell_view_of(viewer))
