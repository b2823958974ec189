"""The whole workspace of a window saved to a file and opened in another window."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from liquid import gaussian_liquid
from live_session import Live
from pytestqt.qtbot import QtBot

from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.rollout import Rollout
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.finding import MissingPartError
from napari_eldyn.viewer.workspace import load_into_window, open_workspace, save_workspace

ROUNDING = {"rtol": 1e-4, "atol": 1e-4}

NewLive = Callable[[], Live]


@pytest.fixture
def new_live(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot) -> NewLive:
    """An empty window, as after napari was started again."""

    def make() -> Live:
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(700, 500)
        live = Live(viewer, controller_of(viewer), qtbot)
        live.control.failed.connect(live.failures.append)
        live.control.message.connect(live.messages.append)
        return live

    return make


def settle(live: Live) -> None:
    live.wait(lambda: not live.control.needs_reset and live.control.state == "ready")


@pytest.fixture
def busy(live: Live) -> Live:
    """A current rollout of six frames, and two kept ones with other settings."""
    control = live.control
    for changes in ({}, {"seed": 3}, {"sampler": "ddpm", "evaluations": 5}):
        control.configure(n_frames=6, **changes)
        settle(live)
        live.run_to_end()
        if "sampler" not in changes:
            control.keep()
    return live


@pytest.fixture
def session_path(busy: Live, tmp_path: Path) -> Path:
    path = tmp_path / "work.eldynsession"
    assert save_workspace(busy.viewer, path) == []
    return path


def edit(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the record of a session file."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    head = json.loads(contents["session.json"])
    change(head)
    contents["session.json"] = json.dumps(head).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("window_shown", [True])
def test_a_session_comes_back_as_it_was(
    busy: Live, tmp_path: Path, new_live: NewLive, model_path: Path
) -> None:
    control, viewer = busy.control, busy.viewer
    control.shelf.kept[0].visible = False
    control.panels.set_shown("reconstruction", True)
    control.panels.offset = 1
    reference = control.reference_layer
    reference.contrast_limits = (0.02, 0.07)
    reference.colormap, reference.rendering, reference.gamma = "viridis", "attenuated_mip", 0.8
    viewer.scene.camera.angles = (10.0, 20.0, 30.0)
    viewer.scene.camera.zoom = 17.0
    control.comparison.go_to(4)
    shown = {
        name: [np.array(control.panels.layers[name].data[index]) for index in (0, 1, 3, 6)]
        for name in ("generated", "reference")
    }
    before = {
        "labels": [(x.label, x.colour, x.visible) for x in control.shelf.rollouts],
        "latents": [np.array(x.session.rollout.latents) for x in control.shelf.rollouts],
        "statistics": [list(x.statistics) for x in control.shelf.rollouts],
        "settings": control.settings,
        "angles": viewer.scene.camera.angles,
        "center": viewer.scene.camera.center,
        "point": viewer.dims.point,
        "levels": control.measured.levels,
    }
    path = tmp_path / "work.eldynsession"
    save_workspace(viewer, path)
    viewer.close()

    again = new_live()
    assert open_workspace(again.viewer, path) == []
    control, viewer = again.control, again.viewer
    assert control.state == "ready"
    rollouts = control.shelf.rollouts
    assert [(x.label, x.colour, x.visible) for x in rollouts] == before["labels"]
    assert control.settings == before["settings"]
    for rollout, latents, statistics in zip(
        rollouts, before["latents"], before["statistics"], strict=True
    ):
        np.testing.assert_array_equal(rollout.session.rollout.latents, latents)
        for one, other in zip(rollout.statistics, statistics, strict=True):
            for name, value in vars(other).items():
                np.testing.assert_array_equal(getattr(one, name), value)
                assert type(getattr(one, name)) is type(value)
    assert viewer.scene.camera.angles == before["angles"]
    assert viewer.scene.camera.center == before["center"]
    assert viewer.scene.camera.zoom == 17.0
    assert viewer.dims.point == before["point"]
    assert control.comparison.index == 4
    assert control.panels.offset == 1
    assert set(control.panels.layers) == {"generated", "reference", "reconstruction"}
    assert control.reference_layer.colormap.name == "viridis"
    assert control.reference_layer.rendering == "attenuated_mip"
    assert control.reference_layer.gamma == 0.8
    assert tuple(control.reference_layer.contrast_limits) == (0.02, 0.07)
    for name, volumes in shown.items():
        data = control.panels.layers[name].data
        for index, volume in zip((0, 1, 3, 6), volumes, strict=True):
            again.wait(lambda data=data, index=index: bool(data[index].any()))
            np.testing.assert_array_equal(data[index], volume)
    again.wait(lambda: control.measured is not None)
    np.testing.assert_array_equal(control.measured.levels.frame_sjsd, before["levels"].frame_sjsd)
    again.run_to_end()
    expected = Rollout(Emulator.load(model_path), gaussian_liquid(12), 2, "ddpm", 5, 3)
    expected.advance(12)
    np.testing.assert_allclose(control.session.rollout.latents, expected.latents, **ROUNDING)
    assert not again.failures


def test_statistics_are_not_counted_again(
    session_path: Path, new_live: NewLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_eldyn.viewer import reference_measure, session

    def fail(*_args: object) -> None:
        raise AssertionError("statistics were stored")

    monkeypatch.setattr(reference_measure, "trajectory_statistics", fail)
    monkeypatch.setattr(session, "frame_statistics", fail)
    again = new_live()
    open_workspace(again.viewer, session_path)
    again.wait(lambda: again.control.measured is not None)
    assert [len(x.statistics) for x in again.control.shelf.rollouts] == [6, 6, 6]
    assert not again.failures


def test_statistics_of_another_version_are_counted_again(
    busy: Live, session_path: Path, new_live: NewLive, tmp_path: Path
) -> None:
    older = tmp_path / "older.eldynsession"
    with zipfile.ZipFile(session_path) as archive, zipfile.ZipFile(older, "w") as copy:
        for name in archive.namelist():
            if not name.startswith("arrays/rollouts/0/statistics/modes"):
                copy.writestr(name, archive.read(name))
    expected = [s.counts for s in busy.control.generated_statistics]
    again = new_live()
    assert any("counted again" in text for text in open_workspace(again.viewer, older))
    again.wait(lambda: len(again.control.generated_statistics) == 6)
    again.wait_state("ready")
    for counts, statistics in zip(expected, again.control.generated_statistics, strict=True):
        np.testing.assert_array_equal(statistics.counts, counts)


def test_a_folder_moves_as_a_whole(
    busy: Live, liquid_path: Path, model_path: Path, new_live: NewLive, tmp_path: Path
) -> None:
    """Trajectory and model below the session's folder are found wherever it goes."""
    folder = tmp_path / "project"
    shutil.copytree(liquid_path, folder / "data" / liquid_path.name)
    shutil.copy(model_path, folder / model_path.name)
    first = new_live()
    (layer,) = first.viewer.open(folder / "data" / liquid_path.name, plugin="napari-eldyn")
    first.control.set_reference(layer)
    first.control.set_model(folder / model_path.name, "cpu")
    first.wait(lambda: first.control.state == "ready")
    save_workspace(first.viewer, folder / "work.eldynsession")
    folder.rename(tmp_path / "elsewhere")
    again = new_live()
    open_workspace(again.viewer, tmp_path / "elsewhere" / "work.eldynsession")
    again.wait_state("ready")
    assert again.control.model.path == tmp_path / "elsewhere" / model_path.name
    reference = again.viewer.layers[-1].metadata["density_trajectory"]
    assert reference.path == tmp_path / "elsewhere" / "data" / liquid_path.name


def test_missing_parts_are_named_and_can_be_located(
    session_path: Path, liquid_path: Path, model_path: Path, new_live: NewLive, tmp_path: Path
) -> None:
    lost = tmp_path / "nowhere"

    def lose(head: dict[str, object]) -> None:
        for part in (*head["trajectories"], *head["models"]):
            part["file"] = {
                "absolute": str(lost / Path(part["file"]["absolute"]).name),
                "relative": None,
            }

    edit(session_path, lose)
    again = new_live()
    with pytest.raises(MissingPartError, match=r"random .*neither loaded nor") as model:
        open_workspace(again.viewer, session_path)
    assert str(session_path) in str(model.value)
    located = {model.value.key: model_path}
    with pytest.raises(
        MissingPartError, match=r"liquid\.eldyn, which cannot be found"
    ) as reference:
        open_workspace(again.viewer, session_path, located)
    other = tmp_path / "other.eldyn"
    gaussian_liquid(3).save(other)
    with pytest.raises(EldynError, match=r"other\.eldyn: this is not the traj"):
        open_workspace(again.viewer, session_path, {**located, reference.value.key: other})
    assert not again.viewer.layers, "nothing is half opened"
    asked: list[str] = []

    def answer(error: MissingPartError) -> Path:
        asked.append(error.part)
        return {"model": model_path, "trajectory": liquid_path}[error.part]

    again.control.locate = answer
    load_into_window(again.viewer, session_path)
    again.wait(lambda: len(again.control.shelf.rollouts) == 3)
    assert asked == ["model", "trajectory"]
    assert not again.failures


def test_a_changed_trajectory_is_said(
    session_path: Path, new_live: NewLive, tmp_path: Path
) -> None:
    changed = tmp_path / "liquid.eldyn"
    gaussian_liquid(14).save(changed)

    def move(head: dict[str, object]) -> None:
        for part in head["trajectories"]:
            part["file"] = {"absolute": str(changed), "relative": None}

    edit(session_path, move)
    again = new_live()
    remarks = open_workspace(again.viewer, session_path)
    assert any("liquid has changed since the session was saved" in text for text in remarks)
    again.wait(lambda: again.control.measured is not None)
    assert len(again.control.measured.statistics) == 14


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"not a session"), "damaged, or no session"),
        (lambda path: path.write_bytes(path.read_bytes()[:-2000]), "damaged, or no session"),
        (lambda path: edit(path, lambda head: head.update(version=2)), "newer napari-eldyn"),
        (lambda path: edit(path, lambda head: head.update(format="x")), "no session of napari"),
        (lambda path: edit(path, lambda head: head.pop("panels")), "key 'panels'"),
        (lambda path: edit(path, lambda head: head.update(reference=7)), "there is no layer 7"),
        (lambda path: path.unlink(), "there is no such file"),
    ],
)
def test_damaged_files_are_explained(
    session_path: Path, new_live: NewLive, damage: Callable[[Path], object], message: str
) -> None:
    damage(session_path)
    again = new_live()
    with pytest.raises(EldynError, match=message) as caught:
        open_workspace(again.viewer, session_path)
    assert session_path.name in str(caught.value)
    assert not again.viewer.layers


def test_a_missing_array_and_pickles_are_refused(
    session_path: Path, new_live: NewLive, tmp_path: Path
) -> None:
    import pickle

    again = new_live()
    for name, content in (
        ("arrays/rollouts/1/latents.npy", None),
        ("arrays/rollouts/1/latents.npy", pickle.dumps([1.0])),
    ):
        bad = tmp_path / "bad.eldynsession"
        with zipfile.ZipFile(session_path) as archive, zipfile.ZipFile(bad, "w") as copy:
            for item in archive.namelist():
                if item != name:
                    copy.writestr(item, archive.read(item))
                elif content is not None:
                    copy.writestr(item, content)
        with pytest.raises(EldynError, match="damaged"):
            open_workspace(again.viewer, bad)


def test_saving_replaces_only_when_asked_and_names_what_is_left_out(
    busy: Live, session_path: Path
) -> None:
    before = session_path.read_bytes()
    with pytest.raises(EldynError, match="already there"):
        save_workspace(busy.viewer, session_path)
    assert session_path.read_bytes() == before
    busy.viewer.add_points(np.zeros((2, 4)), name="my atoms")
    (text,) = save_workspace(busy.viewer, session_path, overwrite=True)
    assert "my atoms" in text
    assert [path.name for path in session_path.parent.iterdir()] == [session_path.name]


def test_a_trajectory_in_memory_cannot_be_part_of_a_session(live: Live, tmp_path: Path) -> None:
    live.control.set_reference(gaussian_liquid(8))
    live.wait(lambda: live.control.session is not None and live.control.state == "ready")
    live.run_to_end()
    with pytest.raises(EldynError, match="in memory only"):
        save_workspace(live.viewer, tmp_path / "work.eldynsession")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("window_shown", [True])
def test_docks_come_back_to_their_places(busy: Live, tmp_path: Path, new_live: NewLive) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QMainWindow

    from napari_eldyn.viewer.docking import find_docks, open_dock

    def lie(viewer: napari.Viewer) -> dict[str, tuple[Any, ...]]:
        window = viewer.window._qt_window
        assert isinstance(window, QMainWindow)
        return {
            name: (
                window.dockWidgetArea(dock),
                dock.geometry().getRect(),
                sorted(other.objectName() for other in window.tabifiedDockWidgets(dock)),
                dock.isHidden(),
                dock.visibleRegion().isEmpty(),
            )
            for name, dock in find_docks(viewer).items()
        }

    viewer = busy.viewer
    viewer.window.resize(1100, 760)
    open_dock(viewer, "Statistics")
    open_dock(viewer, "Rollout")
    busy.qtbot.wait(200)
    window, docks = viewer.window._qt_window, find_docks(viewer)
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, docks["Statistics"])
    window.resizeDocks([docks["Statistics"]], [330], Qt.Orientation.Vertical)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, docks["Rollout"])
    window.resizeDocks([docks["Rollout"]], [365], Qt.Orientation.Horizontal)
    docks["Rollout"].widget().rollouts_section.set_open(False)
    busy.qtbot.wait(200)
    before, size = lie(viewer), window.size()
    path = tmp_path / "work.eldynsession"
    save_workspace(viewer, path)
    viewer.close()
    again = new_live()
    open_dock(again.viewer, "Rollout")
    open_workspace(again.viewer, path)
    again.qtbot.wait(200)
    assert again.viewer.window._qt_window.size() == size
    for name, (area, place, *state) in lie(again.viewer).items():
        assert (area, *state) == (before[name][0], *before[name][2:])
        # The status bar is a pixel higher or lower, as its text is.
        np.testing.assert_allclose(place, before[name][1], atol=2)
    rollout = find_docks(again.viewer)["Rollout"].widget()
    assert not rollout.rollouts_section.header.isChecked()
    assert len(rollout.rollouts.rows) == 3
