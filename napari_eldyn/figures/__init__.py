"""Plots of statistics, for live canvases and for print (matplotlib; neither Qt nor napari)."""

from napari_eldyn.figures.distribution_plot import DistributionPlot
from napari_eldyn.figures.divergence_plot import DivergencePlot
from napari_eldyn.figures.saving import save_figure
from napari_eldyn.figures.structure_factor_plot import StructureFactorPlot
from napari_eldyn.figures.style import DARK, LIGHT, Palette, palette_on

__all__ = [
    "DARK",
    "LIGHT",
    "DistributionPlot",
    "DivergencePlot",
    "Palette",
    "StructureFactorPlot",
    "palette_on",
    "save_figure",
]
