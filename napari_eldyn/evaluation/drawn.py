"""A figure of the report with its caption."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

__all__ = ["Drawn"]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure with what a reader needs to understand it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        For print.
    caption : str
        What it shows, with the figure of the paper that it corresponds to.
    wide : bool
        Whether it takes two columns.
    """

    figure: Figure
    caption: str
    wide: bool = False
