"""Sizes, fonts and line widths that journals ask for, and what a figure is drawn with."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import matplotlib
from matplotlib import font_manager

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.style import DARK, LIGHT, Palette, context

__all__ = [
    "COLUMNS",
    "PRESETS",
    "THEMES",
    "Columns",
    "FigureStyle",
    "Preset",
    "Theme",
    "figure_style",
    "font_of",
]

Columns = Literal["single", "double"]
Theme = Literal["light", "dark"]

COLUMNS: tuple[Columns, ...] = get_args(Columns)
THEMES: tuple[Theme, ...] = get_args(Theme)

_INCH = 25.4  # mm
_SANS = ("Arial", "Helvetica")
# Of the same metrics as Arial and Helvetica, so that texts are as wide as with them.
_STAND_INS = ("Liberation Sans", "Arimo", "Nimbus Sans", "TeX Gyre Heros", "DejaVu Sans")


@dataclass(frozen=True)
class Preset:
    """What one place of publication asks of figures.

    Parameters
    ----------
    title : str
        For people.
    single, double : float
        Widths of one and of two columns, mm.
    height : float
        The most that a figure may be high, mm.
    size, small : float
        Font sizes of labels, and of ticks and legends, points. Nothing is smaller but indices.
    families : tuple of str
        Fonts in the order in which they are looked for.
    line : float
        Line widths relative to those on the screen.
    letter : str
        How panels are lettered, with ``{}`` for the letter.
    bold : bool
        Whether the letters are bold.
    """

    title: str
    single: float
    double: float
    height: float
    size: float
    small: float
    families: tuple[str, ...] = _SANS
    line: float = 0.8
    letter: str = "({})"
    bold: bool = False


#: By name. APS: capitals at least 2 mm high, which are 8 points; ACS: 4.5 points or more, no line
#: under 0.5 points; AIP: 8 points or more; Nature: 5 to 7 points; RSC: 7 points.
PRESETS: dict[str, Preset] = {
    "aps": Preset("APS (Physical Review)", 86, 178, 228, 9, 8),
    "acs": Preset("ACS", 82.5, 177.8, 233, 8, 7),
    "aip": Preset("AIP", 85, 170, 225, 9, 8),
    "nature": Preset("Nature, npj", 89, 183, 170, 7, 6, line=0.7, letter="{}", bold=True),
    "elsevier": Preset("Elsevier", 90, 190, 240, 8, 7),
    "rsc": Preset("RSC", 83, 171, 233, 8, 7),
    "report": Preset("Reports of eldyn", 86, 178, 240, 8, 7, ("DejaVu Sans",)),
    "slide": Preset("Slide (16:9)", 200, 310, 170, 14, 12, line=1.4, bold=True),
    "poster": Preset("Poster (A0)", 240, 500, 420, 26, 22, line=2.2, bold=True),
}


@dataclass(frozen=True)
class FigureStyle:
    """A preset with the choices left to the author.

    Parameters
    ----------
    preset : str
        Key of `PRESETS`.
    columns : {"single", "double"}
        Which of its widths.
    theme : {"light", "dark"}
        Colours.
    dpi : int
        Of what is not vectors, dots per inch.
    """

    preset: str = "aps"
    columns: Columns = "single"
    theme: Theme = "light"
    dpi: int = 300

    @property
    def rules(self) -> Preset:
        """The preset itself."""
        return PRESETS[self.preset]

    @property
    def palette(self) -> Palette:
        """Colours of the theme."""
        return DARK if self.theme == "dark" else LIGHT

    @property
    def width(self) -> float:
        """Width of the figure, inches."""
        rules = self.rules
        return (rules.single if self.columns == "single" else rules.double) / _INCH

    @property
    def largest_height(self) -> float:
        """The most that it may be high, inches."""
        return self.rules.height / _INCH

    @property
    def side_by_side(self) -> bool:
        """Whether panels stand beside each other: in two columns, and on slides."""
        return self.columns == "double" or self.largest_height < self.width

    @property
    def em(self) -> float:
        """The font size of labels, inches."""
        return self.rules.size / 72

    @property
    def line(self) -> float:
        """Line widths relative to those on the screen."""
        return self.rules.line

    @contextmanager
    def context(self) -> Iterator[None]:
        """Make, draw and save a figure with matplotlib's settings of this style; then undo them."""
        with ExitStack() as stack:
            for part in self._settings():
                stack.enter_context(part)
            yield

    def _settings(self) -> Iterator[AbstractContextManager[None]]:
        rules = self.rules
        yield context(self.palette, size=rules.size)
        family, _ = font_of(self.preset)
        settings: dict[Any, Any] = {
            "font.sans-serif": [family, "DejaVu Sans"],
            "legend.fontsize": rules.small,
            "legend.handlelength": 1.7,
            "axes.titlesize": rules.size,
        }
        if family != "DejaVu Sans":
            # DejaVu stands in for the symbols that the font lacks.
            settings |= {
                "mathtext.fontset": "custom",
                "mathtext.rm": family,
                "mathtext.it": f"{family}:italic",
                "mathtext.bf": f"{family}:bold",
                "mathtext.bfit": f"{family}:italic:bold",
                "mathtext.cal": family,
                "mathtext.sf": family,
                "mathtext.tt": family,
                "mathtext.fallback": "stixsans",
            }
        for axis in ("xtick", "ytick"):
            settings |= {
                f"{axis}.labelsize": rules.small,
                f"{axis}.major.size": 0.33 * rules.size,
                f"{axis}.minor.size": 0.18 * rules.size,
                f"{axis}.major.width": max(0.5, 0.6 * rules.line),
                f"{axis}.minor.width": max(0.5, 0.5 * rules.line),
            }
        settings |= {"axes.linewidth": 0.7 * rules.line, "axes.labelpad": 0.35 * rules.size}
        yield matplotlib.rc_context(settings)


def figure_style(
    preset: str = "aps", columns: str = "single", theme: str = "light", dpi: int = 300
) -> FigureStyle:
    """Check the choices of a style.

    Parameters
    ----------
    preset, columns, theme : str
        Keys of `PRESETS`, `COLUMNS` and `THEMES`.
    dpi : int
        Dots per inch, 72 to 2400.

    Raises
    ------
    EldynError
        If one of them does not exist, naming those that do.
    """
    for what, choice, known in (
        ("preset", preset, tuple(PRESETS)),
        ("width", columns, COLUMNS),
        ("theme", theme, THEMES),
    ):
        if choice not in known:
            raise EldynError(f"there is no {what} '{choice}'", remedy=f"Use {_either(known)}.")
    if not 72 <= dpi <= 2400:
        raise EldynError(
            f"{dpi} dots per inch are not possible", remedy="Use 72 to 2400; journals ask for 300."
        )
    return FigureStyle(preset, columns, theme, dpi)  # type: ignore[arg-type]


def font_of(preset: str) -> tuple[str, str]:
    """Choose the first font of a preset that this machine has.

    Parameters
    ----------
    preset : str
        Key of `PRESETS`.

    Returns
    -------
    family : str
        What is drawn with.
    replaced : str
        What to tell if that is another font than the preset's; empty otherwise.
    """
    wanted = PRESETS[preset].families
    family = next(name for name in (*wanted, *_STAND_INS) if _has_font(name))
    if family in wanted:
        return family, ""
    return family, f"{' and '.join(wanted)} are not installed: drawn with {family}"


@functools.cache
def _has_font(family: str) -> bool:
    """Whether matplotlib has a font, or can be given one that its cache does not list yet."""
    if family == "DejaVu Sans":  # comes with matplotlib
        return True
    if any(font.name == family for font in font_manager.fontManager.ttflist):
        return True
    for path in _files_of(family):
        font_manager.fontManager.addfont(path)
    return any(font.name == family for font in font_manager.fontManager.ttflist)


def _files_of(family: str) -> list[str]:
    """Font files that fontconfig knows of a family."""
    try:
        found = subprocess.run(
            ["fc-list", f":family={family}", "file"], capture_output=True, text=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    paths = (line.strip().rstrip(":") for line in found.splitlines())
    return sorted(path for path in paths if Path(path).suffix.lower() in (".ttf", ".otf"))


def _either(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + f" or {names[-1]}"
