"""What the Rollout dock says of a model, and of time."""

from __future__ import annotations

from html import escape

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.viewer.models import LoadedModel

__all__ = ["ModelCardDialog", "card_html", "describe_model", "format_duration"]


def describe_model(model: LoadedModel) -> str:
    """Describe a model in a few short lines: size, grid, cell, time step, and what it is for."""
    config, grid = model.emulator.config, model.emulator.grid
    numbers, *cells = model.emulator.noise_shape
    size = sum(parameter.numel() for parameter in model.emulator.networks.parameters())
    lines = [
        f"{config.family} · {_describe_latent(numbers, cells)} · {size / 1e6:.2g} M weights",
        f"{describe_grid(grid)} · Δτ = {config.timestep_fs:g} fs",
    ]
    if not model.positions_comparable:
        lines.append("Statistics only: positions are not comparable.")
    return "\n".join(lines)


def _describe_latent(numbers: int, cells: list[int]) -> str:
    if not cells:
        return f"{numbers} latent numbers"
    places = f"{cells[0]}³" if len(set(cells)) == 1 else " × ".join(map(str, cells))
    return f"latent {numbers} × {places}"


def describe_grid(grid: PeriodicGrid) -> str:
    """Describe points and cell in a few characters."""
    lengths = [float(length) for length in np.linalg.norm(grid.cell, axis=1)]
    points = " × ".join(map(str, grid.shape))
    if len(set(grid.shape)) == 1:
        points = f"{grid.shape[0]}³"
    if grid.is_cubic:
        return f"{points} points · {lengths[0]:.4g} Å cube"
    cell = " × ".join(f"{length:.4g}" for length in lengths)
    return f"{points} points · {cell} Å" + ("" if grid.is_orthogonal else ", oblique")


def format_duration(seconds: float) -> str:
    """Write a duration as a person would say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


class ModelCardDialog(QDialog):
    """A model's card in a window beside the viewer; text can be selected and copied.

    Parameters
    ----------
    model : LoadedModel
        The model.
    parent : QWidget
        Closes it with itself.
    """

    def __init__(self, model: LoadedModel, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Model card: {model.path.name}")
        self.text = QTextBrowser()
        self.text.setHtml(card_html(model))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.text)
        column.addWidget(buttons)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Wide enough for hashes, and no taller than a laptop's screen."""
        return QSize(800, 640)


def card_html(model: LoadedModel) -> str:
    """Write a model's card as a table with a heading for each section."""
    from napari_eldyn.emulator.model_card import model_card

    rows = [_row("file", str(model.path))]
    for section in model_card(model.emulator):
        rows.append(f"<tr><td colspan=2><h3>{escape(section.title)}</h3></td></tr>")
        rows += [_row(name, text) for name, text in section.lines]
    return f"<table cellspacing=0 cellpadding=2>{''.join(rows)}</table>"


def _row(name: str, text: str) -> str:
    return f"<tr><td><b>{escape(name)}</b>&nbsp;&nbsp;</td><td>{escape(text)}</td></tr>"
