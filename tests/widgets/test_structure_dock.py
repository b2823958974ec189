"""The Structure dock: switches, cells, shift, picking with the mouse, numbers with units."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from qtpy.QtCore import Qt

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.viewer.cell_view import cell_view_of
from napari_eldyn.viewer.docking import find_dock, open_dock
from napari_eldyn.viewer.layers import trajectory_layer
from napari_eldyn.viewer.preferences import forget
from napari_eldyn.viewer.structure import structure_of
from napari_eldyn.viewer.workbench import equip
from napari_eldyn.widgets.structure_dock import StructureDock

if TYPE_CHECKING:
    import napari
    from pytestqt.qtbot import QtBot

CELL = np.array([[4.0, 0.0, 0.0], [2.0, 2.0 * np.sqrt(3.0), 0.0], [0.0, 0.0, 5.0]])  # γ = 60°
SHAPE = (8, 8, 10)


def two_atoms() -> DensityTrajectory:
    grid = PeriodicGrid(CELL, SHAPE)
    rng = np.random.default_rng(0)
    values = rng.random((2, *SHAPE)).astype(np.float32)
    values *= 10.0 / (values.sum(axis=(1, 2, 3)) * grid.voxel_volume)[:, None, None, None]
    fractions = np.array([[0.125, 0.25, 0.8], [0.5, 0.5, 0.5]])
    return DensityTrajectory.from_array(
        values,
        grid,
        [0.0, 1.0],
        numbers=[8, 6],
        positions=np.array([fractions, fractions + 0.125]) @ CELL,
        kind="valence",
        provenance={"expected_electrons": 10},
    )


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot) -> napari.Viewer:
    forget()
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(620, 460)
    equip(viewer)
    data, keywords, _ = trajectory_layer(two_atoms())
    viewer.add_image(data, **keywords)
    qtbot.waitUntil(lambda: structure_of(viewer).trajectory is not None)
    return viewer


def opened(viewer: napari.Viewer) -> StructureDock:
    dock = open_dock(viewer, "Structure")
    assert isinstance(dock, StructureDock)
    return dock


def test_numbers_have_units(viewer: napari.Viewer, qtbot: QtBot) -> None:
    dock = opened(viewer)
    qtbot.waitUntil(lambda: dock.numbers.texts()["Electrons"] != "–")
    assert dock.numbers.texts() == {
        "Lengths": "4 · 4 · 5 Å",
        "Angles": "90 · 90 · 60 °",
        "Volume": f"{4 * 2 * np.sqrt(3) * 5:.5g} Å³",
        "Atoms": "2 (CO)",
        "Grid": "8 × 8 × 10, 0.5 Å",
        "Electrons": "10, 10 expected",
    }
    parent = find_dock(viewer, "Structure")
    window = viewer.window._qt_window
    assert window.dockWidgetArea(parent) == Qt.DockWidgetArea.RightDockWidgetArea
    assert dock.minimumSizeHint().width() <= 340
    assert dock.minimumSizeHint().height() < 700


def test_switches_cells_and_shift(viewer: napari.Viewer, qtbot: QtBot) -> None:
    dock, structure, view = opened(viewer), structure_of(viewer), cell_view_of(viewer)
    assert {part: box.isChecked() for part, box in dock.boxes.items()} == {
        "cell": True,
        "atoms": True,
        "bonds": False,
    }
    dock.boxes["bonds"].click()
    assert structure.is_shown("bonds")
    dock.tiling.boxes[1].setValue(2)
    assert view.tiling == (1, 2, 1)
    assert viewer.layers[0].data.shape == (2, 8, 16, 10)
    dock.shift.sliders[2].setValue(3)
    assert view.shift_on(SHAPE) == (0, 0, 3)
    assert dock.shift.values[2].text() == "0.300  (1.50 Å)"
    dock.shift.atom.setValue(2)
    dock.shift.centre.click()
    assert view.shift_on(SHAPE) == (0, 4, 0), "to (½, 1, ½) of two cells along b"
    state = dock.session_state()
    dock.shift.reset.click()
    dock.wrapped.click()
    assert view.shift_on(SHAPE) == (0, 0, 0)
    assert not structure.wrapped
    dock.restore_session_state({**state, "atoms": "maybe"})
    assert dock.session_state() == state
    dock.restore_session_state({"tiling": [9, 1, 1], "fraction": "no"})
    assert dock.session_state() == state
    viewer.canvas.grid.enabled = True
    assert "side by side" in dock.messages.text()


def test_a_click_on_an_atom_centres_it(viewer: napari.Viewer, qtbot: QtBot) -> None:
    dock, structure, view = opened(viewer), structure_of(viewer), cell_view_of(viewer)
    (atoms,) = structure.layers()["atoms"]
    viewer.dims.ndisplay = 3
    direction = np.asarray(viewer.scene.camera.view_direction, float)

    def click(position: np.ndarray, drag: float) -> None:
        event = SimpleNamespace(
            position=(0.0, *(position - 20 * direction)),
            view_direction=np.array([0.0, *direction]),
            dims_displayed=[1, 2, 3],
            pos=np.array([100.0, 100.0]),
            type="mouse_press",
            modifiers=(),
            handled=False,
            is_dragging=True,
            button=1,
        )
        mouse_press_callbacks(viewer, event)
        event.type, event.pos = "mouse_move", np.array([100.0 + drag, 100.0])
        mouse_move_callbacks(viewer, event)
        event.type = "mouse_release"
        mouse_release_callbacks(viewer, event)

    dock.shift.pick.click()
    assert "Click on an atom" in dock.messages.text()
    click(np.array([50.0, 50.0, 50.0]), drag=0)
    click(np.asarray(atoms.data)[0], drag=60)
    assert view.is_plain, "beside the atoms, and a turn of the camera"
    assert dock.shift.pick.isChecked()
    click(np.asarray(atoms.data)[0], drag=1)
    assert not dock.shift.pick.isChecked()
    assert dock.shift.atom.text_of_atom.endswith("1")
    assert view.shift_on(SHAPE) == (3, 2, 7)
    middle = (np.asarray(atoms.data)[0]) @ np.linalg.inv(CELL)
    np.testing.assert_allclose(middle, 0.5, atol=1e-5)


def test_an_empty_viewer_says_what_to_do(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot
) -> None:
    forget()
    dock = opened(make_napari_viewer(show=True))
    assert "Open a density trajectory" in dock.messages.text()
    assert not any(box.isEnabled() for box in dock.boxes.values())
    assert set(dock.numbers.texts().values()) == {"–"}
