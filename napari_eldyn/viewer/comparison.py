"""Generated and reference densities side by side: linked panels on one time axis."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.viewer._compat import redraw_boxes
from napari_eldyn.viewer.arrangement import arrange, has_rows
from napari_eldyn.viewer.frames import LazyVolumes
from napari_eldyn.viewer.layers import (
    LINKED_ATTRIBUTES,
    checked_reader,
    dress_layer,
    layer_keywords,
)
from napari_eldyn.viewer.pairing import Pairing
from napari_eldyn.viewer.presentation import Presentation, presentation_of

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

__all__ = ["Comparison"]

Volume = npt.NDArray[np.float32]


class Comparison:
    """The panels of a rollout: generated, reference and, if wanted, the reference reconstructed.

    It owns the generated and the reconstruction layer and borrows the reference layer. While it
    lasts, the reference layer shows the frames that pair with generated ones. `close` gives it
    back as it was.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    reference : napari.layers.Image
        The layer of the reference trajectory.
    pairing : Pairing
        What stands beside what.
    n_steps : int
        Generated frames there is room for; see `make_room`.
    title : str
        Name of the model, for the generated layer.
    read_generated : callable
        Returns the volume at an index without delay, or None if it is absent or still decoded.
    note : callable
        Returns remarks on the panels at an index, or an empty text.
    warning : callable
        Returns what must not be overlooked at an index, or an empty text.
    on_index : callable
        Called with the index shown whenever it changes.
    on_removed : callable
        Called with the layer when the user removes one of the panels.
    """

    def __init__(
        self,
        viewer: Viewer,
        reference: Image,
        pairing: Pairing,
        n_steps: int,
        *,
        title: str,
        read_generated: Callable[[int], Volume | None],
        note: Callable[[int], str],
        warning: Callable[[int], str],
        on_index: Callable[[int], None],
        on_removed: Callable[[Image], None],
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self.pairing = pairing
        self.reference = reference
        self._read_trajectory = checked_reader(pairing.trajectory)
        self._readers = {"generated": read_generated, "reference": self._read_reference}
        self._note = note
        self._warning = warning
        self._on_index = on_index
        self._on_removed = on_removed
        self._closed = False
        self._last_index = -1
        self._kept = {
            name: getattr(reference, name) for name in ("data", "scale", "translate", "name")
        }
        self._grid_was_enabled = viewer.canvas.grid.enabled
        self.n_steps = n_steps
        self.reconstruction: Image | None = None
        # Beside, not on top of, the reference from the start: one redraw less.
        grid = viewer.canvas.grid
        grid.stride, grid.shape, grid.spacing, grid.enabled = 1, (1, -1), 0.0, True
        self.generated = self._add_panel(viewer, "generated", f"{title} (generated)")
        self._borrow_reference()
        arrange(viewer)
        self._dress_moved(viewer)
        viewer.layers.selection = [self.generated]
        viewer.layers.events.removed.connect(self._layer_removed)
        viewer.dims.events.current_step.connect(self._index_changed)
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
        point = viewer.dims.point[viewer.dims.ndim - self.generated.ndim]
        index = round((point - self.pairing.first_time) / self.pairing.time_step)
        return int(min(max(index, 0), self.n_steps))

    def go_to(self, index: int) -> None:
        """Show an index in both panels."""
        viewer = self._viewer()
        if viewer is not None:
            axis = viewer.dims.ndim - self.generated.ndim
            viewer.dims.set_point(axis, self.pairing.time(index))

    def make_room(self, n_steps: int) -> None:
        """Lengthen the time axis to hold at least this many generated frames."""
        if n_steps > self.n_steps:
            self.n_steps = n_steps
            for name, layer in self.layers.items():
                layer.data = self._volumes(name)

    def refresh(self, index: int, panel: str = "generated") -> None:
        """Draw a panel again if it is there and this index is shown."""
        layer = self.layers.get(panel)
        if not self._closed and layer is not None and index == self.index:
            # A reconstruction comes late; a generated frame may come at the rate of the display.
            thumbnail = layer is self.reconstruction
            layer.refresh(thumbnail=thumbnail, highlight=False, extent=False)
        presentation = self._presentation()
        if presentation is not None:
            presentation.update_text()

    def describe(self) -> str:
        """Text for the canvas: time, step, and why a panel is empty."""
        index = self.index
        lines = [self._note(index), self.reference.data.problems.get(index, "")]
        if self.pairing.reference_frame(index) is None:
            last = self.pairing.time(self.pairing.n_reference - 1)
            lines.append(f"the reference ends at {last:g} fs")
        place = "start frame" if index == 0 else f"step {index} of {self.n_steps}"
        lines.append(f"t = {self.pairing.time(index):g} fs    {place}")
        return "\n".join(line for line in lines if line)

    # -- the layers ---------------------------------------------------------------------------

    @property
    def layers(self) -> dict[str, Image]:
        """The panels by name, in the order in which they stand."""
        layers = {"generated": self.generated, "reference": self.reference}
        if self.reconstruction is not None:
            layers["reconstruction"] = self.reconstruction
        return layers

    def show_reconstruction(self, read: Callable[[int], Volume | None]) -> None:
        """Add the third panel, after the reference.

        Parameters
        ----------
        read : callable
            Returns the volume at an index without delay, or None if there is none (yet).
        """
        viewer = self._viewer()
        if viewer is not None and self.reconstruction is None:
            selected = set(viewer.layers.selection)
            self._readers["reconstruction"] = read
            name = f"{self.pairing.trajectory.name} (reconstruction)"
            arrange(viewer, n_more=1)
            self.reconstruction = self._add_panel(viewer, "reconstruction", name)
            viewer.layers.selection = selected
            self._dress_moved(viewer)
            presentation_of(viewer).fit_again()

    def hide_reconstruction(self) -> None:
        """Remove the third panel."""
        viewer, layer = self._viewer(), self.reconstruction
        self.reconstruction = None
        if viewer is not None and layer is not None and layer in viewer.layers:
            selected = set(viewer.layers.selection) - {layer}
            self._unlink(layer)
            viewer.layers.remove(layer)
            viewer.layers.selection = selected
            self._rearrange()

    def close(self) -> None:
        """Remove our own layers and give the reference layer back as it was."""
        if self._closed:
            return
        self._closed = True
        viewer = self._viewer()
        if viewer is None:
            return
        viewer.layers.events.removed.disconnect(self._layer_removed)
        viewer.dims.events.current_step.disconnect(self._index_changed)
        viewer.canvas.events.size.disconnect(self._rearrange)
        presentation_of(viewer).describe_with(None)
        self.hide_reconstruction()
        self._unlink(self.generated)
        for name, value in self._kept.items():
            setattr(self.reference, name, value)
        self.reference.name_overlay.visible = False
        self.reference.colorbar.box = True
        if self.generated in viewer.layers:
            viewer.layers.remove(self.generated)
        if self.reference in viewer.layers:
            viewer.layers.selection = [self.reference]
        viewer.canvas.grid.enabled = self._grid_was_enabled
        presentation_of(viewer).fit()

    def _volumes(self, panel: str) -> LazyVolumes:
        shape = self.pairing.trajectory.grid.shape
        return LazyVolumes(self.n_steps + 1, shape, self._readers[panel])

    def _read_reference(self, index: int) -> Volume | None:
        frame = self.pairing.reference_frame(index)
        return None if frame is None else self._read_trajectory(frame)

    def _add_panel(self, viewer: Viewer, panel: str, name: str) -> Image:
        """Add a layer that looks like the reference, and go on looking like it."""
        from napari.experimental import link_layers
        from napari.layers import Image

        keywords = layer_keywords(
            self.pairing.trajectory.grid,
            self.pairing.first_time,
            self.pairing.time_step,
            tuple(self.reference.contrast_limits),
        )
        for attribute in ("colormap", "rendering", "gamma", "attenuation", "interpolation3d"):
            keywords[attribute] = getattr(self.reference, attribute)
        keywords["iso_threshold"] = self.reference.iso_threshold
        layer = Image(self._volumes(panel), name=name, **keywords)
        dress_layer(layer)
        layer.contrast_limits_range = self.reference.contrast_limits_range
        _show_title(layer)
        place = viewer.layers.index(self.reference)
        viewer.layers.insert(place if panel == "generated" else place + 1, layer)
        link_layers([layer, self.reference], LINKED_ATTRIBUTES)
        return layer

    def _borrow_reference(self) -> None:
        layer = self.reference
        space = tuple(layer.scale[1:])
        layer.data = self._volumes("reference")
        layer.scale = (self.pairing.time_step, *space)
        layer.translate = (self.pairing.first_time, *layer.translate[1:])
        layer.name = f"{self.pairing.trajectory.name} (reference)"
        layer.visible = True
        _show_title(layer)

    def _unlink(self, layer: Image) -> None:
        from napari.experimental import unlink_layers

        unlink_layers([layer, self.reference], LINKED_ATTRIBUTES)

    def _rearrange(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is None or not arrange(viewer):
            return
        self._dress_moved(viewer)
        presentation_of(viewer).fit_again()

    def _dress_moved(self, viewer: Viewer) -> None:
        """Draw boxes anew, and let pictures be seen behind colour bars that lie on them."""
        redraw_boxes(viewer, self.layers.values())
        for layer in self.layers.values():
            layer.colorbar.box = not has_rows(viewer)

    def _presentation(self) -> Presentation | None:
        viewer = self._viewer()
        return None if viewer is None else presentation_of(viewer)

    def _index_changed(self, event: Any = None) -> None:
        index = self.index
        if index != self._last_index:
            self._last_index = index
            self._on_index(index)

    def _layer_removed(self, event: Any) -> None:
        layer = event.value
        if layer is self.reconstruction:
            self.reconstruction = None
            self._unlink(layer)
            self._rearrange()
            self._on_removed(layer)
        elif layer in (self.generated, self.reference):
            self._on_removed(layer)


def _show_title(layer: Image) -> None:
    layer.name_overlay.visible = True
    layer.name_overlay.box = False
    layer.name_overlay.font_size = 9  # as the unit at the other end of the panel
