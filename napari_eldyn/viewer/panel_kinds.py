"""The panels of a rollout by name: their order, and what they share."""

from __future__ import annotations

__all__ = ["DENSITIES", "PANELS"]

PANELS = ("generated", "reference", "reconstruction", "difference", "aligned", "mean", "std")
"""All panels, in the order in which they stand."""

DENSITIES = frozenset(PANELS) - {"difference", "std"}
"""Those with one colour scale, the reference's: equal colours are equal densities."""
