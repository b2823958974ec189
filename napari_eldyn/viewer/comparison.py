"""Generated and reference densities side by side: two linked panels on one time axis."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.viewer.frames import LazyVolumes
from napari_eldyn.viewer.layers import (
    LINKED_ATTRIBUTES,
    checked_reader,
    dress_layer,
    layer_keywords,
)
from napari_eldyn.viewer.presentation import presentation_of

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

__all__ = ["Comparison", "Pairing"]

Volume = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pairing:
    """Which reference frame stands beside which generated one.

    Index 0 is the start frame (generated panel: what the model makes of it); index k pairs
    generated frame k − 1 with reference frame start + k · stride, which has the same time.

    Parameters
    ----------
    trajectory : DensityTrajectory
        The reference.
    start_frame : int
        Its frame from which the rollout starts.
    stride : int
        Reference frames per generated frame.
    time_step : float
        Time between generated frames [fs].
    """

    trajectory: DensityTrajectory
    start_frame: int
    stride: int
    time_step: float

    @property
    def first_time(self) -> float:
        """Time of index 0 [fs]."""
        return float(self.trajectory.times[self.start_frame])

    @property
    def n_reference(self) -> int:
        """Number of indices for which there is a reference frame."""
        return (len(self.trajectory) - 1 - self.start_frame) // self.stride + 1

    def time(self, index: int) -> float:
        """Time of an index [fs]."""
        return self.first_time + index * self.time_step

    def reference_frame(self, index: int) -> int | None:
        """Return the reference frame at an index, or None past the end of the reference."""
        return self.start_frame + index * self.stride if 0 <= index < self.n_reference else None


class Comparison:
    """The two panels of a rollout; owns the generated layer and borrows the reference layer.

    While it lasts, the reference layer shows the frames that pair with generated ones. `close`
    gives it back as it was.

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
        Returns a remark on the generated panel at an index, or an empty text.
    on_index : callable
        Called with the index shown whenever it changes.
    on_removed : callable
        Called when the user removes one of the two layers.
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
        on_index: Callable[[int], None],
        on_removed: Callable[[], None],
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self.pairing = pairing
        self.reference = reference
        self._read_generated = read_generated
        self._read_trajectory = checked_reader(pairing.trajectory)
        self._note = note
        self._on_index = on_index
        self._on_removed = on_removed
        self._closed = False
        self._last_index = -1
        self._kept = {
            name: getattr(reference, name) for name in ("data", "scale", "translate", "name")
        }
        self._grid_was_enabled = viewer.canvas.grid.enabled
        self.n_steps = n_steps
        self.generated = self._add_generated(viewer, title)
        self._borrow_reference()
        self._link()
        self._arrange(viewer)
        viewer.layers.events.removed.connect(self._layer_removed)
        viewer.dims.events.current_step.connect(self._index_changed)
        self.go_to(0)
        presentation = presentation_of(viewer)
        presentation.describe_with(self.describe)
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
            self.generated.data = self._volumes(self._read_generated)
            self.reference.data = self._volumes(self._read_reference)

    def refresh(self, index: int) -> None:
        """Draw the generated panel again if this index is shown."""
        if not self._closed and index == self.index:
            self.generated.refresh(thumbnail=False, highlight=False, extent=False)
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

    def close(self) -> None:
        """Remove the generated layer and give the reference layer back as it was."""
        if self._closed:
            return
        self._closed = True
        viewer = self._viewer()
        if viewer is None:
            return
        viewer.layers.events.removed.disconnect(self._layer_removed)
        viewer.dims.events.current_step.disconnect(self._index_changed)
        presentation_of(viewer).describe_with(None)
        self._unlink()
        for name, value in self._kept.items():
            setattr(self.reference, name, value)
        self.reference.name_overlay.visible = False
        if self.generated in viewer.layers:
            viewer.layers.remove(self.generated)
        if self.reference in viewer.layers:
            viewer.layers.selection = [self.reference]
        viewer.canvas.grid.enabled = self._grid_was_enabled
        presentation_of(viewer).fit()

    def _volumes(self, read: Callable[[int], Volume | None]) -> LazyVolumes:
        return LazyVolumes(self.n_steps + 1, self.pairing.trajectory.grid.shape, read)

    def _read_reference(self, index: int) -> Volume | None:
        frame = self.pairing.reference_frame(index)
        return None if frame is None else self._read_trajectory(frame)

    def _add_generated(self, viewer: Viewer, title: str) -> Image:
        from napari.layers import Image

        keywords = layer_keywords(
            self.pairing.trajectory.grid,
            self.pairing.first_time,
            self.pairing.time_step,
            tuple(self.reference.contrast_limits),
        )
        for name in ("colormap", "rendering", "gamma", "attenuation", "interpolation3d"):
            keywords[name] = getattr(self.reference, name)
        keywords["iso_threshold"] = self.reference.iso_threshold
        data = self._volumes(self._read_generated)
        layer = Image(data, name=f"{title} (generated)", **keywords)
        dress_layer(layer)
        layer.contrast_limits_range = self.reference.contrast_limits_range
        # Beside, not on top of, the reference from the start: one redraw less.
        viewer.canvas.grid.enabled = True
        viewer.layers.insert(viewer.layers.index(self.reference), layer)
        return layer

    def _borrow_reference(self) -> None:
        layer = self.reference
        space = tuple(layer.scale[1:])
        layer.data = self._volumes(self._read_reference)
        layer.scale = (self.pairing.time_step, *space)
        layer.translate = (self.pairing.first_time, *layer.translate[1:])
        layer.name = f"{self.pairing.trajectory.name} (reference)"
        layer.visible = True

    def _link(self) -> None:
        from napari.experimental import link_layers

        link_layers([self.generated, self.reference], LINKED_ATTRIBUTES)

    def _unlink(self) -> None:
        from napari.experimental import unlink_layers

        unlink_layers([self.generated, self.reference], LINKED_ATTRIBUTES)

    def _arrange(self, viewer: Viewer) -> None:
        grid = viewer.canvas.grid
        grid.stride = 1
        grid.shape = (1, -1)
        grid.spacing = 0.0
        grid.enabled = True
        for layer in (self.generated, self.reference):
            layer.name_overlay.visible = True
            layer.name_overlay.box = False
            layer.name_overlay.font_size = 9  # as the unit at the other end of the panel
        viewer.layers.selection = [self.generated]

    def _presentation(self) -> Any:
        viewer = self._viewer()
        return None if viewer is None else presentation_of(viewer)

    def _index_changed(self, event: Any = None) -> None:
        index = self.index
        if index != self._last_index:
            self._last_index = index
            self._on_index(index)

    def _layer_removed(self, event: Any) -> None:
        if event.value in (self.generated, self.reference):
            self._on_removed()
