"""Looks of layers and the view of a window, as a saved session keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_eldyn.viewer.workspace_record import CameraRecord, LookRecord, ViewRecord

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

__all__ = ["apply_camera", "apply_look", "apply_view", "look_of", "view_of"]

# Limits come after the range they lie in.
_PLAIN = (
    "rendering",
    "iso_threshold",
    "attenuation",
    "gamma",
    "interpolation2d",
    "interpolation3d",
    "blending",
    "opacity",
    "depiction",
    "contrast_limits_range",
    "contrast_limits",
)


def look_of(layer: Image) -> LookRecord:
    """Record how a layer looks."""
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    colormap = layer.colormap
    known = colormap.name in AVAILABLE_COLORMAPS
    values: dict[str, Any] = {name: getattr(layer, name) for name in _PLAIN}
    values |= {name: str(values[name]) for name in ("rendering", "blending", "depiction")}
    values |= {f"interpolation{n}d": str(values[f"interpolation{n}d"]) for n in (2, 3)}
    return LookRecord.model_validate(
        {
            **values,
            "colormap": colormap.name if known else colormap.colors.tolist(),
            "visible": layer.visible,
        }
    )


def apply_look(layer: Image, look: LookRecord, *, colours: bool = True) -> None:
    """Make a layer look as recorded, apart from whether it is visible.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer.
    look : LookRecord
        How it looked.
    colours : bool
        Whether to set the colormap too.
    """
    from napari.utils.colormaps import AVAILABLE_COLORMAPS, Colormap

    for name in _PLAIN:
        value = getattr(look, name)
        if name == "contrast_limits_range":  # never narrower than the limits of the moment
            low, high = layer.contrast_limits
            layer.contrast_limits_range = (min(value[0], low), max(value[1], high))
        else:
            setattr(layer, name, value)
    layer.contrast_limits_range = look.contrast_limits_range
    if not colours:
        return
    if isinstance(look.colormap, list):
        layer.colormap = Colormap(look.colormap, name="saved with the session")
    elif look.colormap in AVAILABLE_COLORMAPS:
        layer.colormap = look.colormap


def view_of(viewer: Viewer) -> ViewRecord:
    """Record camera, slider positions and overlays."""
    camera, dims = viewer.scene.camera, viewer.dims
    overlays = viewer.canvas.overlays
    first, second, third = camera.angles
    return ViewRecord(
        ndisplay=3 if dims.ndisplay == 3 else 2,
        order=tuple(int(axis) for axis in dims.order),
        point=tuple(float(value) for value in dims.point),
        camera=CameraRecord(
            center=tuple(float(value) for value in camera.center),
            zoom=float(camera.zoom),
            angles=(float(first), float(second), float(third)),
            perspective=float(camera.perspective),
        ),
        grid=bool(viewer.canvas.grid.enabled),
        scale_bar=bool(overlays["scale_bar"].visible),
        axes=bool(overlays["axes"].visible),
    )


def apply_view(viewer: Viewer, view: ViewRecord) -> None:
    """Show what was shown; the camera last, because much of the rest moves it."""
    dims = viewer.dims
    dims.ndisplay = view.ndisplay
    if len(view.order) == dims.ndim and sorted(view.order) == list(range(dims.ndim)):
        dims.order = view.order
    if len(view.point) == dims.ndim:
        for axis, value in enumerate(view.point):
            dims.set_point(axis, value)
    overlays = viewer.canvas.overlays
    overlays["scale_bar"].visible = view.scale_bar
    overlays["axes"].visible = view.axes
    apply_camera(viewer, view)


def apply_camera(viewer: Viewer, view: ViewRecord) -> None:
    """Turn and zoom the camera as recorded."""
    camera = viewer.scene.camera
    camera.perspective = view.camera.perspective
    camera.angles = view.camera.angles
    camera.center = view.camera.center
    camera.zoom = view.camera.zoom
