"""Options of commands that open files which do not say everything, and what they mean."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari_eldyn.density.formats.volume_file import OpenOptions, Unit
    from napari_eldyn.density.frame_cache import CachePlace
    from napari_eldyn.density.trajectory import DensityKind

__all__ = [
    "CacheOption",
    "CellOption",
    "DatasetOption",
    "KindOption",
    "TimestepOption",
    "UnitOption",
    "cache_place",
    "open_options",
]

_PANEL = "What the files leave open"


class Cache(Enum):
    """The places of a cache, as choices on the command line."""

    beside = "beside"
    user = "user"


TimestepOption = Annotated[
    float | None,
    typer.Option(
        "--timestep",
        metavar="FS",
        help="Time between frames in fs, where the files hold no times; between MD steps where "
        "files are numbered by these, as CP2K does.",
        rich_help_panel=_PANEL,
    ),
]
CellOption = Annotated[
    str | None,
    typer.Option(
        "--cell",
        metavar="TEXT",
        help="Cell [Å], where the file has none: 'A', 'A B C', 'A B C ALPHA BETA GAMMA' [°], or "
        "nine components of its vectors.",
        rich_help_panel=_PANEL,
    ),
]
UnitOption = Annotated[
    str | None,
    typer.Option(
        "--unit",
        metavar="UNIT",
        help="Unit of the values, where the file leaves it open: e/Å³ (or e/A3), e/bohr³ "
        "(or e/bohr3).",
        rich_help_panel=_PANEL,
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME",
        help="Name or number of the data set to take, where a file has several.",
        rich_help_panel=_PANEL,
    ),
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="Kind of density, where a file can give several or does not say: pseudo, "
        "pseudo_valence, valence, core, all_electron, spin.",
        rich_help_panel=_PANEL,
    ),
]
CacheOption = Annotated[
    Cache | None,
    typer.Option(
        "--cache",
        help="Keep parsed frames for the next time: beside the files (NAME.eldyn-cache), or in "
        "the user's cache directory.",
    ),
]


def open_options(
    timestep: float | None = None,
    cell: str | None = None,
    unit: str | None = None,
    dataset: str | None = None,
    kind: str | None = None,
) -> OpenOptions:
    """Return what the options above mean, as the user typed them.

    Raises
    ------
    EldynError
        If one of them cannot be understood.
    """
    from napari_eldyn.density.cell_text import parse_cell
    from napari_eldyn.density.formats.volume_file import OpenOptions

    return OpenOptions(
        timestep=timestep,
        cell=None if cell is None else parse_cell(cell),
        unit=None if unit is None else _unit(unit),
        dataset=dataset,
        kind=None if kind is None else _kind(kind),
    )


def cache_place(cache: Cache | None) -> CachePlace | None:
    """Return where parsed frames are to be kept."""
    if cache is None:
        return None
    return "beside" if cache is Cache.beside else "user"


def _unit(text: str) -> Unit:
    from napari_eldyn.density.formats.density_units import UNITS, unit_named

    unit = unit_named(text)
    if unit is None:
        raise EldynError(f"--unit '{text}' is not known", remedy=f"Write {' or '.join(UNITS)}.")
    return unit


def _kind(text: str) -> DensityKind:
    from napari_eldyn.density.trajectory import DensityKind

    for kind in get_args(DensityKind):
        if text == kind:
            return kind  # type: ignore[no-any-return]
    raise EldynError(
        f"--kind '{text}' is not known", remedy=f"Write one of {', '.join(get_args(DensityKind))}."
    )
