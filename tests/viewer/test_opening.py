"""What is dropped on a window, or chosen in its File menu, opens: the way napari hands it on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
import pytest
from ase.build import molecule
from ase.io.cube import write_cube
from napari.layers import Image
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QTimer, QUrl
from qtpy.QtWidgets import QApplication

from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.viewer.opening import opening_of
from napari_eldyn.viewer.opening_answers import keep_answers
from napari_eldyn.viewer.opening_paths import group_paths, surely_ours
from napari_eldyn.viewer.opening_question import OptionQuestion
from napari_eldyn.viewer.reader import get_reader
from napari_eldyn.viewer.workbench import equip
from napari_eldyn.viewer.workspace import open_workspace, save_workspace

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

MakeViewer = Callable[..., napari.Viewer]


def write(path: Path, seed: int = 0, points: int = 10) -> Path:
    """Write a cube file by ase."""
    atoms = molecule("H2O")
    atoms.set_cell([5.0, 6.0, 7.0])
    data = np.random.default_rng(seed).uniform(0, 0.1, (points,) * 3)
    with path.open("w") as file:
        write_cube(file, atoms, data=data)
    return path


def arrays(path: Path, **more: np.ndarray) -> Path:
    values = np.random.default_rng(0).uniform(0.1, 0.2, (2, 5, 6, 7)).astype(np.float32)
    np.savez(path, density=values, **more)
    return path


def drop(viewer: napari.Viewer, qtbot: QtBot, paths: Sequence[Path], stack: bool = False) -> None:
    """Drop files on the window, and wait until they are open."""
    urls = [QUrl.fromLocalFile(str(path)) for path in paths]
    viewer.window._qt_viewer._open_from_list_of_urls_data(urls, stack=stack, choose_plugin=False)
    qtbot.waitUntil(lambda: not opening_of(viewer).is_busy, timeout=20_000)


def images(viewer: napari.Viewer) -> list[Image]:
    """Layers of fields; atoms and box come with them."""
    return [layer for layer in viewer.layers if isinstance(layer, Image)]


def shapes(viewer: napari.Viewer) -> list[tuple[int, ...]]:
    return [layer.data.shape for layer in images(viewer)]


@pytest.fixture
def viewer(make_napari_viewer: MakeViewer) -> napari.Viewer:
    viewer = make_napari_viewer()
    equip(viewer)
    return viewer


def test_files_of_one_drop_are_one_series_at_the_first_use(
    make_napari_viewer: MakeViewer, qtbot: QtBot, tmp_path: Path
) -> None:
    viewer = make_napari_viewer()  # as napari starts: it goes through the files one by one
    paths = [write(tmp_path / f"w-ELECTRON_DENSITY-1_{i}.cube", i) for i in (2, 10, 1)]
    drop(viewer, qtbot, paths)
    (layer,) = images(viewer)
    assert layer.data.shape == (3, 10, 10, 10)
    inside = np.random.default_rng(10).uniform(0, 0.1, (10,) * 3)  # the last in natural order
    bohr = 0.529177210903
    np.testing.assert_allclose(layer.data[2] * bohr**3, inside, rtol=1e-4)
    # The window is equipped from now on: the same files, and others with them.
    viewer.layers.clear()
    other = write(tmp_path / "other.cube", points=8)
    drop(viewer, qtbot, [*paths, other])
    assert sorted(shapes(viewer)) == [(1, 8, 8, 8), (3, 10, 10, 10)]


def test_a_directory_opens_without_a_chooser(
    viewer: napari.Viewer, qtbot: QtBot, tmp_path: Path
) -> None:
    for index in (1, 2):
        write(tmp_path / f"run_{index}.cube", index)
    drop(viewer, qtbot, [tmp_path])
    assert shapes(viewer) == [(2, 10, 10, 10)]


def test_files_that_differ_are_told_apart(
    viewer: napari.Viewer, qtbot: QtBot, tmp_path: Path
) -> None:
    paths = [write(tmp_path / "run_1.cube"), write(tmp_path / "run_2.cube", points=9)]
    before = len(notification_manager.records)
    drop(viewer, qtbot, paths)
    (record,) = notification_manager.records[before:]
    assert "run_2.cube" in record.message
    assert "9 × 9 × 9 against 10 × 10 × 10" in record.message
    assert not viewer.layers


def test_a_damaged_file_is_explained_with_its_place(
    viewer: napari.Viewer, qtbot: QtBot, tmp_path: Path
) -> None:
    path = write(tmp_path / "cut.cube")
    path.write_text(path.read_text()[:2000])
    before = len(notification_manager.records)
    drop(viewer, qtbot, [path])
    (record,) = notification_manager.records[before:]
    assert "cut.cube" in record.message
    assert "byte" in record.message or "line" in record.message


def answer(text: str) -> None:
    """Answer the next question, as a user would."""

    def act() -> None:
        found = [x for x in QApplication.topLevelWidgets() if isinstance(x, OptionQuestion)]
        shown = [x for x in found if x.isVisible()]
        if not shown:
            QTimer.singleShot(50, act)
            return
        (question,) = shown
        field = question.field
        if question.option == "cell":
            field.setText(text)  # type: ignore[attr-defined]
        else:
            field.setCurrentText(text)  # type: ignore[attr-defined]
        question.accept()

    act()


def test_what_a_file_leaves_open_is_asked_once(
    make_napari_viewer: MakeViewer, qtbot: QtBot, tmp_path: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    equip(viewer)
    path = arrays(tmp_path / "run.npz", cell=np.eye(3) * 4.0)
    answer("e/bohr³")
    drop(viewer, qtbot, [path])
    (layer,) = images(viewer)
    expected = np.load(path)["density"] / 0.529177210903**3
    np.testing.assert_allclose(layer.data[:], expected, rtol=1e-5)
    viewer.layers.clear()
    drop(viewer, qtbot, [path])  # without a question
    assert shapes(viewer) == [(2, 5, 6, 7)]


def test_a_cell_is_asked_for_scripts_too(make_napari_viewer: MakeViewer, tmp_path: Path) -> None:
    viewer = make_napari_viewer(show=True)
    path = arrays(tmp_path / "density.npz", unit=np.array("e/A3"))
    answer("4 5 6 90 90 60")
    (layer,) = viewer.open(path, plugin="napari-eldyn")
    corner = np.array(layer.data_to_world((0, 0, 6, 0))[1:])
    np.testing.assert_allclose(corner, [2.5, 5 * np.sqrt(0.75), 0], atol=1e-6)


def test_giving_up_opens_nothing(viewer: napari.Viewer, qtbot: QtBot, tmp_path: Path) -> None:
    opening = opening_of(viewer)
    paths = [write(tmp_path / name) for name in ("a.cube", "b.cube")]
    opening.open([[path] for path in paths])
    opening.cancel()
    qtbot.waitUntil(lambda: not opening.is_busy, timeout=20_000)
    assert not viewer.layers
    drop(viewer, qtbot, paths[:1])
    assert len(images(viewer)) == 1


def test_what_is_of_others_stays_with_them(
    viewer: napari.Viewer, qtbot: QtBot, tmp_path: Path
) -> None:
    image = tmp_path / "image.npy"
    np.save(image, np.random.default_rng(0).uniform(size=(6, 7, 8)))
    cells = tmp_path / "cells.npz"
    np.savez(cells, stack=np.zeros((4, 5, 6)))
    text = tmp_path / "README"
    text.write_text("Not a density\n1 2 3\n")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for path in (image, cells, text, pictures):
        assert not surely_ours(path), path
    assert get_reader(str(text)) is None
    assert get_reader(str(pictures)) is None
    drop(viewer, qtbot, [image, write(tmp_path / "w.cube")])
    assert sorted(len(shape) for shape in shapes(viewer)) == [3, 4]


def test_paths_are_grouped_by_what_they_are(tmp_path: Path) -> None:
    store = tmp_path / "a.eldyn"
    names = ["frames_000010.npz", "run_1/CHGCAR", "run_2/CHGCAR", "LOCPOT", "frames_000000.npz"]
    paths = [store, *(tmp_path / name for name in names)]
    groups = group_paths(paths)
    assert [store] in groups
    assert {frozenset(group) for group in groups} == {
        frozenset({store}),
        frozenset({paths[1], paths[5]}),
        frozenset({paths[2], paths[3]}),
        frozenset({paths[4]}),
    }


def test_a_session_brings_back_channels_and_answers(
    viewer: napari.Viewer, qtbot: QtBot, make_napari_viewer: MakeViewer, tmp_path: Path
) -> None:
    path = tmp_path / "run.npz"
    rng = np.random.default_rng(0)
    density = rng.uniform(0.1, 0.2, (2, 5, 6, 7)).astype(np.float32)
    spin = rng.normal(size=density.shape).astype(np.float32)
    np.savez(path, density=density, density_spin=spin, cell=np.eye(3) * 4.0)
    keep_answers(path, OpenOptions(unit="e/Å³"))
    drop(viewer, qtbot, [path])
    assert [layer.visible for layer in images(viewer)] == [True, False]
    session = tmp_path / "a.eldynsession"
    save_workspace(viewer, session)
    again = make_napari_viewer()
    equip(again)
    assert open_workspace(again, session) == []
    first, second = images(again)
    np.testing.assert_array_equal(first.data[1], density[1])
    np.testing.assert_array_equal(second.data[1], spin[1])
    assert not second.visible
    assert second.rendering == "translucent"
