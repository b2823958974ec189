"""What every dock owes its user: tooltips, units, nothing cut, on a small laptop's screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import napari
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollArea,
    QScrollBar,
    QTabBar,
    QWidget,
)

from napari_eldyn.viewer._compat import main_window
from napari_eldyn.viewer.docking import DOCKS, find_docks, open_dock, open_workbench
from napari_eldyn.viewer.samples import sample_trajectory

CONTROLS = (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QAbstractSlider,
)


def controls(content: QWidget) -> Iterator[QWidget]:
    """Everything in a dock that a person can operate, as wholes."""
    for widget in content.findChildren(QWidget):
        if not isinstance(widget, CONTROLS) or isinstance(widget, QScrollBar):
            continue
        parent = widget.parentWidget()
        inside = (QAbstractSpinBox, QComboBox, QTabBar)
        if isinstance(parent, inside) or widget.objectName().startswith(("qt_", "Scroll")):
            continue
        yield widget


def describe(widget: QWidget) -> str:
    text = getattr(widget, "text", None)
    return f"{type(widget).__name__} {text() if callable(text) else ''!r} {widget.objectName()}"


@pytest.fixture
def workbench(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot) -> napari.Viewer:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    viewer.open(sample_trajectory(), plugin="napari-eldyn")
    open_workbench(viewer)
    qtbot.wait(300)
    return viewer


def contents(viewer: napari.Viewer) -> dict[str, QWidget]:
    found = {}
    for name, dock in find_docks(viewer).items():
        content = dock.widget()
        assert content is not None
        found[name] = content
    assert set(found) == set(DOCKS)
    return found


def test_every_control_has_a_tooltip(workbench: napari.Viewer) -> None:
    missing = [
        f"{name}: {describe(widget)}"
        for name, content in contents(workbench).items()
        for widget in controls(content)
        if not widget.toolTip().strip()
    ]
    assert not missing


def test_tooltips_are_sentences(workbench: napari.Viewer) -> None:
    """They begin with a capital, end without a full stop if they are one, and hold no markup."""
    odd = []
    for name, content in contents(workbench).items():
        for widget in controls(content):
            tip = widget.toolTip().strip()
            begins = not tip or tip[0].isupper() or not tip[0].isalpha() or ":" in tip.split()[0]
            if not begins or "  " in tip or re.search(r"\b(TODO|None|nan)\b", tip):
                odd.append(f"{name}: {tip!r}")
    assert not odd


@pytest.mark.parametrize("size", [(1280, 800)])
def test_nothing_is_cut_at_the_side(
    workbench: napari.Viewer, qtbot: QtBot, size: tuple[int, int]
) -> None:
    cut = []
    for name, content in contents(workbench).items():
        open_dock(workbench, name)
        qtbot.wait(150)
        width = content.width()
        assert content.minimumSizeHint().width() <= max(width, 320), name
        for area in content.findChildren(QScrollArea):
            if area.horizontalScrollBar().maximum() > 0 and area.isVisible():
                cut.append(f"{name}: scrolls sideways")
        for widget in content.findChildren(QWidget):
            if not widget.isVisible() or isinstance(widget, QScrollBar):
                continue
            if isinstance(widget, QAbstractButton | QLabel | QAbstractSpinBox | QComboBox):
                right = widget.mapTo(content, widget.rect().topRight()).x()
                if right > width:
                    cut.append(f"{name}: {describe(widget)} ends at {right} of {width}")
            if isinstance(widget, QAbstractButton) and widget.text():
                needed = widget.fontMetrics().horizontalAdvance(widget.text().replace("&", ""))
                if needed > widget.width():
                    cut.append(f"{name}: {describe(widget)} needs {needed} of {widget.width()}")
    assert not cut
    window = main_window(workbench)
    assert (window.width(), window.height()) == size


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes_leave_all_text_readable(workbench: napari.Viewer, qtbot: QtBot, theme: str) -> None:
    """Text differs from its background by 3:1 at least in every dock."""
    workbench.theme = theme
    qtbot.wait(300)
    faint = []
    for name, content in contents(workbench).items():
        open_dock(workbench, name)
        qtbot.wait(100)
        picture = content.grab().toImage()
        for widget in content.findChildren(QWidget):
            if not isinstance(widget, QLabel) or not widget.isVisible() or not widget.text():
                continue
            if widget.visibleRegion().boundingRect().size() != widget.size():
                continue  # scrolled away
            corner = widget.mapTo(content, widget.rect().topLeft())
            levels = [
                luminance(picture.pixelColor(corner.x() + x, corner.y() + y))
                for x in range(widget.width())
                for y in range(min(widget.height(), 200))
                if 0 <= corner.x() + x < picture.width() and 0 <= corner.y() + y < picture.height()
            ]
            if levels and widget.isEnabled():
                contrast = (max(levels) + 0.05) / (min(levels) + 0.05)
                if contrast < 3:
                    faint.append(f"{name}: {widget.text()!r} {contrast:.1f}")
    assert not faint


def luminance(color: object) -> float:
    """Relative luminance (WCAG 2)."""
    channels = (color.redF(), color.greenF(), color.blueF())  # type: ignore[attr-defined]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
