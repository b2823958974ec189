"""What napari's Save dialog does with the layers of trajectories and of rollouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pytest
from ase.io.cube import read_cube
from ase.units import Bohr
from live_session import Live
from napari.plugins._npe2 import file_extensions_string_for_layers
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QProgressDialog

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.layers import PANEL_KEY
from napari_eldyn.viewer.saving import save_selected
from napari_eldyn.viewer.writer import write_cube, write_store

MakeViewer = Callable[..., napari.Viewer]


def messages_of(action: Callable[[], object]) -> str:
    since = len(notification_manager.records)
    action()
    return "\n".join(record.message for record in notification_manager.records[since:])


def test_the_dialog_offers_each_format(make_napari_viewer: MakeViewer) -> None:
    layer = make_napari_viewer().add_image(np.zeros((2, 2)))
    offered, _ = file_extensions_string_for_layers([layer])
    assert offered is not None
    for text in (
        "Density trajectory (*.eldyn)",
        "Gaussian cube of a density (*.cube *.cub)",
        "VASP CHGCAR of a density (*.vasp *.CHGCAR *.CHG)",
        "XSF of a density (*.xsf *.axsf)",
        "NumPy archive of a density (*.npz)",
    ):
        assert text in offered


def test_a_layer_is_saved_and_opens_again(
    make_napari_viewer: MakeViewer, liquid_path: Path, tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    (layer,) = viewer.open(liquid_path, plugin="napari-eldyn")
    viewer.layers.selection = {layer}
    original = DensityTrajectory.open(liquid_path)
    for name in ("saved.eldyn", "saved.cube", "saved.xsf"):
        folder = tmp_path / name[6:]
        folder.mkdir()
        path = str(folder / name)
        said = messages_of(
            lambda path=path: viewer.layers.save(path, selected=True, plugin="napari-eldyn")
        )
        assert "Saved 12 frames: " in said
        again = DensityTrajectory.open(folder)
        assert len(again) == 12
        assert again.grid.matches(original.grid)
        np.testing.assert_allclose(again[7], original[7], rtol=5e-5)
    with (tmp_path / "cube" / "saved_0007.cube").open() as file:
        values = read_cube(file)["data"] / Bohr**3
    np.testing.assert_allclose(values, original[7], rtol=1e-5)


def test_what_chgcar_lacks_is_told(
    make_napari_viewer: MakeViewer, liquid_path: Path, tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    (layer,) = viewer.open(liquid_path, plugin="napari-eldyn")
    layer.metadata["density_trajectory"] = layer.metadata["density_trajectory"][3:4]
    said = messages_of(lambda: layer.save(str(tmp_path / "CHGCAR.vasp"), plugin="napari-eldyn"))
    assert "No PAW occupancies in the file: VASP cannot start from it" in said
    assert [path.name for path in tmp_path.iterdir()] == ["CHGCAR.vasp"]


def test_the_format_chosen_ends_a_name_without_ending(liquid_path: Path, tmp_path: Path) -> None:
    attributes = {"metadata": {"density_trajectory": DensityTrajectory.open(liquid_path)[:1]}}
    for write, suffix in ((write_cube, ".cube"), (write_store, ".eldyn")):
        assert write(str(tmp_path / "Li 800.5 K"), None, attributes) == [
            str(tmp_path / f"Li 800.5 K{suffix}")
        ]


def test_the_generated_panel_gives_the_rollout(live: Live, tmp_path: Path) -> None:
    live.run_to_end()
    panels = {layer.metadata.get(PANEL_KEY): layer for layer in live.viewer.layers}
    path = tmp_path / "generated.npz"
    assert "Saved 6 frames" in messages_of(
        lambda: panels["generated"].save(str(path), plugin="napari-eldyn")
    )
    session = live.control.session
    assert session is not None
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["density"], np.stack(list(session.rollout)))
        np.testing.assert_array_equal(arrays["times"], session.rollout.times)
        np.testing.assert_array_equal(arrays["numbers"], np.full(8, 3))
    with pytest.raises(EldynError, match="'difference' is computed from others"):
        write_cube(str(tmp_path / "d.cube"), None, {"metadata": {PANEL_KEY: "difference"}})
    assert [entry.name for entry in tmp_path.iterdir()] == ["generated.npz"]


def test_other_images_are_left_to_other_writers(
    make_napari_viewer: MakeViewer, tmp_path: Path
) -> None:
    layer = make_napari_viewer().add_image(np.zeros((4, 4)), name="photo")
    with pytest.raises(EldynError, match="no density trajectory behind this layer"):
        layer.save(str(tmp_path / "photo.cube"), plugin="napari-eldyn")
    assert not list(tmp_path.iterdir())


def test_the_menu_saves_what_is_selected(live: Live, tmp_path: Path, monkeypatch) -> None:
    """What the dialog answers is made up; all else is done for real."""
    live.run_to_end()
    asked: list[str] = []

    def choose(parent: object, title: str, begin: str, filters: str) -> tuple[str, str]:
        asked.extend([title, filters])
        return str(tmp_path / "of mine"), next(x for x in filters.split(";;") if "XSF" in x)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    panels = {layer.metadata.get(PANEL_KEY): layer for layer in live.viewer.layers}
    live.viewer.layers.selection = {panels["generated"]}
    said = messages_of(lambda: save_selected(live.viewer))
    assert "generated" in asked[0]
    assert asked[1].startswith("Density trajectory (*.eldyn);;Gaussian cube (*.cube *.cub);;")
    assert f"Saved 6 frames: {tmp_path / 'of mine.xsf'}" in said
    assert "No atoms in the file: their positions are not known" in said
    again = DensityTrajectory.open(tmp_path / "of mine.xsf")
    np.testing.assert_array_equal(again[5], live.control.session.rollout[5])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("/no/such/folder/x.npz", ""))
    assert "does not exist" in messages_of(lambda: save_selected(live.viewer))


def test_saving_can_be_stopped(
    make_napari_viewer: MakeViewer, liquid_path: Path, tmp_path: Path
) -> None:
    """The dialog is found by a timer, as a user's hand would."""
    viewer = make_napari_viewer()
    (layer,) = viewer.open(liquid_path, plugin="napari-eldyn")
    one = DensityTrajectory.open(liquid_path)
    layer.metadata["density_trajectory"] = one.resampled((80, 80, 80))

    def press_stop() -> None:
        for widget in QApplication.topLevelWidgets():
            if isinstance(widget, QProgressDialog):
                widget.canceled.emit()  # as its button does
                timer.stop()

    timer = QTimer()
    timer.timeout.connect(press_stop)
    timer.start(20)
    with pytest.raises(EldynError, match="saving was stopped; nothing has been written"):
        layer.save(str(tmp_path / "slow.cube"), plugin="napari-eldyn")
    assert not list(tmp_path.iterdir())
