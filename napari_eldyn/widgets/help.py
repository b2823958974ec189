"""The help: keys, a walk through the three journeys, units."""

from __future__ import annotations

from html import escape
from itertools import groupby

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTabWidget, QTextBrowser, QVBoxLayout, QWidget

from napari_eldyn.viewer._compat import main_window
from napari_eldyn.viewer.shortcuts import SHORTCUTS

__all__ = ["HelpDialog", "journeys_html", "keys_html", "show_help", "units_html"]

_PAPER = "https://arxiv.org/abs/2509.00169"
_NAPARI = "https://napari.org/stable/usage.html"
_LINK = "#3f8fd2"  # readable on napari's dark and light themes

_JOURNEYS = (
    (
        "1. Open",
        (
            "Drop an <b>.eldyn</b> trajectory onto the window, or take one from <i>File › Open "
            "Sample › Electron density dynamics</i>.",
            "Turn the view by dragging; zoom with the wheel. The slider below the canvas, and "
            "the keys ← and →, go through time.",
            "Contrast limits, colour map and rendering are in the layer controls (the tab "
            "<i>controls</i>).",
        ),
    ),
    (
        "2. Roll out",
        (
            "<i>Density › Workbench</i> opens all docks. In <b>Rollout</b> choose a model and a "
            "start frame; the sampler and its evaluations have sound defaults.",
            "<b>Run</b> (Space) generates frames; Space again pauses. Move the slider back while "
            "it runs; <b>Follow live</b> (L) returns to the newest frame.",
            "<b>Statistics</b>, on the right, shows whether what you see is physical: value "
            "distribution, sJSD, S(q), F(q,t), electron count, each beside the reference and its "
            "noise.",
            "<b>Compare</b> puts generated, reference, reconstruction, difference and ensemble "
            "mean side by side, and several rollouts into one plot.",
        ),
    ),
    (
        "3. Publish",
        (
            "<b>Movie</b> records volumes and plots into one picture: turntable, key frames, "
            "slices; H.264, VP9, AV1, ProRes, GIF or PNG frames.",
            "<b>Figures</b> draws the paper's figures from the rollout, and the view at 300 dpi "
            "and more, in the widths and fonts of a journal. The sidecar beside a figure holds "
            "what it takes to draw it again: <tt>eldyn figures --from SIDECAR</tt>.",
            "<b>Save …</b> in Rollout writes the generated frames as an .eldyn trajectory; "
            "<i>Density › Save session …</i> keeps the whole window, to go on another day.",
        ),
    ),
)

_UNITS = (
    ("Length", "Å"),
    ("Time", "fs (1 ps = 1000 fs)"),
    ("Electron density ρ", "electrons per Å³, written e/Å³"),
    ("Wave number q", "1/Å"),
    ("Energy", "eV"),
    (
        "S(q)",
        "structure factor, over shells of wave numbers. Amplitude: mean of |F(q)| in electrons, "
        "as in the paper. Intensity: mean of |F(q)|² per electron, the usual convention",
    ),
    ("F(q,t)", "intermediate scattering function, F(q,t)/F(q,0): no unit"),
    ("ρ̃", "normalised density (ln ρ − mean) / standard deviation over the training data: no unit"),
    (
        "JSD and sJSD",
        "Jensen-Shannon divergence of two value distributions. JSD in nats, 0 (equal) to ln 2; "
        "sJSD = JSD / (½ ln 2), the paper's, 0 to 2",
    ),
    ("NMAE", "∫|ρ − ρ′| / ∫ρ, in %"),
    ("Evaluations", "how often the denoiser is asked for each generated frame"),
)


def keys_html() -> str:
    """Write the table of keys."""
    rows = []
    for group, shortcuts in groupby(SHORTCUTS, key=lambda shortcut: shortcut.group):
        rows.append(f"<tr><td colspan=2><h3>{escape(group)}</h3></td></tr>")
        rows += [
            f"<tr><td><b>{escape(item.keys)}</b>&nbsp;&nbsp;&nbsp;</td>"
            f"<td>{escape(item.text)}</td></tr>"
            for item in shortcuts
        ]
    note = (
        "<p>Keys work on the canvas and on the docks, not while you type in a field: Enter or Esc "
        "gives the keyboard back to the canvas. Labels, Points and Shapes layers keep their own "
        "meaning of a key while they are selected. While a layer is being drawn or moved, "
        "Space moves the camera, as everywhere in napari.</p>"
    )
    return f"<table cellspacing=0 cellpadding=2>{''.join(rows)}</table>{note}"


def journeys_html() -> str:
    """Write the walk through the three journeys."""
    parts = []
    for title, steps in _JOURNEYS:
        items = "".join(f"<li style='margin-bottom:4px'>{step}</li>" for step in steps)
        parts.append(f"<h3>{title}</h3><ul>{items}</ul>")
    paper = _link(_PAPER, "Chiang, Choi and Osei-Kuffuor, arXiv:2509.00169")
    napari = _link(_NAPARI, "napari.org")
    return "".join(parts) + f"<p>The method: {paper}. napari itself: {napari}.</p>"


def _link(address: str, text: str) -> str:
    return f"<a href='{address}' style='color: {_LINK}'>{text}</a>"


def units_html() -> str:
    """Write the table of quantities and their units."""
    rows = "".join(
        f"<tr><td><b>{escape(name)}</b>&nbsp;&nbsp;&nbsp;</td><td>{escape(text)}</td></tr>"
        for name, text in _UNITS
    )
    return f"<table cellspacing=0 cellpadding=4>{rows}</table>"


class HelpDialog(QDialog):
    """Three pages in a window beside the viewer; text can be selected and copied.

    Parameters
    ----------
    parent : QWidget
        The main window, which it closes with.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Electron density dynamics: shortcuts and help")
        self.pages = QTabWidget()
        for title, html in (
            ("Keys", keys_html()),
            ("Three journeys", journeys_html()),
            ("Units and terms", units_html()),
        ):
            text = QTextBrowser()
            text.setOpenExternalLinks(True)
            text.setHtml(html)
            self.pages.addTab(text, title)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.pages)
        column.addWidget(buttons)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Wide enough for a line of text, and no taller than a laptop's screen."""
        return QSize(660, 720)


def show_help() -> None:
    """Open the help over the viewer in front, or bring it to the front."""
    from napari import current_viewer

    viewer = current_viewer()
    window = None if viewer is None else main_window(viewer)
    if window is None:
        return
    dialog = window.findChild(HelpDialog)
    if dialog is None:
        dialog = HelpDialog(window)
    dialog.show()
    dialog.raise_()
