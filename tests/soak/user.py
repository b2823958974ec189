"""A user at the window: clicks, keys, files, and the dialogs that they bring up."""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from faults import Faults
from qtpy.QtCore import QEventLoop, QMimeData, QPoint, Qt, QTimer, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QLineEdit,
    QListWidget,
    QMenu,
    QMessageBox,
    QRadioButton,
    QScrollArea,
    QWidget,
)

from napari_eldyn.viewer._compat import main_window
from napari_eldyn.viewer.controller import RolloutController, controller_of
from napari_eldyn.viewer.docking import find_docks

__all__ = ["User", "turn"]

_DIALOGS = ("getSaveFileName", "getOpenFileName", "getExistingDirectory")
BUSY = ("loading", "measuring", "running", "stopping", "saving", "members")


def turn(seconds: float) -> None:
    """Run the event loop for a while."""
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


class User:
    """Someone at a viewer's window; every choice comes from one random generator.

    Parameters
    ----------
    viewer : napari.Viewer
        Shown.
    seed : int
        Of the choices.
    folder : Path
        Where files go; file dialogs answer with names in it.
    faults : Faults
        Where errors told in docks go.
    """

    def __init__(self, viewer: napari.Viewer, seed: int, folder: Path, faults: Faults) -> None:
        self.viewer = viewer
        self.random = random.Random(seed)
        self.folder = folder
        self.faults = faults
        self.answered: list[str] = []  # dialogs and menus
        self.closed: list[tuple[str, weakref.ref[QWidget]]] = []  # docks closed for good
        self._n_files = 0
        self._dialogs = {name: getattr(QFileDialog, name) for name in _DIALOGS}
        QFileDialog.getSaveFileName = self._save_name  # type: ignore[method-assign]
        QFileDialog.getOpenFileName = self._open_name  # type: ignore[method-assign]
        QFileDialog.getExistingDirectory = self._folder_name  # type: ignore[method-assign]
        self._watch = QTimer()
        self._watch.setInterval(120)
        self._watch.timeout.connect(self._answer)
        self._watch.start()

    def leave(self) -> None:
        """Go away."""
        self._watch.stop()
        for name, dialog in self._dialogs.items():
            setattr(QFileDialog, name, dialog)

    @property
    def control(self) -> RolloutController:
        """The viewer's controller."""
        return controller_of(self.viewer)

    @property
    def window(self) -> QWidget:
        """The main window."""
        window = main_window(self.viewer)
        assert window is not None
        return window

    @property
    def canvas(self) -> QWidget:
        """The canvas, where keys go."""
        canvas: QWidget = self.viewer.window._qt_viewer.canvas.native
        return canvas

    def docks(self) -> dict[str, QWidget]:
        """Contents of the docks that are there, by name."""
        found = {name: dock.widget() for name, dock in find_docks(self.viewer).items()}
        return {name: content for name, content in found.items() if content is not None}

    def wait(self, condition: Callable[[], bool], seconds: float = 30.0) -> bool:
        """Wait until something is so; returns whether it came about."""
        for _ in range(int(seconds / 0.02)):
            if condition():
                return True
            turn(0.02)
        return condition()

    def rest(self, seconds: float = 60.0) -> bool:
        """Wait until nothing is loading, running or being saved."""
        return self.wait(lambda: self.control.state not in BUSY, seconds)

    # -- hands --------------------------------------------------------------------------------

    def press(self, key: Any, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key over the canvas."""
        QTest.keyClick(self.canvas, key, modifier)

    def click(self, widget: QWidget) -> bool:
        """Click a widget if one can see and use it; a tab in front of it is no obstacle."""
        if not widget.isEnabled() or widget.isHidden():
            return False
        for name, content in self.docks().items():
            if content.isAncestorOf(widget):
                dock = find_docks(self.viewer)[name]
                dock.show()
                dock.raise_()
        QApplication.processEvents()
        if not _alive(widget) or not widget.isVisible() or not widget.isEnabled():
            return False
        _scroll_to(widget)
        place = widget.rect().center()
        if isinstance(widget, QCheckBox | QRadioButton):  # only their text and box can be hit
            place = QPoint(min(8, widget.width() - 1), widget.height() // 2)
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=place)
        return True

    def click_button(self, text: str) -> bool:
        """Click the button that says this in any dock."""
        for content in self.docks().values():
            for button in content.findChildren(QAbstractButton):
                if button.text().replace("&", "") == text and self.click(button):
                    return True
        return False

    def controls(self, content: QWidget) -> list[QWidget]:
        """Controls in a dock that can be used now."""
        kinds = (QAbstractButton, QComboBox, QAbstractSpinBox, QAbstractSlider, QLineEdit)
        found = [
            w
            for kind in (*kinds, QListWidget)
            for w in content.findChildren(kind)
            if w.isVisible() and w.isEnabled() and w.rect().width() > 4
        ]
        return [w for w in found if not isinstance(w.parent(), (*kinds, QScrollArea))]

    def use(self, control: QWidget) -> str:
        """Do something with a control, as its kind suggests; returns what."""
        name = type(control).__name__
        _scroll_to(control)
        if isinstance(control, QAbstractButton):
            text = control.text() or control.toolTip()[:30] or control.objectName()
            self.click(control)
            return f"{name} {text!r}"
        if isinstance(control, QComboBox):
            for _ in range(self.random.randint(1, 3)):
                QTest.keyClick(control, self.random.choice([Qt.Key.Key_Down, Qt.Key.Key_Up]))
            return f"{name} → {control.currentText() if _alive(control) else '…'!r}"
        if isinstance(control, QAbstractSpinBox):
            for _ in range(self.random.randint(1, 3)):
                QTest.keyClick(control, self.random.choice([Qt.Key.Key_Down, Qt.Key.Key_Up]))
            return f"{name} → {control.text()}"
        if isinstance(control, QAbstractSlider):
            QTest.keyClick(control, self.random.choice([Qt.Key.Key_Left, Qt.Key.Key_Right]))
            return f"{name} → {control.value()}"
        if isinstance(control, QLineEdit):
            control.selectAll()
            QTest.keyClicks(control, f"soak {self.random.randint(1, 9)}")
            QTest.keyClick(control, Qt.Key.Key_Return)
            return f"{name} → {control.text()!r}"
        QTest.keyClick(control, Qt.Key.Key_Down)
        return name

    def drop(self, path: Path) -> None:
        """Drop a file into the window."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        centre = self.canvas.rect().center().toPointF()
        event = QDropEvent(
            centre,
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        self.viewer.window._qt_viewer.dropEvent(event)

    # -- dialogs ------------------------------------------------------------------------------

    def _answer(self) -> None:
        popup = QApplication.activePopupWidget()
        if isinstance(popup, QMenu):
            self._choose(popup)
        elif popup is not None:
            popup.close()
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QMessageBox):
            self.answered.append(f"“{dialog.text()[:60]}”")
            buttons = dialog.buttons()
            QTest.mouseClick(self.random.choice(buttons), Qt.MouseButton.LeftButton)
        elif isinstance(dialog, QDialog):
            self.answered.append(f"dialog “{dialog.windowTitle()}”")
            dialog.reject()

    def _choose(self, menu: QMenu) -> None:
        actions = [a for a in menu.actions() if a.isEnabled() and not a.isSeparator()]
        actions = [a for a in actions if a.menu() is None]
        if not actions or self.random.random() < 0.3:
            QTest.keyClick(menu, Qt.Key.Key_Escape)
            return
        action = self.random.choice(actions)
        self.answered.append(f"menu entry “{action.text()}”")
        menu.setActiveAction(action)
        QTest.keyClick(menu, Qt.Key.Key_Return)

    def _save_name(self, *args: Any, **kwargs: Any) -> tuple[str, str]:
        if self.random.random() < 0.2:
            return "", ""
        self._n_files += 1
        proposed = next((a for a in args[2:3] if isinstance(a, str)), kwargs.get("directory", ""))
        suffix = Path(str(proposed)).suffix or ".eldyn"
        return str(self.folder / f"file{self._n_files % 6}{suffix}"), str(kwargs.get("filter", ""))

    def _open_name(self, *args: Any, **kwargs: Any) -> tuple[str, str]:
        sessions = sorted(self.folder.glob("*.eldynsession"))
        wanted = any("session" in str(argument) for argument in (*args, *kwargs.values()))
        return (str(self.random.choice(sessions)), "") if sessions and wanted else ("", "")

    def _folder_name(self, *args: Any, **kwargs: Any) -> str:
        stores = sorted(self.folder.glob("rollout*.eldyn"))
        return str(self.random.choice(stores)) if stores else ""


def _alive(widget: QWidget) -> bool:
    try:
        widget.objectName()
    except RuntimeError:
        return False
    return True


def _scroll_to(widget: QWidget) -> None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QScrollArea):
        parent = parent.parentWidget()
    if isinstance(parent, QScrollArea):
        parent.ensureWidgetVisible(widget)
        QApplication.processEvents()
