"""How density layers look on a viewer's canvas: 3D view, scale bar, unit and time."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from napari_eldyn.viewer._compat import drop_replaced_grids, show_overlay, unwrap
from napari_eldyn.viewer.arrangement import bar_shift, fitted_share, titles_fit
from napari_eldyn.viewer.field_looks import unit_label
from napari_eldyn.viewer.layers import (
    CHANNEL_KEY,
    dress_layer,
    layer_trajectory,
    shown_electrons,
    shows_density,
    time_axis,
)
from napari_eldyn.viewer.looks import SignedLook
from napari_eldyn.viewer.preferences import prefer_own_reader

if TYPE_CHECKING:
    from napari import Viewer

    from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = [
    "PERSPECTIVE",
    "UP",
    "VIEW_DIRECTION",
    "Presentation",
    "presentation_of",
    "watch_current_viewer",
]

_UNIT = "density_unit"  # our own overlay: napari's colour bar has no label
_WARNING = "density_warning"
_AMBER = "#f0a83c"  # readable on napari's dark and light canvas
_TOLERANCE = 0.05  # of the number of electrons; cusps at nuclei are coarse on a grid
_ELECTRONS = {
    "valence": "valence electrons",
    "pseudo_valence": "valence electrons",
    "core": "core electrons",
    "pseudo": "electrons in the pseudo density",
}
VIEW_DIRECTION = (-1.0, -0.45, -0.35)
UP = (0.0, 0.0, 1.0)
PERSPECTIVE = 20.0  # degrees; gives depth to projections, the scale bar holds at the centre
_MARGIN = 0.12


class Presentation:
    """Dresses the density layers of one viewer, and writes the time on its canvas.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = weakref.ref(viewer)
        self._describe: Callable[[], str] | None = None
        self._warn: Callable[[], str] | None = None
        self._dressed = False
        self._fitted: tuple[Any, ...] | None = None
        self._n_breaks = 1  # of the text when the pictures were fitted
        self._signed: weakref.WeakKeyDictionary[Any, SignedLook] = weakref.WeakKeyDictionary()
        # Last, because napari's own reaction to a first layer resets the camera.
        viewer.layers.events.inserted.connect(self._on_inserted, position="last")
        viewer.layers.events.removed.connect(self._on_removed, position="last")
        viewer.dims.events.current_step.connect(self.update_text)
        viewer.dims.events.ndisplay.connect(self._choose_colours)
        viewer.canvas.events.background_color.connect(self._choose_colours)
        viewer.canvas.events.size.connect(self._canvas_resized)
        for layer in viewer.layers:
            self._dress(layer)

    def describe_with(
        self, describe: Callable[[], str] | None, warn: Callable[[], str] | None = None
    ) -> None:
        """Let someone else (the side-by-side view) write on the canvas; None ends that.

        Parameters
        ----------
        describe : callable or None
            Returns the text.
        warn : callable, optional
            Returns what must not be overlooked, in another colour.
        """
        self._describe, self._warn = describe, warn
        self.update_text()

    def update_text(self, event: Any = None) -> None:
        """Write the time shown, and show the unit while a density is visible."""
        viewer = self._viewer()
        if viewer is None or not self._dressed:
            return
        visible = [x for x in viewer.layers if x.visible and shows_density(x)]
        overlays = viewer.canvas.overlays
        if visible:
            show_overlay(viewer, overlays[_UNIT])
        else:
            overlays[_UNIT].visible = False
        # Without a unit the bars still stay below the titles.
        unit = _units(visible) if titles_fit(viewer) else " "
        if overlays[_UNIT].text != unit:
            overlays[_UNIT].text = unit
        if self._describe is not None:
            text = self._describe()
        else:
            text = describe_frame(viewer, visible[-1]) if visible else ""
        if self._warn is not None:
            warning = self._warn()
        else:
            warning = _doubt(viewer, visible[-1]) if visible and self._describe is None else ""
        for name, content in (("text", text), (_WARNING, warning)):
            overlays[name].text = content
            overlays[name].visible = bool(content)
        if text.count("\n") > self._n_breaks:  # the text has grown into the pictures
            self.fit_again()

    def show_3d(self) -> None:
        """Look at the whole cell in 3D from the default direction."""
        viewer = self._viewer()
        if viewer is None:
            return
        viewer.dims.ndisplay = 3
        camera = viewer.scene.camera
        camera.perspective = PERSPECTIVE
        camera.set_view_direction(VIEW_DIRECTION, UP)
        self.fit()

    @property
    def is_fitted(self) -> bool:
        """Whether the camera is where `fit` put it."""
        viewer = self._viewer()
        return viewer is not None and self._fitted == _view_of(viewer)

    def fit(self) -> None:
        """Fit the layers into the canvas without turning the camera."""
        viewer = self._viewer()
        if viewer is not None:
            viewer.fit_to_view(margin=_MARGIN)
            camera = viewer.scene.camera
            camera.zoom *= fitted_share(viewer)
            if viewer.dims.ndisplay == 2:  # what is turned in 3D has to stay in the middle
                centre = list(camera.center)
                centre[-1] += bar_shift(viewer) / camera.zoom
                camera.center = tuple(centre)
            self._fitted = _view_of(viewer)
            self._n_breaks = max(1, str(viewer.canvas.overlays.text.text).count("\n"))

    def _canvas_resized(self, event: Any = None) -> None:
        self.fit_again()

    def fit_again(self) -> None:
        """Keep the cell in view, unless someone has zoomed or moved since."""
        viewer = self._viewer()
        if viewer is not None and len(viewer.layers) and self.is_fitted:
            self.fit()

    def _on_inserted(self, event: Any) -> None:
        self._dress(event.value)
        self._drop_replaced_grids()

    def _on_removed(self, event: Any) -> None:
        self.update_text()
        self._drop_replaced_grids()

    def _drop_replaced_grids(self) -> None:
        viewer = self._viewer()
        if viewer is not None:
            drop_replaced_grids(viewer)

    def _dress(self, layer: Any) -> None:
        viewer = self._viewer()
        trajectory = layer_trajectory(layer)
        if viewer is None or trajectory is None:
            return
        dress_layer(layer)
        low, high = layer.contrast_limits
        if low == -high and layer.rendering == "translucent":
            self._signed[layer] = SignedLook(layer, float(high))
            self._choose_colours()
        layer.events.visible.connect(self.update_text)
        if not self._dressed:
            self._dressed = True
            _dress_canvas(viewer)
            if len(viewer.layers) == 1:
                self.show_3d()
        elif len(viewer.layers) == 1:  # napari turns the camera for a first layer
            self.show_3d() if viewer.dims.ndisplay == 3 else self.fit()
        if len(viewer.layers) == 1:
            # napari starts in the middle of the time axis
            viewer.dims.set_point(viewer.dims.ndim - layer.ndim, float(layer.translate[0]))
        if CHANNEL_KEY in layer.metadata:
            self._select_first_channel(layer)
        self.update_text()

    def _select_first_channel(self, channel: Any) -> None:
        """Select the layer that a hidden one came with: people go on with what they see."""
        from qtpy.QtCore import QTimer

        weak = weakref.ref(self)

        def select() -> None:
            presentation = weak()
            viewer = None if presentation is None else presentation._viewer()
            if viewer is None or viewer.layers.selection.active is not channel:
                return
            path = _path(channel)
            firsts = [
                layer
                for layer in viewer.layers
                if _path(layer) == path and CHANNEL_KEY not in layer.metadata
            ]
            if firsts and not channel.visible:
                viewer.layers.selection.active = firsts[-1]

        QTimer.singleShot(0, select)  # napari selects what it adds after telling us

    def _choose_colours(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None:
            for look in self._signed.values():
                look.show(viewer.dims.ndisplay, viewer.canvas.background_color)


def _path(layer: Any) -> Any:
    trajectory = layer_trajectory(layer)
    return None if trajectory is None else trajectory.path


def _view_of(viewer: Viewer) -> tuple[Any, ...]:
    camera = viewer.scene.camera
    return (camera.zoom, tuple(camera.center), viewer.dims.ndisplay)


def _dress_canvas(viewer: Viewer) -> None:
    from napari.components.overlays import TextOverlay

    canvas = viewer.canvas
    overlays = canvas.overlays
    for name in ("scale_bar", "axes"):
        overlay = overlays[name]
        overlay.position = "bottom_left"
        overlay.box = False
        overlay.visible = True
    overlays.axes.size = 70
    overlays.text.position = "bottom_right"
    overlays.text.box = False
    overlays.text.font_size = 9
    if _UNIT not in overlays:
        overlays[_UNIT] = TextOverlay(
            text=" ", position="top_right", gridded=True, font_size=9, box=False
        )
    if _WARNING not in overlays:
        overlays[_WARNING] = TextOverlay(
            position="bottom_right", color=_AMBER, font_size=9, box=False
        )
    canvas.overlay_tiling.top_right = "vertical"
    canvas.overlay_tiling.bottom_left = "vertical"
    canvas.overlay_tiling.bottom_right = "vertical"


def describe_frame(viewer: Viewer, layer: Any) -> str:
    """Time and index of the frame of a density layer that the slider points at, and electrons.

    Where the files hold no times, none is made up.
    """
    trajectory = layer_trajectory(layer)
    if trajectory is None or len(layer.data) != len(trajectory):
        return ""
    index, point = _frame_at(viewer, layer, trajectory)
    n, known = len(trajectory), trajectory.times_known
    if not 0 <= index < n:
        return f"{f't = {point:g} fs: ' if known else ''}{layer.name} has no frame here"
    time = f"t = {trajectory.times[index]:g} fs    " if known else ""
    lines = [
        layer.data.problems.get(index, ""),
        f"{time}frame {index} of {n}" if known or n > 1 else "",
        _describe_electrons(trajectory, layer, index),
    ]
    return "\n".join(line for line in lines if line)


def _frame_at(viewer: Viewer, layer: Any, trajectory: DensityTrajectory) -> tuple[int, float]:
    """Return the frame that the slider points at, in the trajectory or not, and where it is."""
    first, step = time_axis(trajectory)
    point = float(viewer.dims.point[viewer.dims.ndim - layer.ndim])
    return round((point - first) / step), point


def _doubt(viewer: Viewer, layer: Any) -> str:
    """Return a warning if a density holds another number of electrons than it should."""
    trajectory = layer_trajectory(layer)
    if trajectory is None or trajectory.quantity != "density":
        return ""
    expected = trajectory.provenance.get("expected_electrons")
    if not isinstance(expected, int | float) or len(layer.data) != len(trajectory):
        return ""
    count = shown_electrons(layer, _frame_at(viewer, layer, trajectory)[0])
    if count is None or abs(count - expected) <= _TOLERANCE * abs(expected):
        return ""
    return f"not the {expected:g} electrons expected: check unit and kind of the file"


def _describe_electrons(trajectory: DensityTrajectory, layer: Any, index: int) -> str:
    """Electrons of the frame shown against those expected, or its magnetic moment."""
    expected = trajectory.provenance.get("expected_electrons")
    is_known = isinstance(expected, int | float)
    if trajectory.kind == "pseudo" and not is_known:
        return ""  # a pseudo density counts no electrons
    if trajectory.quantity not in ("density", "spin_density"):
        return ""
    count = shown_electrons(layer, index)
    if count is None:
        return ""
    if trajectory.quantity == "spin_density":
        return f"{count:.2f} μB (spin up − spin down)"
    text = f"{count:.2f} {_ELECTRONS.get(trajectory.kind, 'electrons')}"
    return f"{text}, {expected:g} expected" if is_known else text


def _units(layers: Sequence[Any]) -> str:
    """Return the units of the colour bars of layers, each once."""
    trajectories = [layer_trajectory(layer) for layer in layers]
    names = [unit_label(x.quantity if x is not None else "density") for x in trajectories]
    return ", ".join(dict.fromkeys(names))


_presentations: weakref.WeakKeyDictionary[Any, Presentation] = weakref.WeakKeyDictionary()


def presentation_of(viewer: Viewer) -> Presentation:
    """Return the viewer's presentation, made at the first call."""
    viewer = unwrap(viewer)
    presentation = _presentations.get(viewer)
    if presentation is None:
        prefer_own_reader()
        presentation = _presentations[viewer] = Presentation(viewer)
    return presentation


def watch_current_viewer() -> None:
    """Dress what is about to be opened in the viewer in front, if there is one."""
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is not None:
        presentation_of(viewer)
