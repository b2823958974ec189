"""The look of every plot: colours for light and dark, sizes for screen and for print.

Nothing here touches matplotlib's global state: callers draw inside :func:`context`, which puts the
former settings back.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
from matplotlib.colors import to_hex, to_rgb

__all__ = [
    "COLUMN_WIDTH",
    "DARK",
    "DOUBLE_WIDTH",
    "LIGHT",
    "SCREEN_DPI",
    "Palette",
    "context",
    "palette_on",
]

#: Width of one journal column (86 mm), in inches.
COLUMN_WIDTH = 3.386

#: Width of two journal columns with the gap between them (178 mm), in inches.
DOUBLE_WIDTH = 7.008

#: Dots per inch of figures on the screen (logical pixels).
SCREEN_DPI = 96.0


@dataclass(frozen=True)
class Palette:
    """Colours of one theme.

    The hues are those of Okabe and Ito (https://jfly.uni-koeln.de/color), which people with any of
    the common colour-vision deficiencies can tell apart; the dark theme uses lighter versions.

    Parameters
    ----------
    background, text, muted, grid : str
        Paper, writing, axes and secondary writing, and grid lines.
    reference, reference_fill : str
        Lines and areas of the reference trajectory.
    reference_frame : str
        The thin line of a single reference frame.
    generated : tuple of str
        One colour for each generated trajectory in a figure.
    guide : str
        The normal distribution that guides the eye.
    persistence, mean_field : str
        The two naive predictions used as reference levels.
    warning : str
        Numbers that need attention.
    """

    background: str
    text: str
    muted: str
    grid: str
    reference: str
    reference_fill: str
    reference_frame: str
    generated: tuple[str, ...]
    guide: str
    persistence: str
    mean_field: str
    warning: str

    @property
    def is_dark(self) -> bool:
        """Whether the background is dark."""
        return _luminance(self.background) < 0.5


LIGHT = Palette(
    background="#ffffff",
    text="#1a1a1a",
    muted="#5c5c5c",
    grid="#e4e4e4",
    reference="#3a3a3a",
    reference_fill="#d0d3d8",
    reference_frame="#6b7280",
    generated=("#d55e00", "#0072b2", "#009e73", "#b5568e"),
    guide="#5c5c5c",
    persistence="#007a59",
    mean_field="#a0437c",
    warning="#b3261e",
)

DARK = Palette(
    background="#23242b",
    text="#f0f1f2",
    muted="#a4abb6",
    grid="#353843",
    reference="#d6d9de",
    reference_fill="#4b515e",
    reference_frame="#9aa3b2",
    generated=("#ff8f3f", "#4aa3f0", "#6bd98f", "#d27fb3"),
    guide="#b9c0cc",
    persistence="#35cfa3",
    mean_field="#e79ccb",
    warning="#ffd24a",
)


def palette_on(background: str, text: str) -> Palette:
    """Choose the light or dark palette for a window and blend it into its colours.

    Parameters
    ----------
    background, text : str
        Colours of the window around the plot, in any form matplotlib understands.

    Returns
    -------
    Palette
        With the given background and text, and grid lines and areas mixed to fit them.
    """
    base = DARK if _luminance(background) < 0.5 else LIGHT
    return replace(
        base,
        background=to_hex(background),
        text=to_hex(text),
        muted=_mix(text, background, 0.35),
        grid=_mix(text, background, 0.88),
        reference_fill=_mix(text, background, 0.8),
    )


def context(palette: Palette, *, size: float = 8.0) -> AbstractContextManager[None]:
    """Matplotlib settings for making, drawing and saving a figure.

    Parameters
    ----------
    palette : Palette
        The colours.
    size : float
        Font size of labels in points; ticks and legends are one point smaller.

    Returns
    -------
    context manager
        Sets the parameters and puts the former ones back. Text stays text in PDF (TrueType,
        ``fonttype`` 42) and SVG. The font is the one that comes with matplotlib, so that a figure
        is the same on every machine.
    """
    settings: dict[Any, Any] = {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": size,
        "mathtext.fontset": "dejavusans",
        "mathtext.default": "it",
        "text.usetex": False,
        "text.color": palette.text,
        "axes.labelsize": size,
        "axes.titlesize": size,
        "axes.labelcolor": palette.text,
        "axes.labelpad": 3.0,
        "axes.linewidth": 0.7,
        "axes.edgecolor": palette.muted,
        "axes.facecolor": palette.background,
        "axes.formatter.use_mathtext": True,
        "axes.unicode_minus": True,
        "axes.axisbelow": True,
        "axes.grid": False,
        "axes.xmargin": 0.0,
        "figure.facecolor": palette.background,
        "figure.edgecolor": palette.background,
        "figure.autolayout": False,
        "figure.constrained_layout.use": False,
        "grid.color": palette.grid,
        "grid.linewidth": 0.5,
        "legend.fontsize": size - 1,
        "legend.frameon": False,
        "legend.handlelength": 1.6,
        "legend.borderaxespad": 0.4,
        "legend.labelspacing": 0.3,
        "lines.linewidth": 1.3,
        "lines.markersize": 3.0,
        "lines.solid_capstyle": "round",
        "path.simplify": True,
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "svg.fonttype": "none",
        "savefig.facecolor": "auto",
        "savefig.edgecolor": "auto",
        "savefig.transparent": False,
    }
    for axis in ("xtick", "ytick"):
        settings |= {
            f"{axis}.labelsize": size - 1,
            f"{axis}.color": palette.muted,
            f"{axis}.labelcolor": palette.text,
            f"{axis}.direction": "in",
            f"{axis}.major.size": 3.0,
            f"{axis}.minor.size": 1.6,
            f"{axis}.major.width": 0.6,
            f"{axis}.minor.width": 0.5,
            f"{axis}.minor.visible": True,
        }
    settings |= {"xtick.top": True, "ytick.right": True}
    return matplotlib.rc_context(settings)


def _luminance(colour: str) -> float:
    red, green, blue = to_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(colour: str, other: str, share: float) -> str:
    """``colour`` with ``share`` of ``other`` mixed in."""
    mixed = [
        (1 - share) * a + share * b for a, b in zip(to_rgb(colour), to_rgb(other), strict=True)
    ]
    return str(to_hex((mixed[0], mixed[1], mixed[2])))
