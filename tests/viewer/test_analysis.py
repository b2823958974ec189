"""What the Analysis dock works with, without a window: differences, meshes, the layers shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Layer

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.planes import spacing
from napari_eldyn.viewer.difference import difference, difference_to_mean, mean_frame
from napari_eldyn.viewer.isolevel_mesh import isosurface_mesh
from napari_eldyn.viewer.layers import trajectory_layer
from napari_eldyn.viewer.plane_place import shown_cells
from napari_eldyn.viewer.region_count import (
    LayerChoice,
    SphereChoice,
    count_in_layer,
    count_in_sphere,
)
from napari_eldyn.viewer.region_surface import layer_data
from napari_eldyn.viewer.shown_field import FieldValues, ShownField
from napari_eldyn.viewer.tiling import TiledVolumes
from napari_eldyn.viewer.worker import Stopped

GRID = PeriodicGrid([[4, 0, 0], [1, 5, 0], [0, -1, 6]], (8, 10, 12), (1.0, 2.0, -3.0))


def noise(n: int, seed: int, times: Any = None, **fields: Any) -> DensityTrajectory:
    values = np.random.default_rng(seed).random((n, *GRID.shape), np.float32)
    times = 2.0 * np.arange(n) if times is None else times
    return DensityTrajectory.from_array(values, GRID, times, **fields)


def test_frames_of_equal_time_are_subtracted() -> None:
    first = noise(5, 0, numbers=[6, 1], positions=np.random.default_rng(1).random((5, 2, 3)))
    second = noise(4, 2, times=[3.0, 4.0, 6.0, 8.0])
    made = difference(first, second)
    assert made.times == pytest.approx([4, 6, 8])
    for k, (i, j) in enumerate(((2, 1), (3, 2), (4, 3))):
        assert made[k] == pytest.approx(first[i] - second[j])
        assert made.positions[k] == pytest.approx(first.positions[i])
    assert made.quantity == "density_difference"
    assert made.unit == "electrons/Å³"
    with pytest.raises(EldynError, match=r"no frame of .* has the time"):
        difference(first, noise(3, 1, times=[1.0, 3.0, 5.0]))
    # A single frame stands beside all, whichever it is.
    single = noise(1, 3, times=[77.0])
    assert difference(first, single)[4] == pytest.approx(first[4] - single[0])
    turned = difference(single, first)
    assert turned[4] == pytest.approx(single[0] - first[4])
    assert turned.times == pytest.approx(first.times)
    # Frames that are only counted are paired in their order.
    counted_only = noise(3, 4, times_known=False)
    assert len(difference(first, counted_only)) == 3
    with pytest.raises(EldynError, match=r"potential.*means nothing"):
        difference(first, noise(5, 1, quantity="potential"))
    few = GRID.with_shape((4, 5, 6))
    coarse = DensityTrajectory.from_array(np.ones((5, *few.shape)), few, range(5))
    with pytest.raises(EldynError, match=r"8 × 10 × 12 and 4 × 5 × 6 points.*--grid"):
        difference(first, coarse)


def test_the_mean_is_streamed_and_can_be_given_up() -> None:
    trajectory = noise(6, 0)
    seen: list[int] = []
    mean = mean_frame(trajectory, lambda done, n: seen.append(done))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert mean == pytest.approx(np.mean([trajectory[i] for i in range(6)], axis=0), abs=1e-6)
    made = difference_to_mean(trajectory, mean)
    assert np.sum([made[i] for i in range(6)], axis=0) == pytest.approx(0, abs=1e-5)

    def stop(done: int, n: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        mean_frame(trajectory, stop)
    broken = np.ones((2, *GRID.shape), np.float32)
    broken[1, 2, 3, 4] = np.nan
    with pytest.raises(EldynError, match="frame 1 has 1 values"):
        mean_frame(DensityTrajectory.from_array(broken, GRID, [0.0, 1.0]))


def layer_of(trajectory: DensityTrajectory, tiling: Any = (1, 1, 1), shift: Any = (0, 0, 0)) -> Any:
    data, keywords, kind = trajectory_layer(trajectory)
    layer = Layer.create(data, keywords, kind)
    if tuple(tiling) != (1, 1, 1) or tuple(shift) != (0, 0, 0):
        layer.data = TiledVolumes(data, tiling, shift)
    return layer


@pytest.mark.parametrize(
    ("tiling", "shift"), [((1, 1, 1), (0, 0, 0)), ((2, 1, 1), (3, 0, 5)), ((1, 2, 3), (7, 9, 1))]
)
def test_isosurfaces_are_where_the_layer_shows_them(tiling: Any, shift: Any) -> None:
    nodes = np.stack(np.meshgrid(*(np.arange(n) / n for n in GRID.shape), indexing="ij"), axis=-1)
    wave = np.cos(2 * np.pi * nodes @ [1, 0, 1]) + 0.5 * np.sin(2 * np.pi * nodes @ [0, 1, 0])
    field = wave.astype(np.float32)
    layer = layer_of(DensityTrajectory.from_array(field[None], GRID, [0.0]), tiling, shift)
    cells = shown_cells(layer, GRID)
    mesh = isosurface_mesh(field, GRID, (0.6, -0.6), cells)
    assert mesh is not None
    assert set(mesh.signs) == {-1.0, 1.0}
    # What napari draws at the vertices, interpolated in the data of the layer, is the level.
    scale = np.asarray(layer.data_to_world(np.zeros(4)))[-3:]
    matrix = np.array(
        [np.asarray(layer.data_to_world(np.eye(4)[axis]))[-3:] - scale for axis in (1, 2, 3)]
    )
    places = (mesh.vertices - scale) @ np.linalg.inv(matrix)
    shown = np.asarray(layer.data[0])
    assert np.all(places > -1e-3)
    assert np.all(places < np.array(shown.shape) + 1e-3)
    wrapped = np.pad(shown, ((0, 1),) * 3, mode="wrap")
    low = np.clip(np.floor(places + 1e-6).astype(int), 0, np.array(shown.shape) - 1)
    share = places - low
    values = np.zeros(len(places))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, share, 1 - share), axis=1)
        values += weight * wrapped[tuple((low + corner).T)]
    assert values == pytest.approx(0.6 * mesh.signs, abs=2e-3)
    assert mesh.faces.max() == len(mesh.vertices) - 1
    assert isosurface_mesh(field, GRID, (9.0,), cells) is None


def test_a_layer_is_bounded_by_its_two_planes() -> None:
    layer = layer_of(noise(1, 0))
    cells = shown_cells(layer, GRID)
    choice = LayerChoice((0, 1, 0), 1.0, 2.5)
    found = layer_data(choice, GRID, cells)
    assert found is not None
    normal = GRID.reciprocal_vectors[1] / np.linalg.norm(GRID.reciprocal_vectors[1])
    heights = (found[0] - GRID.origin) @ normal
    assert np.sort(np.unique(np.round(heights, 4))) == pytest.approx([1.0, 2.5])
    assert layer_data(LayerChoice((0, 1, 0), 90.0, 91.0), GRID, cells) is None


def test_counts_name_what_is_missing_and_what_is_counted_twice() -> None:
    trajectory = noise(3, 0, numbers=[1], positions=np.zeros((3, 1, 3)))
    field = ShownField(
        layer_of(trajectory),
        GRID,
        QUANTITIES["density"],
        trajectory,
        2,
        "t = 4 fs",
        lambda: trajectory[2],
        None,
    )
    values = FieldValues(field.load(), GRID)
    with pytest.raises(EldynError, match="not known"):
        count_in_sphere(field, SphereChoice(4, (0, 0, 0), 1.0), values)
    wide = count_in_sphere(field, SphereChoice(0, (0, 0, 0), 3.0), values)
    assert "periodic images" in wide.note
    assert not count_in_sphere(field, SphereChoice(0, (0, 0, 0), 1.0), values).note
    whole = count_in_layer(field, LayerChoice((1, 0, 0), 0.0, spacing(GRID, (1, 0, 0))), values)
    assert whole.value == pytest.approx(trajectory.electrons(2), rel=1e-6)
    assert whole.volume == pytest.approx(GRID.volume)
    assert whole.total == pytest.approx(whole.value, rel=1e-6)
