"""Densities of a rollout side by side: linked panels on one time axis."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.viewer._compat import redraw_boxes, thin_out_ticks
from napari_eldyn.viewer.arrangement import arrange, has_free_panel, titles_fit
from napari_eldyn.viewer.frames import LazyVolumes
from napari_eldyn.viewer.layers import (
    LINKED_ATTRIBUTES,
    PANEL_KEY,
    dress_layer,
    layer_keywords,
)
from napari_eldyn.viewer.looks import SignedLook, rounded, spread_colormap
from napari_eldyn.viewer.pairing import Pairing
from napari_eldyn.viewer.panel_kinds import DENSITIES, PANELS
from napari_eldyn.viewer.presentation import Presentation, presentation_of

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

__all__ = ["Comparison"]

Volume = npt.NDArray[np.float32]
_N_AXES = 4  # time and space


class Comparison:
    """The panels of a rollout: any subset of `PANELS`, in one linked grid.

    It borrows the reference layer, which shows the frames that pair with generated ones and is
    invisible while its panel is hidden; the other panels are layers of its own, which exist while
    they are shown. `close` gives the reference layer back as it was.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    reference : napari.layers.Image
        The layer of the reference trajectory.
    pairing : Pairing
        What stands beside what; may be replaced by one that differs in the offset.
    n_steps : int
        Generated frames there is room for; see `make_room`.
    shown : iterable of str
        Panels to begin with, at least one.
    read : callable
        ``read(panel, index)`` returns a volume without delay, or None if it is absent or still
        in the making.
    title : callable
        ``title(panel)`` returns the name of a panel.
    note : callable
        Returns remarks on the panels at an index, or an empty text.
    warning : callable
        Returns what must not be overlooked at an index, or an empty text.
    on_index : callable
        Called with the index shown whenever it changes.
    on_removed : callable
        Called with the name of a panel whose layer the user removed.
    on_visible : callable
        Called with the name of a panel whose layer the user hid or brought back.
    """

    def __init__(
        self,
        viewer: Viewer,
        reference: Image,
        pairing: Pairing,
        n_steps: int,
        *,
        shown: Iterable[str],
        read: Callable[[str, int], Volume | None],
        title: Callable[[str], str],
        note: Callable[[int], str],
        warning: Callable[[int], str],
        on_index: Callable[[int], None],
        on_removed: Callable[[str], None],
        on_visible: Callable[[str], None],
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self.pairing = pairing
        self.n_steps = n_steps
        self._read, self._title, self._note, self._warning = read, title, note, warning
        self._on_index, self._on_removed, self._on_visible = on_index, on_removed, on_visible
        self._busy = False
        self._closed = False
        self._last_index = -1
        self._signed: SignedLook | None = None
        self._reference = reference
        self._layers: dict[str, Image] = {"reference": reference}
        self._kept = {
            name: getattr(reference, name)
            for name in ("data", "scale", "translate", "name", "visible")
        }
        grid = viewer.canvas.grid
        self._grid_was_enabled = grid.enabled
        panels = [name for name in PANELS if name in set(shown)]
        # Beside, not on top of, the reference from the start: one redraw less.
        grid.stride, grid.shape, grid.spacing, grid.enabled = 1, (1, -1), 0.0, True
        self._borrow_reference("reference" in panels)
        for name in panels:
            if name != "reference":
                self._add_panel(viewer, name)
        self._arrange(viewer)
        active = self._layers.get("generated", reference)
        viewer.layers.selection = [active]
        reference.events.visible.connect(self._visible_changed)
        viewer.layers.events.removed.connect(self._layer_removed)
        viewer.dims.events.current_step.connect(self._index_changed)
        viewer.dims.events.ndisplay.connect(self._choose_colours)
        viewer.canvas.events.background_color.connect(self._choose_colours)
        viewer.canvas.events.size.connect(self._rearrange)
        self.go_to(0)
        presentation = presentation_of(viewer)
        presentation.describe_with(self.describe, lambda: self._warning(self.index))
        presentation.fit()

    # -- the time axis ------------------------------------------------------------------------

    @property
    def index(self) -> int:
        """Index shown now; 0 is the start frame."""
        viewer = self._viewer()
        if viewer is None:
            return 0
        point = viewer.dims.point[viewer.dims.ndim - _N_AXES]
        index = round((point - self.pairing.first_time) / self.pairing.time_step)
        return int(min(max(index, 0), self.n_steps))

    def go_to(self, index: int) -> None:
        """Show an index in all panels."""
        viewer = self._viewer()
        if viewer is not None:
            viewer.dims.set_point(viewer.dims.ndim - _N_AXES, self.pairing.time(index))

    def make_room(self, n_steps: int) -> None:
        """Lengthen the time axis to hold at least this many generated frames."""
        if n_steps > self.n_steps:
            self.n_steps = n_steps
            for name, layer in self._layers.items():
                layer.data = self._volumes(name)

    def refresh(self, index: int, panels: Iterable[str], *, thumbnail: bool = False) -> None:
        """Draw panels again, those that are there, if this index is shown.

        Parameters
        ----------
        index : int
            Where something is new.
        panels : iterable of str
            Names of the panels it concerns.
        thumbnail : bool
            Whether to renew the pictures in the layer list: not at the rate of the display.
        """
        if not self._closed and index == self.index:
            for name in panels:
                layer = self._layers.get(name)
                if layer is not None and layer.visible:
                    layer.refresh(thumbnail=thumbnail, highlight=False, extent=False)
        presentation = self._presentation()
        if presentation is not None:
            presentation.update_text()

    def describe(self) -> str:
        """Text for the canvas: time, step, and why a panel is empty."""
        index, pairing = self.index, self.pairing
        problems = {x.data.problems.get(index, "") for x in self.layers.values()}
        lines = [self._note(index)]
        viewer = self._viewer()
        if viewer is not None and has_free_panel(viewer):
            lines = [line.replace(", ", "\n") for line in lines]
        if viewer is not None and not titles_fit(viewer):
            lines.insert(0, "densities in e/Å³")
        lines += [*sorted(problems), pairing.why_no_reference(index)]
        offset = f", reference at {pairing.offset_time:+g} fs" if pairing.offset else ""
        place = "start frame" if index == 0 else f"step {index} of {self.n_steps}"
        lines.append(f"t = {pairing.time(index):g} fs{offset}    {place}".replace("-", "−"))
        return "\n".join(line for line in lines if line)

    # -- the panels ---------------------------------------------------------------------------

    @property
    def reference(self) -> Image:
        """The reference's layer, visible while its panel is shown."""
        return self._reference

    @property
    def has_reference(self) -> bool:
        """Whether the reference's layer is still in the viewer, shown or not."""
        viewer = self._viewer()
        return viewer is not None and self._reference in viewer.layers

    @property
    def layers(self) -> dict[str, Image]:
        """The panels shown, by name, in the order in which they stand."""
        layers = self._layers
        return {name: layers[name] for name in PANELS if name in layers and layers[name].visible}

    def show(self, name: str) -> None:
        """Add a panel, or make it visible again."""
        viewer = self._viewer()
        if viewer is None or name in self.layers:
            return
        self._busy = True
        if name in self._layers:
            self._layers[name].visible = True
        else:
            selected = set(viewer.layers.selection)
            arrange(viewer, n_more=1)
            self._add_panel(viewer, name)
            viewer.layers.selection = selected
        self._busy = False
        self._arrange(viewer, fit=True)

    def hide(self, name: str) -> None:
        """Remove a panel; the reference's layer stays, invisible."""
        viewer, layer = self._viewer(), self._layers.get(name)
        if viewer is None or layer is None:
            return
        self._busy = True
        if name == "reference":
            layer.visible = False
        else:
            selected = set(viewer.layers.selection) - {layer}
            self._forget(name)
            if layer in viewer.layers:
                viewer.layers.remove(layer)
            viewer.layers.selection = selected or {self._reference}
        self._busy = False
        self._arrange(viewer, fit=True)

    def rename(self) -> None:
        """Give the panels their names anew."""
        for name, layer in self._layers.items():
            title = self._title(name)
            if layer.name != title:
                layer.name = title

    def fit_scales(self) -> None:
        """Spread the colour scales of difference and standard deviation over what they show."""
        for name in ("difference", "std"):
            layer = self.layers.get(name)
            if layer is None:
                continue
            values = np.abs(layer.data[self.index])
            if not values.any():
                continue
            limit = rounded(float(np.percentile(values, 99.9)))
            if name == "difference" and self._signed is not None:
                self._signed.set_limit(limit)
            else:
                layer.contrast_limits_range = (0.0, max(limit, layer.contrast_limits_range[1]))
                layer.contrast_limits = (0.0, limit)

    def close(self) -> None:
        """Remove our own layers and give the reference layer back as it was."""
        if self._closed:
            return
        self._closed = self._busy = True
        viewer, reference = self._viewer(), self._reference
        if viewer is None:
            return
        viewer.layers.events.removed.disconnect(self._layer_removed)
        viewer.dims.events.current_step.disconnect(self._index_changed)
        viewer.dims.events.ndisplay.disconnect(self._choose_colours)
        viewer.canvas.events.background_color.disconnect(self._choose_colours)
        viewer.canvas.events.size.disconnect(self._rearrange)
        reference.events.visible.disconnect(self._visible_changed)
        presentation_of(viewer).describe_with(None)
        for name in [name for name in self._layers if name != "reference"]:
            layer = self._layers[name]
            self._forget(name)
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        for name, value in self._kept.items():
            setattr(reference, name, value)
        reference.name_overlay.visible = False
        if reference in viewer.layers:
            viewer.layers.selection = [reference]
        viewer.canvas.grid.enabled = self._grid_was_enabled
        arrange(viewer)
        presentation_of(viewer).fit()

    # -- the layers ---------------------------------------------------------------------------

    def _volumes(self, panel: str) -> LazyVolumes:
        shape = self.pairing.trajectory.grid.shape
        return LazyVolumes(self.n_steps + 1, shape, lambda index: self._read(panel, index))

    def _add_panel(self, viewer: Viewer, name: str) -> None:
        """Add a layer; that of a density looks like the reference, and goes on doing so."""
        from napari.experimental import link_layers
        from napari.layers import Image

        reference, is_density = self._reference, name in DENSITIES
        low, high = (float(limit) for limit in reference.contrast_limits)
        limit = rounded(0.5 * (high - low))
        limits = {"difference": (-limit, limit), "std": (0.0, limit)}.get(name, (low, high))
        keywords = layer_keywords(
            self.pairing.trajectory.grid, self.pairing.first_time, self.pairing.time_step, limits
        )
        if is_density:
            for attribute in ("colormap", "rendering", "gamma", "attenuation", "interpolation3d"):
                keywords[attribute] = getattr(reference, attribute)
            keywords["iso_threshold"] = reference.iso_threshold
        elif name == "std":
            keywords["colormap"] = spread_colormap()
        keywords["metadata"] = {PANEL_KEY: name}
        layer = Image(self._volumes(name), name=self._title(name), **keywords)
        dress_layer(layer)
        _show_title(layer)
        if is_density:
            layer.contrast_limits_range = reference.contrast_limits_range
        elif name == "std":
            layer.contrast_limits_range = (0.0, 2 * high)
        else:
            self._signed = SignedLook(layer, limit)
            self._choose_colours()
        viewer.layers.insert(self._place_of(viewer, name), layer)
        self._layers[name] = layer
        if is_density:
            link_layers([layer, reference], LINKED_ATTRIBUTES)
        layer.events.visible.connect(self._visible_changed)

    def _place_of(self, viewer: Viewer, name: str) -> int:
        """Return where in the layer list a panel belongs."""
        rank, layers = PANELS.index(name), viewer.layers
        places = {PANELS.index(x): layers.index(y) for x, y in self._layers.items() if y in layers}
        later = [place for other, place in places.items() if other > rank]
        return min(later) if later else max(places.values(), default=len(layers) - 1) + 1

    def _borrow_reference(self, visible: bool) -> None:
        layer = self._reference
        space = tuple(layer.scale[1:])
        layer.visible = visible
        layer.data = self._volumes("reference")
        layer.scale = (self.pairing.time_step, *space)
        layer.translate = (self.pairing.first_time, *layer.translate[1:])
        layer.name = self._title("reference")
        _show_title(layer)

    def _forget(self, name: str) -> None:
        from napari.experimental import unlink_layers

        layer = self._layers.pop(name)
        layer.events.visible.disconnect(self._visible_changed)
        if name in DENSITIES:
            unlink_layers([layer, self._reference], LINKED_ATTRIBUTES)
        if name == "difference":
            self._signed = None

    def _choose_colours(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None and self._signed is not None:
            self._signed.show(viewer.dims.ndisplay, viewer.canvas.background_color)

    def _rearrange(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None:
            self._arrange(viewer, fit=True)

    def _arrange(self, viewer: Viewer, fit: bool = False) -> None:
        arrange(viewer)
        redraw_boxes(viewer, self._layers.values())
        thin_out_ticks(viewer, self._layers.values())
        if fit:
            presentation_of(viewer).fit_again()

    # -- what the viewer says -----------------------------------------------------------------

    def _presentation(self) -> Presentation | None:
        viewer = self._viewer()
        return None if viewer is None else presentation_of(viewer)

    def _index_changed(self, event: Any = None) -> None:
        index = self.index
        if index != self._last_index:
            self._last_index = index
            self._on_index(index)

    def _visible_changed(self, event: Any) -> None:
        if not self._busy:
            self._rearrange()
            for name, layer in self._layers.items():
                if layer is event.source:
                    self._on_visible(name)

    def _layer_removed(self, event: Any) -> None:
        name = next((x for x, layer in self._layers.items() if layer is event.value), None)
        if name is None or self._busy:
            return
        if name != "reference":
            self._forget(name)
            self._rearrange()
        self._on_removed(name)


def _show_title(layer: Image) -> None:
    layer.name_overlay.visible = True
    layer.name_overlay.box = False
    layer.name_overlay.font_size = 9  # as the unit at the other end of the panel
