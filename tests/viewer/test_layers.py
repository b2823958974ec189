from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pytest
from liquid import gaussian_liquid
from napari.layers import Image, Layer
from qtpy.QtWidgets import QApplication

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.layers import (
    contrast_limits,
    layer_trajectory,
    trajectory_layer,
    trajectory_layers,
)
from napari_eldyn.viewer.presentation import presentation_of

MakeViewer = Callable[..., napari.Viewer]


def test_axes_are_in_femtoseconds_and_angstroms() -> None:
    trajectory = gaussian_liquid(4)
    layer = Layer.create(*trajectory_layer(trajectory))
    assert isinstance(layer, Image)
    assert [str(unit) for unit in layer.units] == ["femtosecond", *["angstrom"] * 3]
    assert layer.axis_labels == ("time", "x", "y", "z")
    spacing = 5.0 / 16
    # Grid point (3, 4, 5) of frame 2.
    world = layer.data_to_world((2, 3, 4, 5))
    np.testing.assert_allclose(world, (108.0, 3 * spacing, 4 * spacing, 5 * spacing))
    assert layer_trajectory(layer) is trajectory


def test_points_of_an_oblique_cell_lie_where_the_cell_puts_them() -> None:
    cell = np.array([[6.0, 0, 0], [1.5, 5.0, 0], [0.5, 1.0, 7.0]])
    grid = PeriodicGrid(cell, (6, 5, 4))
    density = np.random.default_rng(0).uniform(0.01, 0.1, (2, 6, 5, 4)).astype(np.float32)
    trajectory = DensityTrajectory.from_array(density, grid, [10.0, 12.5])
    layer = Layer.create(*trajectory_layer(trajectory))
    index = np.array([3, 2, 1])
    world = layer.data_to_world((1, *index))
    np.testing.assert_allclose(world[0], 12.5)
    np.testing.assert_allclose(world[1:], (index / grid.shape) @ cell)


def test_contrast_puts_the_sea_in_the_first_colour_and_atoms_in_the_last() -> None:
    density = gaussian_liquid(1)[0]
    low, high = contrast_limits(density)
    assert 0.045 < low < 0.06
    assert 0.1 < high <= density.max() * 1.05
    assert (density > high).mean() < 0.01


def test_contrast_of_strange_fields_is_still_a_range() -> None:
    for field in (np.full((4, 4, 4), 0.5), np.zeros((4, 4, 4)), np.full((4, 4, 4), np.nan)):
        low, high = contrast_limits(field.astype(np.float32))
        assert np.isfinite([low, high]).all()
        assert high > low


def test_an_empty_trajectory_is_refused() -> None:
    grid = PeriodicGrid(np.eye(3), (2, 2, 2))
    empty = DensityTrajectory.from_array(np.zeros((0, 2, 2, 2), np.float32), grid, [])
    with pytest.raises(EldynError, match="no frame"):
        trajectory_layer(empty)


def test_opening_gives_a_dressed_3d_view(make_napari_viewer: MakeViewer, liquid_path: Path) -> None:
    viewer = make_napari_viewer(show=True)
    (layer,) = viewer.open(liquid_path, plugin="napari-eldyn")
    QApplication.processEvents()
    assert layer.name == "liquid"
    assert viewer.dims.ndisplay == 3
    assert viewer.dims.point[0] == 100.0
    assert layer.bounding_box.visible
    assert layer.colorbar.visible
    overlays = viewer.canvas.overlays
    assert overlays.scale_bar.visible
    assert overlays.density_unit.visible
    assert overlays.density_unit.text == "e/Å³"
    assert overlays.text.text == "t = 100 fs    frame 0 of 12"
    positions = [overlays[name].position for name in ("scale_bar", "text", "density_unit")]
    assert len(set(positions)) == 3, "overlays must not lie on each other"
    viewer.dims.set_point(0, 120.0)
    assert overlays.text.text == "t = 120 fs    frame 5 of 12"
    # It is drawn: the atoms are bright on a dark ground.
    picture = viewer.screenshot(flash=False)[..., :3].max(axis=-1)
    assert 0.01 < (picture > 200).mean() < 0.5
    layer.visible = False
    assert overlays.text.text == ""
    assert not overlays.density_unit.visible


def test_the_whole_cell_stays_in_view_when_the_window_changes(
    make_napari_viewer: MakeViewer, liquid_path: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 700)
    viewer.open(liquid_path, plugin="napari-eldyn")
    QApplication.processEvents()
    before = viewer.scene.camera.zoom
    viewer.window.resize(1300, 950)
    QApplication.processEvents()
    assert viewer.scene.camera.zoom > 1.1 * before
    # A view that someone chose stays.
    viewer.scene.camera.zoom *= 3
    chosen = viewer.scene.camera.zoom
    viewer.window.resize(900, 700)
    QApplication.processEvents()
    assert viewer.scene.camera.zoom == chosen


def test_a_frame_with_nan_is_not_shown_and_says_so(make_napari_viewer: MakeViewer) -> None:
    density = np.array([gaussian_liquid(3)[i] for i in range(3)])
    density[1, 0, 0, 0] = np.nan
    grid = gaussian_liquid(1).grid
    trajectory = DensityTrajectory.from_array(density, grid, [0.0, 4.0, 8.0])
    viewer = make_napari_viewer(show=True)
    presentation_of(viewer)
    viewer.add_layer(Layer.create(*trajectory_layer(trajectory)))
    viewer.dims.set_point(0, 4.0)
    QApplication.processEvents()
    text = viewer.canvas.overlays.text.text
    assert "NaN" in text
    assert "frame 1" in text
    viewer.dims.set_point(0, 8.0)
    assert "NaN" not in viewer.canvas.overlays.text.text


def test_unequal_steps_show_the_true_times(make_napari_viewer: MakeViewer) -> None:
    density = np.array([gaussian_liquid(3)[i] for i in range(3)])
    trajectory = DensityTrajectory.from_array(density, gaussian_liquid(1).grid, [0.0, 1.0, 8.0])
    viewer = make_napari_viewer()
    presentation_of(viewer)
    viewer.add_layer(Layer.create(*trajectory_layer(trajectory)))
    viewer.dims.set_point(0, 4.0)
    assert viewer.canvas.overlays.text.text.startswith("t = 1 fs    frame 1 of 3\n")


OBLIQUE = np.array([[6.0, 0, 0], [1.5, 5.0, 0], [0.5, 1.0, 7.0]])


@pytest.mark.parametrize("cell", [np.diag([6.0, 5.0, 7.0]), OBLIQUE], ids=["straight", "oblique"])
def test_a_grid_lies_at_its_origin(cell: np.ndarray) -> None:
    grid = PeriodicGrid(cell, (6, 5, 4), origin=(-1.0, 2.0, 0.5))
    density = np.random.default_rng(0).uniform(0.01, 0.1, (2, 6, 5, 4)).astype(np.float32)
    trajectory = DensityTrajectory.from_array(density, grid, [10.0, 12.5])
    layer = Layer.create(*trajectory_layer(trajectory))
    index = np.array([3, 2, 1])
    world = layer.data_to_world((1, *index))
    np.testing.assert_allclose(world[1:], (index / grid.shape) @ cell + [-1.0, 2.0, 0.5])


def field(quantity: str, values: np.ndarray, **fields: object) -> DensityTrajectory:
    grid = PeriodicGrid(np.eye(3) * 4.0, values.shape)
    return DensityTrajectory.from_array(
        values[None], grid, [0.0], quantity=quantity, times_known=False, **fields
    )


SIGNED = np.random.default_rng(1).normal(0, 2, (8, 8, 8)).astype(np.float32)


@pytest.mark.parametrize(
    ("quantity", "values", "unit", "limits"),
    [
        ("density", np.abs(SIGNED), "e/Å³", None),
        ("spin_density", SIGNED, "e/Å³", "symmetric"),
        ("potential", SIGNED - 1, "eV", "symmetric"),
        ("orbital", SIGNED, "Å^(-3/2)", "symmetric"),
        ("localisation", np.abs(SIGNED) / 20, "ELF", (0.0, 1.0)),
        ("unknown", np.abs(SIGNED), "unit of the file", None),
        ("unknown", SIGNED, "unit of the file", "symmetric"),
    ],
)
def test_each_quantity_has_its_unit_and_range(
    make_napari_viewer: MakeViewer, quantity: str, values: np.ndarray, unit: str, limits: object
) -> None:
    viewer = make_napari_viewer()
    presentation_of(viewer)
    layer = viewer.add_layer(Layer.create(*trajectory_layer(field(quantity, values))))
    low, high = layer.contrast_limits
    assert low < high
    assert bool(low == -high) is (limits == "symmetric")
    # Both signs show: a projection of maxima would hide the negative one.
    assert (layer.rendering == "translucent") is (limits == "symmetric")
    if isinstance(limits, tuple):
        assert (low, high) == limits
    assert viewer.canvas.overlays.density_unit.text == unit
    if limits == "symmetric":
        less, more = layer.colormap.map(np.array([0.0, 1.0]))
        assert less[2] > less[0]
        assert more[0] > more[2]
        layer.contrast_limits = (low, 2 * high)
        assert tuple(layer.contrast_limits) == (-2 * high, 2 * high)


def test_a_spin_density_comes_as_a_hidden_layer(make_napari_viewer: MakeViewer) -> None:
    trajectory = field(
        "density",
        np.abs(SIGNED),
        kind="valence",
        extra={"density_spin": SIGNED[None]},
        provenance={"expected_electrons": 8},
    )
    viewer = make_napari_viewer()
    presentation_of(viewer)
    density, spin = (
        viewer.add_layer(Layer.create(*data)) for data in trajectory_layers(trajectory)
    )
    QApplication.processEvents()
    assert density.visible
    assert not spin.visible
    assert viewer.layers.selection.active is density
    np.testing.assert_array_equal(spin.data[0], SIGNED)
    # Electrons against those expected; the moment of the spin density in Bohr magnetons.
    count = np.abs(SIGNED).sum(dtype=float) * (4.0 / 8) ** 3
    text = viewer.canvas.overlays.text
    assert text.text == f"{count:.2f} valence electrons, 8 expected"
    assert "not the 8 electrons" in viewer.canvas.overlays.density_warning.text
    density.visible, spin.visible = False, True
    moment = SIGNED.sum(dtype=float) * (4.0 / 8) ** 3
    assert text.text == f"{moment:.2f} μB (spin up − spin down)"
    found = layer_trajectory(spin)
    assert found is not None
    assert (found.quantity, found.kind) == ("spin_density", "spin")


def test_no_times_are_made_up(make_napari_viewer: MakeViewer) -> None:
    source = gaussian_liquid(3)
    density = np.array([source[i] for i in range(3)])
    trajectory = DensityTrajectory.from_array(
        density, source.grid, [0.0, 1.0, 2.0], times_known=False, kind="pseudo"
    )
    viewer = make_napari_viewer()
    presentation_of(viewer)
    layer = viewer.add_layer(Layer.create(*trajectory_layer(trajectory)))
    assert layer.axis_labels[0] == "frame"
    viewer.dims.set_current_step(0, 1)
    assert viewer.canvas.overlays.text.text == "frame 1 of 3"
