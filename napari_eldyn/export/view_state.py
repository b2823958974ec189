"""The view that someone has, kept while a movie is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_eldyn.export.slicing import kept_depiction
from napari_eldyn.viewer._compat import is_shown
from napari_eldyn.viewer.presentation import presentation_of

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["kept_view"]


@contextmanager
def kept_view(viewer: Viewer) -> Iterator[None]:
    """Bring camera, step, planes and clipping back as they were, also after errors.

    Parameters
    ----------
    viewer : napari.Viewer
        If it gets closed meanwhile, it is left alone.
    """
    camera = viewer.scene.camera
    before = {name: getattr(camera, name) for name in ("perspective", "angles", "zoom", "center")}
    point = viewer.dims.point
    was_fitted = presentation_of(viewer).is_fitted
    try:
        with kept_depiction(viewer):
            yield
    finally:
        if is_shown(viewer):
            for axis, value in enumerate(point):
                viewer.dims.set_point(axis, value)
            for name, value in before.items():
                setattr(camera, name, value)
            if was_fitted:  # so that the view goes on following the size of the window
                presentation_of(viewer).fit()
