"""What can be done with a plot: copy its picture or its numbers, save it for print."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from qtpy.QtCore import QPoint, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QAction, QGuiApplication, QImage  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFileDialog, QMenu, QToolButton, QWidget

from napari_eldyn.density.files import write_whole
from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.plot_data import csv_text, tsv_text
from napari_eldyn.figures.saving import save_figure
from napari_eldyn.viewer.preferences import remember, remembered

__all__ = ["PlotMenu", "PlotMenuButton", "PlotSource", "figure_image", "save_plot"]

#: Dots per inch of copied pictures: twice those of the screen.
COPY_DPI = 192.0

_KINDS = {
    "pdf": ("Save as PDF …", "Column-wide vector figure on white; text stays text"),
    "svg": ("Save as SVG …", "Column-wide vector figure on white; text stays text"),
    "png": ("Save as PNG …", "Column-wide picture on white, 300 dots per inch"),
    "csv": ("Save data as CSV …", "The numbers, with units and where they come from"),
}


@dataclass(frozen=True, eq=False)
class PlotSource:
    """A plot as its menu sees it; everything is made when asked for.

    Parameters
    ----------
    title : str
        What the plot is called; the name suggested for files follows from it.
    picture : callable
        Returns a drawn figure that looks as the plot does on the screen, at `COPY_DPI`.
    figure : callable
        Returns a figure for print.
    table : callable
        Returns the numbers as columns, named with their units.
    provenance : callable
        Returns what the plot shows: model, its hash, seed, sampler, versions …
    """

    title: str
    picture: Callable[[], Figure]
    figure: Callable[[], Figure]
    table: Callable[[], Mapping[str, ArrayLike]]
    provenance: Callable[[], Mapping[str, Any]]

    @property
    def file_name(self) -> str:
        """Name suggested for files, without ending."""
        return re.sub(r"[^a-z0-9]+", "_", self.title.lower()).strip("_")


def save_plot(source: PlotSource, path: Path) -> None:
    """Save a plot in the format that the ending says, whole or not at all.

    Parameters
    ----------
    source : PlotSource
        The plot.
    path : Path
        Ending in ``.pdf``, ``.svg``, ``.png`` or ``.csv``; a file of the name is replaced.

    Raises
    ------
    EldynError
        If the ending is another one, or the file cannot be written.
    """
    kind = path.suffix.lower().lstrip(".")
    if kind not in _KINDS:
        raise EldynError(
            f"plots are not saved as '{path.suffix}'", path=path, remedy=f"Use {', '.join(_KINDS)}."
        )
    story = dict(source.provenance())
    if kind == "csv":
        write_whole(path, csv_text(source.table(), story, source.title).encode())
    else:
        save_figure(source.figure(), path, provenance=story, formats=(kind,))


def figure_image(figure: Figure) -> QImage:
    """Return a figure that has been drawn as an image."""
    pixels = np.ascontiguousarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    height, width = pixels.shape[:2]
    image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
    return image.copy()


class PlotMenu(QMenu):
    """Copy and save; shown by a button or by the right mouse button.

    Parameters
    ----------
    source : PlotSource
        The plot.
    parent : QWidget, optional
        Parent widget; dialogs belong to it.
    """

    failed = Signal(str)
    """What went wrong."""
    done = Signal(str)
    """What was done."""

    def __init__(self, source: PlotSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.source = source
        self.setToolTipsVisible(True)
        self._add("Copy picture", "As it is here, at twice the resolution", self.copy_picture)
        self._add("Copy data", "The numbers as columns to paste into a spreadsheet", self.copy_data)
        self.addSeparator()
        for kind, (text, tip) in _KINDS.items():
            self._add(text, tip, partial(self.ask_and_save, kind))

    def pop_up(self, place: QPoint) -> None:
        """Open at a place of the screen."""
        self.popup(place)

    def copy_picture(self) -> None:
        """Put the picture on the clipboard."""

        def copy() -> str:
            image = figure_image(self.source.picture())
            _clipboard().setImage(image)
            return f"Picture copied ({image.width()} × {image.height()} pixels)."

        self._try(copy)

    def copy_data(self) -> None:
        """Put the numbers on the clipboard."""

        def copy() -> str:
            table = self.source.table()
            _clipboard().setText(tsv_text(table))
            rows = max((len(np.atleast_1d(column)) for column in table.values()), default=0)
            return f"Data copied ({rows} rows, {len(table)} columns)."

        self._try(copy)

    def ask_and_save(self, kind: str) -> None:
        """Ask where to, and save.

        Parameters
        ----------
        kind : str
            ``pdf``, ``svg``, ``png`` or ``csv``.
        """
        folder = remembered("plots").get("folder")
        start = Path(folder) if isinstance(folder, str) and Path(folder).is_dir() else Path()
        suggested = start / f"{self.source.file_name}.{kind}"
        chosen, _ = QFileDialog.getSaveFileName(
            self.parentWidget(), "Save plot", str(suggested), f"{kind.upper()} (*.{kind})"
        )
        if not chosen:
            return
        path = Path(chosen)
        if path.suffix.lower() != f".{kind}":
            path = path.with_name(f"{path.name}.{kind}")
        remember("plots", folder=str(path.parent))

        def save() -> str:
            save_plot(self.source, path)
            return f"Saved {path.name}."

        self._try(save)

    def _try(self, action: Callable[[], str]) -> None:
        try:
            news = action()
        except EldynError as error:
            self.failed.emit(str(error))
        else:
            self.done.emit(news)

    def _add(self, text: str, tip: str, action: Callable[[], None]) -> None:
        entry = QAction(text, self)
        entry.setToolTip(tip)
        entry.triggered.connect(lambda *_: action())
        self.addAction(entry)


class PlotMenuButton(QToolButton):
    """A small button that opens the menu of a plot.

    Parameters
    ----------
    menu : PlotMenu
        Its menu.
    """

    def __init__(self, menu: PlotMenu) -> None:
        super().__init__()
        self.setText("⋯")
        self.setToolTip("Copy or save this plot (also with the right mouse button)")
        self.setAutoRaise(True)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setMenu(menu)
        self.setStyleSheet("QToolButton::menu-indicator { image: none; width: 0px; }")


def _clipboard() -> Any:
    return QGuiApplication.clipboard()
