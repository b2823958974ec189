"""Box, atoms and bonds in a viewer: where they are, and that they follow time, tiling and shift."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.data.colors import jmol_colors
from ase.neighborlist import neighbor_list

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.viewer.atoms import place_atoms
from napari_eldyn.viewer.bonds import find_bonds
from napari_eldyn.viewer.cell_view import cell_view_of
from napari_eldyn.viewer.layers import trajectory_layer
from napari_eldyn.viewer.preferences import forget
from napari_eldyn.viewer.structure import Structure, structure_of
from napari_eldyn.viewer.workbench import equip

if TYPE_CHECKING:
    import napari
    from pytestqt.qtbot import QtBot

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

SHEARED = np.array([[4.0, 0.0, 0.0], [1.5, 5.0, 0.0], [-0.7, 1.1, 6.0]])
SHAPE = (16, 20, 24)
ORIGIN = (0.5, -1.0, 0.25)
NUMBERS = (8, 1, 26)
N_FRAMES = 4


def moving_atoms() -> DensityTrajectory:
    """Three atoms of a sheared cell that sit on grid points, each a narrow peak of its own height.

    The second one leaves the cell.
    """
    grid = PeriodicGrid(SHEARED, SHAPE, origin=ORIGIN)
    points = np.array([[[2, 3, 20], [15, 1, 5], [8, 12, 11]]])
    points = points + np.arange(N_FRAMES)[:, None, None] * np.array([1, 2, 3])
    positions = points @ grid.voxel_vectors + grid.origin
    values = np.full((N_FRAMES, *SHAPE), 0.01, np.float32)
    for frame, at in enumerate(points % SHAPE):
        for height, (i, j, k) in zip((3.0, 2.0, 1.0), at, strict=True):
            values[frame, i, j, k] = height
    return DensityTrajectory.from_array(
        values, grid, 2.0 * np.arange(N_FRAMES), numbers=NUMBERS, positions=positions
    )


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot) -> napari.Viewer:
    forget()
    viewer = make_napari_viewer()
    equip(viewer)
    return viewer


def show(viewer: napari.Viewer, trajectory: DensityTrajectory, qtbot: QtBot) -> Structure:
    data, keywords, _ = trajectory_layer(trajectory)
    viewer.add_image(data, **keywords)
    structure = structure_of(viewer)
    qtbot.waitUntil(lambda: structure.trajectory is trajectory)
    return structure


def peaks(viewer: napari.Viewer) -> dict[float, FloatArray]:
    """World coordinates of the peaks that the density layer shows, by their heights."""
    layer = viewer.layers[0]
    volume = np.asarray(layer.data[viewer.dims.current_step[0]])
    frame = viewer.dims.current_step[0]
    return {
        height: np.array(
            [layer.data_to_world((frame, *at))[1:] for at in np.argwhere(volume == height)]
        )
        for height in (3.0, 2.0, 1.0)
    }


def test_isosurfaces_do_not_drift_from_atoms(viewer: napari.Viewer, qtbot: QtBot) -> None:
    structure = show(viewer, moving_atoms(), qtbot)
    view = cell_view_of(viewer)
    for tiling, fraction, frame in (
        ((1, 1, 1), (0.0, 0.0, 0.0), 0),
        ((1, 1, 1), (0.0, 0.0, 0.0), 3),
        ((1, 1, 1), (0.31, 0.72, 0.5), 2),
        ((2, 1, 3), (0.0, 0.0, 0.0), 2),
        ((3, 2, 1), (0.77, 0.03, 0.4), 1),
    ):
        view.show(tiling, fraction)
        viewer.dims.set_current_step(0, frame)
        (atoms,) = structure.layers()["atoms"]
        places = np.asarray(atoms.data).reshape(-1, len(NUMBERS), 3)
        assert len(places) == np.prod(tiling)
        for atom, (_, found) in enumerate(peaks(viewer).items()):
            assert len(found) == len(places)
            # Each atom has a peak, and each peak has one: as sets they are the same.
            away = np.linalg.norm(places[:, None, atom] - found[None], axis=-1)
            np.testing.assert_allclose(away.min(axis=0), 0, atol=2e-5)
            np.testing.assert_allclose(away.min(axis=1), 0, atol=2e-5)
    view.show((1, 1, 1), (0.0, 0.0, 0.0))
    np.testing.assert_array_equal(viewer.layers[0].data[1], structure.trajectory[1])


def test_atoms_look_like_their_elements(viewer: napari.Viewer, qtbot: QtBot) -> None:
    structure = show(viewer, moving_atoms(), qtbot)
    layers = structure.layers()
    assert set(layers) == {"cell", "atoms"}, "bonds are an option"
    (atoms,) = layers["atoms"]
    np.testing.assert_allclose(atoms.face_color[:, :3], jmol_colors[list(NUMBERS)], atol=1e-6)
    assert atoms.size[2] > atoms.size[0] > atoms.size[1], "Fe, O, H"
    assert list(atoms.features["element"]) == ["O", "H", "Fe"]
    box, names = layers["cell"]
    corners = ORIGIN + np.array(list(product((0, 1), repeat=3))) @ SHEARED
    low, high = box.vertices.min(axis=0), box.vertices.max(axis=0)
    np.testing.assert_allclose(low, corners.min(axis=0), atol=0.05)
    np.testing.assert_allclose(high, corners.max(axis=0), atol=0.05)
    assert list(names.features["vector"]) == ["a", "b", "c"]
    along = (names.data - ORIGIN) @ np.linalg.inv(SHEARED)
    np.testing.assert_allclose(along - np.diag(np.diag(along)), 0, atol=1e-6)
    assert viewer.layers.selection == {viewer.layers[0]}, "what was opened stays selected"
    assert not viewer.layers[0].bounding_box.visible, "our box is in its place"


def test_unwrapped_atoms_lie_as_in_the_file(viewer: napari.Viewer, qtbot: QtBot) -> None:
    structure = show(viewer, moving_atoms(), qtbot)
    viewer.dims.set_current_step(0, 3)
    (atoms,) = structure.layers()["atoms"]
    wrapped = (np.asarray(atoms.data) - ORIGIN) @ np.linalg.inv(SHEARED)
    assert wrapped.min() > -1e-5
    assert wrapped.max() < 1
    structure.wrapped = False
    np.testing.assert_allclose(atoms.data, structure.trajectory.positions[3], atol=1e-5)


def test_a_picked_atom_comes_to_the_middle(viewer: napari.Viewer, qtbot: QtBot) -> None:
    structure = show(viewer, moving_atoms(), qtbot)
    structure.centre_on_atom(1)
    (atoms,) = structure.layers()["atoms"]
    at = (np.asarray(atoms.data)[1] - ORIGIN) @ np.linalg.inv(SHEARED)
    assert np.all(np.abs(at - 0.5) * SHAPE <= 0.5 + 1e-4)
    assert peaks(viewer)[2.0] == pytest.approx(np.asarray(atoms.data)[1:2], abs=2e-5)


def test_parts_come_and_go(viewer: napari.Viewer, qtbot: QtBot) -> None:
    structure = show(viewer, moving_atoms(), qtbot)
    (atoms,) = structure.layers()["atoms"]
    structure.set_shown("atoms", False)
    assert not atoms.visible
    atoms.visible = True  # the eye in the layer list
    assert structure.is_shown("atoms")
    viewer.layers.remove(atoms)
    qtbot.waitUntil(lambda: not structure.is_shown("atoms"))
    structure.set_shown("atoms", True)
    assert structure.layers()["atoms"][0] in viewer.layers
    viewer.canvas.grid.enabled = True
    assert len(viewer.layers) == 1, "every layer more would take a panel"
    viewer.dims.set_current_step(0, 2)
    assert len(viewer.layers) == 1
    assert viewer.layers[0].bounding_box.visible
    viewer.canvas.grid.enabled = False
    assert all(layer.visible for layer in viewer.layers)
    viewer.layers.remove(viewer.layers[0])
    qtbot.waitUntil(lambda: len(viewer.layers) == 0)
    show(viewer, moving_atoms(), qtbot)
    assert {"cell", "atoms"} <= set(structure.layers()), "nothing was switched off"


def test_nothing_is_drawn_of_a_file_without_atoms(viewer: napari.Viewer, qtbot: QtBot) -> None:
    grid = PeriodicGrid(SHEARED, SHAPE)
    bare = DensityTrajectory.from_array(np.ones((2, *SHAPE)), grid, [0.0, 1.0])
    structure = show(viewer, bare, qtbot)
    assert len(viewer.layers) == 1
    assert not structure.has_atoms
    assert "no atomic positions" in structure.hint
    structure.set_shown("cell", True)
    assert [layer.name for layer in viewer.layers[1:]] == ["cell", "lattice vectors"]


def test_bonds_cross_the_boundary(viewer: napari.Viewer, qtbot: QtBot) -> None:
    water = molecule("H2O", cell=[5, 5, 5])
    water.positions -= water.positions[0] - [0.1, 2.5, 0.1]  # hydrogen beyond two faces
    grid = PeriodicGrid(np.array(water.cell), (10, 10, 10))
    trajectory = DensityTrajectory.from_array(
        np.ones((1, 10, 10, 10)), grid, [0.0], numbers=water.numbers, positions=[water.positions]
    )
    structure = show(viewer, trajectory, qtbot)
    structure.set_shown("bonds", True)
    (atoms,), (bonds,) = structure.layers()["atoms"], structure.layers()["bonds"]
    assert np.all((atoms.data >= 0) & (atoms.data < 5))
    found = find_bonds(water.positions, water.numbers, grid.cell)
    assert np.bincount(found.atoms).tolist() == [2, 1, 1]
    ends = np.asarray(atoms.data)[found.atoms] + found.vectors
    for end in ends:  # every half is drawn from its atom to the middle of the bond
        assert np.min(np.linalg.norm(bonds.vertices - end, axis=1)) < 0.1
    lengths = 2 * np.linalg.norm(found.vectors, axis=1)
    np.testing.assert_allclose(lengths, water.get_distance(0, 1, mic=True), rtol=1e-6)


@pytest.mark.parametrize(
    "atoms",
    [bulk("Si"), bulk("Fe"), bulk("NaCl", "rocksalt", a=5.64).repeat(2), molecule("C6H6")],
    ids=["Si", "Fe", "NaCl", "benzene"],
)
def test_bonds_are_those_of_ase(atoms: Atoms) -> None:
    atoms = atoms.copy()
    atoms.rattle(0.05, seed=1)
    from ase.data import covalent_radii

    cell = np.array(atoms.cell) if atoms.pbc.all() else None
    found = find_bonds(atoms.positions, atoms.numbers, cell)
    reach = 1.15 * covalent_radii[atoms.numbers]
    first, vectors = neighbor_list("iD", atoms, list(reach))
    ours = sorted(np.c_[found.atoms, 2 * found.vectors].round(6).tolist())
    theirs = sorted(np.c_[first, vectors].round(6).tolist())
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_atoms_on_a_face_stay_on_one_side() -> None:
    grid = PeriodicGrid(np.eye(3) * 5.0, (10, 10, 10))
    positions = np.array([[-1e-12, 5.0 + 1e-12, 2.0], [4.999, -0.001, 0.0]])
    places = place_atoms(positions, grid, (0, 0, 0), wrapped=True)
    np.testing.assert_allclose(places, [[0, 0, 2.0], [4.999, 4.999, 0]], atol=1e-9)
