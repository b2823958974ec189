"""What a viewer gets as soon as the plugin is used in it, once."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari_eldyn.viewer._compat import main_window, take_over_opening, unwrap

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["equip", "equip_current_viewer"]

_equipped: weakref.WeakSet[Any] = weakref.WeakSet()


def equip(viewer: Viewer) -> None:
    """Give a viewer our look, keys, menu and layout history, unless it has them.

    Parameters
    ----------
    viewer : napari.Viewer
        Any; one without a window only gets the look.
    """
    from napari_eldyn.viewer.dock_columns import soon
    from napari_eldyn.viewer.docking import remember_layout
    from napari_eldyn.viewer.layout_history import layout_history_of
    from napari_eldyn.viewer.menu import add_menu
    from napari_eldyn.viewer.opening import opening_of
    from napari_eldyn.viewer.presentation import presentation_of
    from napari_eldyn.viewer.shortcuts import bind_shortcuts
    from napari_eldyn.viewer.structure import structure_of

    viewer = unwrap(viewer)
    if viewer in _equipped:
        return
    _equipped.add(viewer)
    presentation_of(viewer)
    bind_shortcuts(viewer)
    window = main_window(viewer)
    if window is not None:
        remember_layout(viewer)
        layout_history_of(viewer)
        add_menu(viewer)
        structure_of(viewer)
        take_over_opening(viewer, opening_of(viewer).take)
        held = weakref.ref(viewer)
        soon(window, lambda: _say_where_to_go(held()))


def _say_where_to_go(viewer: Viewer | None) -> None:
    """Tell who has just opened a first trajectory how to go on."""
    from napari_eldyn.viewer.docking import find_docks

    if viewer is not None and not find_docks(viewer):
        viewer.status = "Density › Workbench opens the docks; F1 lists the keys"


def equip_current_viewer() -> None:
    """Equip the viewer in front, if there is one."""
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is not None:
        equip(viewer)
