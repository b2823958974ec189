"""Atoms that are selected on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_eldyn.viewer.structure_layers import structure_part

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["selected_atoms"]


def selected_atoms(viewer: Viewer) -> list[int]:
    """Return the indices of atoms selected in their layer, images of one atom taken as one."""
    for layer in viewer.layers:
        if structure_part(layer) == "atoms":
            atoms = layer.features["atom"]
            return list(dict.fromkeys(int(atoms.iloc[n]) for n in sorted(layer.selected_data)))
    return []
