"""How the panels look whose values are not densities: differences, and standard deviations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.utils.colormaps import Colormap

__all__ = ["SignedLook", "rounded", "signed_colormap", "spread_colormap"]

# Blue and orange of Okabe and Ito, as light as both canvases allow: less, and more.
_LESS, _MORE = (0.22, 0.60, 0.95), (1.0, 0.52, 0.16)
_N_COLOURS = 257
# Rays are blended: what is far from zero must not drown in the haze of small values before it.
_OPACITY_POWER, _OPACITY_GAIN = 2.0, 1.5


def spread_colormap() -> str:
    """Name of the colours of a standard deviation: not to be taken for a density."""
    return "viridis"


def rounded(limit: float) -> float:
    """Round to two digits, upwards, so that colour bars have round ends."""
    if not limit > 0 or not np.isfinite(limit):
        return 1e-3
    unit = 10.0 ** (int(np.floor(np.log10(limit))) - 1)
    return float(np.ceil(round(limit / unit, 6)) * unit)


class SignedLook:
    """Keeps a layer of signed values symmetric about zero, and its colours right in 2D and 3D.

    In 3D a projection of maxima would hide what is negative. Rays are blended instead: zero is
    transparent, both signs grow opaque with their size. In 2D zero is the canvas's colour.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer.
    limit : float
        Value with the full colour; its negative has the other one.
    """

    def __init__(self, layer: Image, limit: float) -> None:
        self._layer = layer
        self._limit = limit
        layer.rendering = "translucent"
        layer.contrast_limits_range = (-4 * limit, 4 * limit)
        layer.contrast_limits = (-limit, limit)
        layer.events.contrast_limits.connect(self._keep_symmetric)

    def show(self, ndisplay: int, background: npt.ArrayLike) -> None:
        """Choose the colours for a number of dimensions, on a canvas of this colour (RGB)."""
        self._layer.colormap = signed_colormap(is_volume=ndisplay == 3, background=background)

    def set_limit(self, limit: float) -> None:
        """Choose the value with the full colour."""
        self._limit = limit
        _, high = self._layer.contrast_limits_range
        if limit > high:
            self._layer.contrast_limits_range = (-2 * limit, 2 * limit)
        self._layer.contrast_limits = (-limit, limit)

    def _keep_symmetric(self, event: Any = None) -> None:
        low, high = self._layer.contrast_limits
        if low == -high:
            self._limit = float(high)
            return
        # The end that was moved is the one that is not where it was.
        moved = high if high != self._limit else -low
        self._limit = max(float(abs(moved)), 1e-6)
        self._layer.contrast_limits = (-self._limit, self._limit)


def signed_colormap(*, is_volume: bool, background: npt.ArrayLike) -> Colormap:
    """Colours of signed values, on a canvas of this colour (RGB): zero is not to be seen."""
    from napari.utils.colormaps import Colormap

    ground = np.asarray(background, float)[:3]
    position = np.linspace(-1.0, 1.0, _N_COLOURS)
    strength = np.abs(position)[:, None]
    hue = np.where(position[:, None] < 0, _LESS, _MORE)
    if is_volume:
        colours = np.concatenate(
            [hue, np.minimum(_OPACITY_GAIN * strength**_OPACITY_POWER, 1.0)], axis=1
        )
    else:
        mixed = ground + (hue - ground) * strength
        colours = np.concatenate([mixed, np.ones_like(strength)], axis=1)
    # A long name would widen the layer controls, and with them the whole column of docks.
    return Colormap(colours, name="blue-orange 3D" if is_volume else "blue-orange")
