"""What the plots have in common: artists that change with every frame, apart from those that stay.

A live canvas draws the lasting artists once, keeps that picture, and on every update puts it back
and draws only the changing artists on top (*blitting*). For a vector figure all are drawn together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from napari_eldyn.figures.style import Palette

__all__ = ["FRAME_WIDTH", "MEAN_WIDTH", "FloatArray", "LivePlot"]

FloatArray = NDArray[np.float64]

#: Line widths in points: running means are thick, single frames thin.
MEAN_WIDTH = 1.7
FRAME_WIDTH = 0.8

ArtistT = TypeVar("ArtistT", bound=Artist)


class LivePlot:
    """Base of the plots: one axes, its palette, and the artists that change.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; made inside :func:`napari_eldyn.figures.style.context`.
    palette : Palette
        The colours.
    live : bool
        Whether a canvas draws the changing artists itself. False for figures that are saved.
    """

    def __init__(self, axes: Axes, palette: Palette, *, live: bool = False) -> None:
        self.axes = axes
        self.palette = palette
        self._live = live
        self._changing: list[Artist] = []
        self._redraw_needed = True

    @property
    def redraw_needed(self) -> bool:
        """Whether something that stays (range, reference, scale) changed since the last draw."""
        return self._redraw_needed

    @property
    def region(self) -> Bbox:
        """What the changing artists lie in, in pixels of the figure."""
        return self.axes.bbox

    def mark_drawn(self) -> None:
        """Note that the lasting artists are now on the canvas as they are."""
        self._redraw_needed = False

    def draw_changing(self) -> None:
        """Draw the artists that change onto the picture of the lasting ones."""
        for artist in sorted(self._changing, key=Artist.get_zorder):
            if artist.get_visible():
                self.axes.draw_artist(artist)

    def read(self, x: float, y: float) -> str:
        """Say what is drawn near a point of the axes, with units; nothing if there is nothing.

        Parameters
        ----------
        x, y : float
            In data coordinates.
        """
        return ""

    def set_box(self, box: tuple[float, float, float, float]) -> None:
        """Move the plot within its figure.

        Parameters
        ----------
        box : tuple of float
            Left, bottom, width and height of what the frame of the axes, with whatever belongs to
            them above, may fill; as fractions of the figure.
        """
        self.axes.set_position(box)

    def _thin(self, colour: str) -> Line2D:
        """Add an empty thin line, of a single frame."""
        (line,) = self.axes.plot([], [], color=colour, lw=FRAME_WIDTH, zorder=3.5)
        return self._add_changing(line)

    def _thick(self, names: Sequence[str], **look: Sequence[Any]) -> dict[str, Line2D]:
        """Add an empty thick line for the mean of each generated trajectory, by name.

        Parameters
        ----------
        names : sequence of str
            For the legend.
        **look : sequence
            What tells the lines apart besides their colours, taken in turns.
        """
        colours, lines = self.palette.generated, {}
        for number, name in enumerate(names):
            own = {key: values[number % len(values)] for key, values in look.items()}
            colour = colours[number % len(colours)]
            (line,) = self.axes.plot([], [], color=colour, lw=MEAN_WIDTH, label=name, **own)
            line.set_zorder(4)
            lines[name] = self._add_changing(line)
        return lines

    def _single_frames(self) -> dict[str, Line2D]:
        """Add the thin lines of the frame looked at and its reference."""
        lines = {
            "reference": self._thin(self.palette.reference_frame),
            "generated": self._thin(self.palette.generated[0]),
        }
        lines["generated"].set_label("this frame")
        return lines

    def _add_changing(self, artist: ArtistT) -> ArtistT:
        artist.set_animated(self._live)
        self._changing.append(artist)
        return artist
