"""Writers of trajectories: one module per file format, and a registry that finds the right one."""

from __future__ import annotations

from napari_eldyn.density.writers.file_format import FileFormat
from napari_eldyn.density.writers.recipe import ConversionRecipe
from napari_eldyn.density.writers.writing import (
    WRITERS,
    WriteReport,
    find_writer,
    write_trajectory,
)

__all__ = [
    "WRITERS",
    "ConversionRecipe",
    "FileFormat",
    "WriteReport",
    "find_writer",
    "write_trajectory",
]
