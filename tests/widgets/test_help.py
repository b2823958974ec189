"""The help: what it says, and that links and text are for use."""

from __future__ import annotations

from collections.abc import Callable

import napari
import npe2
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QTextBrowser, QWidget

from napari_eldyn.viewer._compat import main_window
from napari_eldyn.viewer.docking import open_dock
from napari_eldyn.viewer.menu import density_menu
from napari_eldyn.viewer.shortcuts import SHORTCUTS
from napari_eldyn.widgets.help import HelpDialog


def open_help(viewer: napari.Viewer) -> HelpDialog:
    entry = next(x for x in viewer.window.help_menu.actions() if "Electron density" in x.text())
    entry.trigger()
    dialog = main_window(viewer).findChild(HelpDialog)
    assert isinstance(dialog, HelpDialog)
    return dialog


def test_help_tells_keys_journeys_and_units(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    open_dock(viewer, "Rollout")
    dialog = open_help(viewer)
    qtbot.wait(100)
    pages = [dialog.pages.widget(place) for place in range(dialog.pages.count())]
    keys, journeys, units = [page.toPlainText() for page in pages if isinstance(page, QTextBrowser)]
    for shortcut in SHORTCUTS:
        assert shortcut.keys in keys
        assert shortcut.text in keys
    for word in ("Open", "Roll out", "Publish", ".eldyn", "eldyn figures --from SIDECAR"):
        assert word in journeys
    for unit in ("Å", "fs", "e/Å³", "1/Å"):
        assert unit in units
    for page in dialog.findChildren(QTextBrowser):
        assert page.horizontalScrollBar().maximum() == 0, "no line is cut"
    assert open_help(viewer) is dialog, "one help is enough"
    dialog.close()


def test_our_menu_stands_before_help_once(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    open_dock(viewer, "Rollout")
    open_dock(viewer, "Statistics")
    titles = [entry.text() for entry in main_window(viewer).menuBar().actions()]
    assert titles.count("&Density") == 1
    assert titles.index("&Density") == titles.index("&Help") - 1
    menu = density_menu(viewer)
    assert menu is not None
    menu.aboutToShow.emit()
    entries = {entry.text(): entry for entry in menu.actions() if entry.text()}
    assert entries["Rollout"].isChecked()
    assert not entries["Movie"].isChecked()
    for entry in entries.values():
        assert entry.toolTip(), entry.text()
        assert entry.menu() is not None or entry.statusTip(), entry.text()
    entries["Rollout"].trigger()
    menu.aboutToShow.emit()
    assert not entries["Rollout"].isChecked()


def test_commands_of_the_manifest_resolve() -> None:
    manifest = npe2.PluginManager.instance().get_manifest("napari-eldyn")
    for command in manifest.contributions.commands or []:
        assert command.python_name is not None
        target = npe2._command_registry.CommandHandler(
            id=command.id, python_name=command.python_name
        ).resolve()
        assert callable(target), command.id
    titles = [widget.display_name for widget in manifest.contributions.widgets or []]
    assert titles[:4] == ["Workbench", "Rollout", "Compare", "Statistics"]
    assert {*titles[4:]} == {"Structure", "Analysis", "Movie", "Figures"}
    assert all(issubclass(_class(name), QWidget) for name in titles)


def _class(title: str) -> type:
    contribution = next(
        widget
        for widget in npe2.PluginManager.instance().iter_widgets()
        if widget.display_name == title and widget.plugin_name == "napari-eldyn"
    )
    found = contribution.get_callable()
    assert isinstance(found, type)
    return found
