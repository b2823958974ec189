"""A figure with all it is drawn from: save it with its sidecar, and draw it again from there."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_eldyn.config import parse_config
from napari_eldyn.density.files import write_whole
from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.kinds import FIGURE_KINDS, FigureKind
from napari_eldyn.figures.presets import FigureStyle, figure_style, font_of
from napari_eldyn.figures.saving import FIGURE_FORMATS, save_figure
from napari_eldyn.figures.sidecar import (
    SIDECAR_ENDING,
    FigureData,
    FigureOptions,
    Sidecar,
    StyleRecord,
    read_sidecar,
    sidecar_path,
    write_sidecar,
)
from napari_eldyn.versions import installed_versions

__all__ = ["PublishedFigure", "open_published", "save_published"]


def _versions() -> dict[str, str]:
    return installed_versions("napari-eldyn", "matplotlib", "numpy", "napari")


@dataclass(frozen=True, eq=False)
class PublishedFigure:
    """A figure, its data, and where they came from.

    Parameters
    ----------
    kind : str
        Key of `FIGURE_KINDS`.
    data : FigureData
        Of the class that the kind is drawn from.
    style : FigureStyle
        Preset, width, theme, dots per inch.
    options : FigureOptions, optional
        Of the kind; its defaults if not given.
    provenance : mapping
        Rollouts (model hash, seed, sampler, evaluations, start) and reference, as JSON values.
    versions : mapping
        Of the programs that collected the data.
    """

    kind: str
    data: FigureData
    style: FigureStyle
    options: FigureOptions | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=_versions)

    @property
    def description(self) -> FigureKind:
        """Its entry in the registry."""
        return FIGURE_KINDS[self.kind]

    def draw(self) -> Figure:
        """Draw it."""
        return self.description.draw(self.data, self.style, self._options())

    def restyled(self, **choices: Any) -> PublishedFigure:
        """Return the same figure in another style: preset, columns, theme, dpi.

        Raises
        ------
        EldynError
            If a choice does not exist.
        """
        style = self.style
        asked: dict[str, Any] = {
            "preset": style.preset,
            "columns": style.columns,
            "theme": style.theme,
            "dpi": style.dpi,
        } | choices
        return replace(self, style=figure_style(**asked))

    def sidecar(self) -> Sidecar:
        """Return everything that is stored."""
        style = self.style
        return Sidecar(
            kind=self.kind,
            style=StyleRecord(
                preset=style.preset,
                columns=style.columns,
                theme=style.theme,
                dpi=style.dpi,
                font=font_of(style.preset)[0],
            ),
            options=self._options().model_dump(mode="json"),
            provenance=dict(self.provenance),
            versions=dict(self.versions),
            data=self.data.model_dump(mode="json"),
        )

    def _options(self) -> FigureOptions:
        return self.description.options() if self.options is None else self.options


def save_published(
    figure: PublishedFigure,
    base: str | Path,
    *,
    formats: Sequence[str] = FIGURE_FORMATS,
    drawn: Figure | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Save a figure, its tables and its sidecar.

    Parameters
    ----------
    figure : PublishedFigure
        What to save.
    base : path-like
        Final name, without ending or with that of a format.
    formats : sequence of str
        Of ``pdf``, ``png`` and ``svg``.
    drawn : matplotlib.figure.Figure, optional
        The figure, if it is drawn already.
    overwrite : bool
        Replace an earlier figure of that name.

    Returns
    -------
    tuple of Path
        Figures, tables (CSV) and, last, the sidecar. Each has its name only when it is whole.

    Raises
    ------
    EldynError
        If files of that name exist, or a file cannot be written.
    """
    base = _without_ending(Path(base))
    tables = figure.description.tables(figure.data)
    targets = [base.with_name(f"{base.name}.{kind}") for kind in formats]
    targets += [_table_path(base, ending) for ending in tables] + [sidecar_path(base)]
    if not overwrite:
        taken = [path.name for path in targets if path.exists()]
        if taken:
            raise EldynError(
                f"{', '.join(taken)} {'exists' if len(taken) == 1 else 'exist'} already",
                path=base.parent,
                remedy="Choose another name or folder, or replace them (--overwrite).",
            )
    saved = list(
        save_figure(
            drawn or figure.draw(),
            base,
            provenance={**figure.provenance, "versions": dict(figure.versions)},
            style=figure.style,
            formats=formats,
        )
    )
    for ending, columns in tables.items():
        write_whole(_table_path(base, ending), _csv(columns))
        saved.append(_table_path(base, ending))
    write_sidecar(figure.sidecar(), sidecar_path(base))
    return (*saved, sidecar_path(base))


def open_published(path: str | Path) -> PublishedFigure:
    """Open the sidecar of a figure.

    Parameters
    ----------
    path : path-like
        ``NAME.figure.json``, or a saved figure beside it.

    Raises
    ------
    EldynError
        If it is missing, damaged, of a newer format, or of an unknown kind or style.
    """
    path = Path(path)
    if not path.name.endswith(SIDECAR_ENDING) and path.suffix[1:] in FIGURE_FORMATS:
        path = sidecar_path(path.with_suffix(""))
    stored = read_sidecar(path)
    kind = FIGURE_KINDS.get(stored.kind)
    if kind is None:
        raise EldynError(
            f"the figure is of the kind '{stored.kind}', which this program does not know",
            path=path,
            remedy="Update napari-eldyn.",
        )
    style = stored.style
    try:
        chosen = figure_style(style.preset, style.columns, style.theme, style.dpi)
    except EldynError as error:
        raise EldynError(error.problem, path=path, remedy=error.remedy) from error
    return PublishedFigure(
        stored.kind,
        parse_config(kind.data, stored.data, path=path),
        chosen,
        parse_config(kind.options, stored.options, path=path),
        stored.provenance,
        stored.versions,
    )


def _without_ending(path: Path) -> Path:
    if path.name.endswith(SIDECAR_ENDING):
        return path.with_name(path.name.removesuffix(SIDECAR_ENDING))
    if path.suffix.lower().lstrip(".") in FIGURE_FORMATS:
        return path.with_suffix("")
    return path


def _table_path(base: Path, ending: str) -> Path:
    return base.with_name(f"{base.name}_{ending}.csv" if ending else f"{base.name}.csv")


def _csv(columns: Mapping[str, NDArray[Any]]) -> bytes:
    """Comma-separated columns, exact to the last digit; blank where there is no number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["" if np.isnan(value) else repr(value.item()) for value in row])
    return text.getvalue().encode()
