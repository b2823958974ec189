"""How a field is drawn at first: colours, range and rendering that suit what its values are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.viewer.looks import rounded, signed_colormap

__all__ = ["contrast_limits", "field_look", "has_signed_look", "unit_label"]

_LOCALISATION = (0.0, 1.0)
_FULL_COLOUR = 99.5  # per cent of the values are drawn in less than the full colour of their sign
_LABELS = {"electrons/Å³": "e/Å³"}


def field_look(quantity: str, frame: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Return keywords of ``add_image`` for a field.

    A density is projected, the largest value along each ray being drawn, so that its colours are
    densities and the colour bar holds. A localisation function is largest inside the atoms, which
    would hide the rest: its isosurface is drawn. Of a field with two signs a projection would
    hide the negative one: rays are blended, zero being transparent.

    Parameters
    ----------
    quantity : str
        A key of `QUANTITIES`.
    frame : ndarray, shape (nx, ny, nz)
        A frame by which the range is chosen.
    """
    if quantity == "localisation":
        return {
            "contrast_limits": _LOCALISATION,
            "colormap": "viridis",
            "rendering": "iso",
            "iso_threshold": _localised(frame),
        }
    if has_signed_look(quantity, frame):
        limit = _signed_limit(frame)
        return {
            "contrast_limits": (-limit, limit),
            "colormap": signed_colormap(is_volume=True, background=(0.0, 0.0, 0.0)),
            "rendering": "translucent",
            "iso_threshold": 0.5 * limit,
        }
    limits = contrast_limits(frame)
    return {
        "contrast_limits": limits,
        "colormap": "inferno",
        "rendering": "mip",
        "iso_threshold": 0.5 * (limits[0] + limits[1]),
    }


def has_signed_look(quantity: str, frame: npt.NDArray[np.float32]) -> bool:
    """Whether a field is drawn in two colours about zero.

    A field of an unknown quantity is if it has negative values that are more than noise.
    """
    if quantity != "unknown":
        return QUANTITIES[quantity].signed
    low, high = (float(np.nanmin(frame)), float(np.nanmax(frame))) if frame.size else (0.0, 0.0)
    return low < -0.05 * abs(high)


def contrast_limits(density: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Densities to draw in the first and last colour, so that atoms stand out.

    The first is the median: in a metal it is the sea between the atoms, in a molecule it is
    vacuum. The last is exceeded by one voxel in a thousand.
    """
    finite = _finite(density)
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, (50.0, 99.9)))
    if not high > low:
        return low, low + max(abs(low), 1e-3)
    # Two digits are enough, and make a colour bar with round ends.
    digits = 1 - int(np.floor(np.log10(high - low)))
    return round(low, digits), round(high, digits)


def unit_label(quantity: str) -> str:
    """Return what stands above a colour bar: the unit, or a short name of a pure number."""
    unit = QUANTITIES[quantity].unit
    if not unit:
        return "ΔELF" if quantity == "localisation_difference" else "ELF"
    return _LABELS.get(unit, unit)


def _localised(frame: npt.NDArray[np.float32]) -> float:
    """Level whose isosurface encloses a twentieth of the cell, where electrons are localised."""
    finite = _finite(frame)
    level = float(np.percentile(finite, 95.0)) if finite.size else 0.0
    return min(max(round(level, 2), 0.5), 0.85)


def _signed_limit(frame: npt.NDArray[np.float32]) -> float:
    finite = _finite(frame)
    if finite.size == 0:
        return 1.0
    size = np.abs(finite)
    limit = float(np.percentile(size, _FULL_COLOUR))
    return rounded(limit if limit > 0.0 else float(size.max()))


def _finite(frame: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return frame[np.isfinite(frame)]
