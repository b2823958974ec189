"""Choices made in the docks come back with a session."""

from pathlib import Path

from live_session import Live

from napari_eldyn.viewer.docking import open_dock
from napari_eldyn.viewer.preferences import forget
from napari_eldyn.viewer.workspace import open_workspace, save_workspace


def test_choices_of_all_docks_come_back(live: Live, tmp_path: Path) -> None:
    movie, figures, compare = (open_dock(live.viewer, x) for x in ("Movie", "Figures", "Compare"))
    movie.form.title.setText("Liquid")
    movie.form.fps.setValue(7.5)
    figures.form.preset.setCurrentIndex(figures.form.preset.findData("nature"))
    figures.form.dpi.setValue(600)
    compare.plot.quantity.setCurrentIndex(compare.plot.quantity.findData("structure_factor"))
    compare.plot.ratio.setChecked(True)
    path = tmp_path / "choices.eldynsession"
    save_workspace(live.viewer, path)

    forget()
    movie.form.title.setText("Other")
    movie.form.fps.setValue(20)
    figures.form.preset.setCurrentIndex(0)
    figures.form.dpi.setValue(300)
    compare.plot.quantity.setCurrentIndex(0)
    compare.plot.ratio.setChecked(False)
    open_workspace(live.viewer, path)

    movie, figures, compare = (open_dock(live.viewer, x) for x in ("Movie", "Figures", "Compare"))
    assert (movie.form.title.text(), movie.form.fps.value()) == ("Liquid", 7.5)
    assert (figures.form.preset.currentData(), figures.form.dpi.value()) == ("nature", 600)
    assert compare.plot.quantity.currentData() == "structure_factor"
    assert compare.plot.ratio.isChecked()
