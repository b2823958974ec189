"""The Analysis dock in a real window: what it shows is what the field has, frame by frame."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Layer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication, QDoubleSpinBox

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.viewer.cell_view import cell_view_of
from napari_eldyn.viewer.docking import close_dock, open_dock
from napari_eldyn.viewer.layers import layer_trajectory, trajectory_layer
from napari_eldyn.viewer.tiling import tile_layers_of
from napari_eldyn.viewer.workbench import equip
from napari_eldyn.widgets.analysis_dock import AnalysisDock
from napari_eldyn.widgets.plot_menu import save_plot

MakeViewer = Callable[..., napari.Viewer]

SHEARED = PeriodicGrid(
    [[6.0, 0.0, 0.0], [1.8, 5.5, 0.0], [-1.0, 1.4, 7.0]], (20, 20, 24), (0.5, -1.0, 2.0)
)
PLACES = np.array([[0.3, 0.7, 0.5], [0.8, 0.2, 0.45], [0.55, 0.5, 0.9]])
NUMBERS = (8, 1, 6)


def molecule(n_frames: int = 5, **fields: Any) -> DensityTrajectory:
    """Three Gaussians that grow and drift with their atoms, in a sheared cell with an origin."""
    grid = SHEARED
    nodes = np.stack(np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1)
    frames, positions = [], []
    for frame in range(n_frames):
        density = np.full(grid.shape, 0.02)
        places = PLACES + np.array([0.02 * frame, 0, 0])
        for place, number in zip(places, NUMBERS, strict=True):
            offset = nodes - place
            offset -= np.rint(offset)
            squares = np.sum((offset @ grid.cell) ** 2, axis=-1)
            density += number / 8 * np.exp(-squares / (2 * 0.7**2))
        frames.append((1 + 0.1 * frame) * density)
        positions.append(places @ grid.cell + grid.origin)
    options: dict[str, Any] = {"numbers": NUMBERS, "positions": np.array(positions)}
    return DensityTrajectory.from_array(
        np.array(frames, np.float32), grid, 4.0 * np.arange(n_frames), **(options | fields)
    )


def add(viewer: napari.Viewer, trajectory: DensityTrajectory, name: str) -> Any:
    data, keywords, kind = trajectory_layer(trajectory)
    return viewer.add_layer(Layer.create(data, keywords | {"name": name}, kind))


class Desk:
    """A window with a trajectory and the dock."""

    def __init__(self, viewer: napari.Viewer, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        equip(viewer)
        self.layer = add(viewer, molecule(), "molecule")
        dock = open_dock(viewer, "Analysis")
        assert isinstance(dock, AnalysisDock)
        self.dock = dock
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is to come."""
        for _ in range(3):  # what is shown may ask for more
            QApplication.processEvents()
            self.qtbot.waitUntil(lambda: not self.dock.watch.is_busy, timeout=20_000)

    def type(self, box: QDoubleSpinBox, value: float) -> None:
        box.setValue(value)
        self.settle()

    def frame(self) -> np.ndarray:
        trajectory = layer_trajectory(self.layer)
        assert trajectory is not None
        return trajectory[self.viewer.dims.current_step[0]].astype(np.float64)

    def surfaces(self) -> list[str]:
        """First words of the names of our surfaces."""
        names = {layer.name.split()[0] for layer in self.viewer.layers}
        return sorted(names & {"Counted", "Isosurface", "Plane"})


@pytest.fixture
def desk(make_napari_viewer: MakeViewer, qtbot: QtBot) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 640)
    yield Desk(viewer, qtbot)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(10_000), "a thread was left running"


def number(text: str) -> float:
    """The first number, bold or not, in a text."""
    for word in text.replace("<b>", " ").replace("</b>", " ").replace("−", "-").split():
        try:
            return float(word)
        except ValueError:
            continue
    raise AssertionError(text)


def test_levels_counts_and_planes_follow_the_slider(desk: Desk, tmp_path: Path) -> None:
    dock, grid = desk.dock, SHEARED
    total = desk.frame().sum() * grid.voxel_volume
    # Level and electrons, both ways.
    level = dock.level
    assert "50.0 %" in level.result.text()
    desk.type(level.level, 0.25)
    field = desk.frame()
    inside = field[field >= np.float32(0.25)].sum() * grid.voxel_volume
    assert level.amount.value() == pytest.approx(inside, abs=2e-4)
    assert level.amount.suffix() == " electrons"
    assert level.level.suffix() == " e/Å³"
    desk.type(level.amount, 0.8 * total)
    found = level.level.value()
    assert field[field >= found - 1e-5].sum() * grid.voxel_volume == pytest.approx(
        0.8 * total, rel=2e-3
    )
    assert "80.0 %" in level.result.text()
    # A sphere around the first atom, and a whole layer.
    count = dock.count
    desk.type(count.radius, 1.2)
    first = number(count.result.text())
    assert 0 < first < total
    assert f"of {total:.5g} electrons" in count.result.text()
    count.kind.setCurrentIndex(count.kind.findData("layer"))
    desk.settle()
    height = grid.volume / np.linalg.norm(np.cross(grid.cell[0], grid.cell[1]))
    assert count.end.value() == pytest.approx(height / 2, abs=6e-3)
    desk.type(count.end, height)
    assert number(count.result.text()) == pytest.approx(total, rel=2e-3)
    count.kind.setCurrentIndex(count.kind.findData("atom"))
    # The plane begins in the middle; its offset in Å and in d agree.
    plane = dock.plane
    desk.settle()
    assert plane.form.offset.value() == pytest.approx(height / 2, abs=1e-3)
    assert plane.form.share.value() == pytest.approx(0.5, abs=1e-3)
    desk.type(plane.form.share, 0.25)
    assert plane.form.offset.value() == pytest.approx(height / 4, abs=1e-3)
    assert f"{height:.4g} Å" in plane.form.about.text()
    # Values on a grid plane are those of the array.
    rows = plane.canvas.plot.map
    assert rows is not None
    assert plane.cut is not None
    expected = desk.frame()[:, :, 6]
    assert rows.values.max() == pytest.approx(expected.max(), rel=0.02)
    path = tmp_path / "plane.csv"
    save_plot(plane.menu.source, path)
    text = path.read_text(encoding="utf-8")
    table = list(
        csv.DictReader(io.StringIO("\n".join(x for x in text.split("\n") if x[:1] != "#")))
    )
    assert "# plane: Plane (0 0 1) at" in text
    heights = {round(float(row["z (Å)"]), 3) for row in table}
    assert heights == {round(2.0 + height / 4, 3)}, "its z, the origin included"
    assert "Electron density (electrons/Å³)" in table[0]
    save_plot(plane.menu.source, tmp_path / "plane.pdf")
    # Another frame: all numbers are those of that frame, the level stays.
    desk.viewer.dims.set_current_step(0, 3)
    desk.settle()
    field = desk.frame()
    assert level.level.value() == found
    inside = field[field >= found].sum() * grid.voxel_volume
    assert level.amount.value() == pytest.approx(inside, rel=2e-3)
    assert f"of {field.sum() * grid.voxel_volume:.5g} electrons" in count.result.text()
    assert number(count.result.text()) > 1.2 * first
    assert plane.cut.field.frame == 3
    assert not dock.messages.text()
    # A session keeps the choices.
    state = json.loads(json.dumps(dock.session_state()))
    plane.form.miller.boxes[0].setValue(1)
    desk.type(count.radius, 0.3)
    desk.type(level.level, 0.1)
    dock.restore_session_state({**state, "count": {**state["count"], "kind": 7, "x": "?"}})
    desk.settle()
    assert plane.cut.choice.indices == (0, 0, 1)
    assert plane.form.offset.value() == pytest.approx(height / 4, abs=1e-3)
    assert count.radius.value() == 1.2
    assert level.level.value() == pytest.approx(found, abs=1e-5)
    # Hidden, nothing is done.
    hidden = dock.parentWidget()
    assert hidden is not None
    hidden.hide()
    shown = count.result.text()
    desk.viewer.dims.set_current_step(0, 1)
    desk.settle()
    assert count.result.text() == shown
    hidden.show()
    desk.settle()
    assert count.result.text() != shown
    # Where a layer has no frame, there are no numbers, and it says why.
    single = add(desk.viewer, molecule(1), "single")
    desk.settle()
    assert dock.messages.text() == "single has no frame at this time."
    assert not count.result.text()
    desk.viewer.layers.remove(single)
    # What is no density says so.
    desk.viewer.dims.set_current_step(0, 0)
    viewer = desk.viewer
    wave = np.array(list(molecule(1))) - 0.3
    add(viewer, DensityTrajectory.from_array(wave, SHEARED, [0.0], quantity="potential"), "V")
    desk.settle()
    assert dock.level.level.suffix() == " eV"
    assert dock.level.amount.suffix() == " eV·Å³"
    assert "no number of electrons" in dock.level.result.text()
    assert "not known" in dock.count.result.text(), "no atoms, no sphere around one"
    add(viewer, DensityTrajectory.from_array(wave, SHEARED, [0.0], quantity="orbital"), "HOMO")
    dock.count.kind.setCurrentIndex(dock.count.kind.findData("point"))
    desk.settle()
    assert dock.level.level.suffix() == " Å^(-3/2)"
    assert "|ψ|²" in dock.level.result.text()
    assert "|ψ|²" in dock.count.result.text()
    norm = (wave[0].astype(np.float64) ** 2).sum() * SHEARED.voxel_volume
    assert f"of {norm:.5g} in the cell" in dock.count.result.text()


def test_surfaces_lie_on_the_atoms_in_tiled_and_shifted_cells(desk: Desk) -> None:
    dock, viewer, grid = desk.dock, desk.viewer, SHEARED
    tile_layers_of(viewer)
    dock.level.in_3d.setChecked(True)
    desk.type(dock.level.level, 0.6)
    dock.count.in_3d.setChecked(True)
    dock.plane.form.in_3d.setChecked(True)
    dock.plane.form.kind.setCurrentIndex(dock.plane.form.kind.findData("atoms"))
    desk.settle()
    # Atoms are taken from those selected on the canvas.
    desk.qtbot.waitUntil(lambda: "atoms" in [layer.name for layer in viewer.layers])
    atoms_layer = viewer.layers["atoms"]
    atoms_layer.selected_data = {2}
    dock.count.pick.click()
    desk.settle()
    assert "atom 3" in dock.count.result.text()
    dock.plane.form.pick.click()
    assert "three atoms in the layer 'atoms'; one is selected" in dock.messages.text()
    atoms_layer.selected_data = {0, 1, 2}
    dock.plane.form.pick.click()
    assert [box.value() for box in dock.plane.form.atoms] == [1, 2, 3]
    dock.count.atom.setValue(1)
    desk.settle()
    trajectory = molecule()
    first = np.asarray(desk.layer.data_to_world((0,) * 4))[-3:] - grid.origin
    for tiling, fraction in (((1, 1, 1), (0, 0, 0)), ((2, 1, 2), (0.35, 0.1, 0.8))):
        cell_view_of(viewer).show(tiling, fraction)
        desk.settle()
        atoms = cell_view_of(viewer).to_world(trajectory.positions[0], trajectory) + first
        surface = dock.level.surface.layer
        assert surface is not None
        vertices = surface.data[0]
        # The surfaces at this level surround the oxygen and the carbon, in every image.
        inverse = np.linalg.inv(grid.cell)
        for atom in atoms[[0, 2]]:
            away = (vertices - atom) @ inverse
            away -= np.rint(away)
            near = np.linalg.norm(away @ grid.cell, axis=1) < 1.2
            assert near.sum() > 20 * np.prod(tiling)
            assert np.linalg.norm((away[near] @ grid.cell).mean(axis=0)) < 0.25
        nearest = np.full(len(vertices), np.inf)
        for atom in atoms[[0, 2]]:
            away = (vertices - atom) @ inverse
            away -= np.rint(away)
            nearest = np.minimum(nearest, np.linalg.norm(away @ grid.cell, axis=1))
        assert nearest.max() < 1.2, "and nothing else"
        box = (vertices - first - grid.origin) @ inverse
        assert box.min() > -1e-4
        assert np.all(box.max(axis=0) <= np.array(tiling) + 1e-4)
        # All three atoms lie in the plane, the sphere is around the first.
        corners = dock.plane.surface.layer.data[0].astype(np.float64)
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        normal /= np.linalg.norm(normal)
        steps = np.array(list(product(range(-3, 4), repeat=3))) @ grid.cell @ normal
        for atom in atoms:
            assert np.abs((atom - corners[0]) @ normal + steps).min() < 2e-3
        sphere = dock.count.surface.layer.data[0]
        centre = sphere.mean(axis=0)
        away = (centre - atoms[0]) @ inverse
        assert np.linalg.norm((away - np.rint(away)) @ grid.cell) < 0.02
        assert np.linalg.norm(sphere - centre, axis=1) == pytest.approx(1.5, abs=0.02)
    # What somebody takes away stays away; the switch says so.
    viewer.layers.remove(dock.plane.surface.layer)
    desk.settle()
    assert not dock.plane.form.in_3d.isChecked()
    assert desk.surfaces() == ["Counted", "Isosurface"]
    # Each layer has a panel of its own: no surfaces there.
    viewer.canvas.grid.enabled = True
    assert desk.surfaces() == []
    viewer.canvas.grid.enabled = False
    desk.settle()
    assert desk.surfaces() == ["Counted", "Isosurface"]
    close_dock(viewer, "Analysis")
    assert desk.surfaces() == []
    dock.deleteLater()
    desk.qtbot.wait(1)


def test_differences_are_new_layers_and_unlike_grids_are_refused(desk: Desk) -> None:
    dock, viewer = desk.dock, desk.viewer
    part = dock.difference
    assert not part.subtract.isEnabled(), "there is no other layer"
    part.to_mean.click()
    desk.qtbot.waitUntil(lambda: not part.is_busy)
    desk.settle()
    made = viewer.layers["molecule − mean"]
    trajectory = layer_trajectory(made)
    assert trajectory is not None
    source = layer_trajectory(desk.layer)
    assert source is not None
    mean = np.mean([source[i] for i in range(5)], axis=0)
    assert trajectory[4] == pytest.approx(source[4] - mean, abs=1e-6)
    assert trajectory.quantity == "density_difference"
    assert not desk.layer.visible
    low, high = made.contrast_limits
    assert low == -high
    # Both signs have a level, electrons have a sign.
    assert dock.layer.currentText() == "molecule − mean"
    assert dock.level.side.isVisible()
    dock.level.side.setCurrentIndex(1)
    desk.type(dock.level.level, -0.02)
    field = trajectory[viewer.dims.current_step[0]]
    expected = field[field <= np.float32(-0.02)].sum() * SHEARED.voxel_volume
    assert dock.level.amount.value() == pytest.approx(expected, abs=2e-4)
    assert "negative side" in dock.level.result.text()
    # Another grid, and another origin.
    dock.watch.choose(desk.layer)
    other = molecule(2)
    for grid, words in (
        (PeriodicGrid(SHEARED.cell, SHEARED.shape), "origins"),
        (PeriodicGrid(1.1 * SHEARED.cell, SHEARED.shape, SHEARED.origin), "cells"),
    ):
        unlike = DensityTrajectory.from_array(np.array(list(other)), grid, [0.0, 4.0])
        layer = add(viewer, unlike, "unlike")
        dock.watch.choose(desk.layer)
        part.other.setCurrentIndex(part.other.findText("unlike"))
        part.subtract.click()
        assert f"different grids: {words}" in dock.messages.text()
        assert "'molecule' and 'unlike'" in dock.messages.text()
        viewer.layers.remove(layer)
    desk.settle()
