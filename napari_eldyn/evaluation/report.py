"""The report: one page that needs no other file, no script and no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from napari_eldyn.evaluation.drawn import Drawn
from napari_eldyn.evaluation.page import Section, header_table, missing_inputs
from napari_eldyn.evaluation.sections import sections_of
from napari_eldyn.figures.saving import inline_svg

__all__ = ["render_report"]


def render_report(metrics: Mapping[str, Any], drawn: Mapping[str, Drawn]) -> str:
    """Write the report of an evaluation.

    Parameters
    ----------
    metrics : mapping
        As ``Evaluation.metrics``, with the names of the files written.
    drawn : mapping of str to Drawn
        The figures by name.

    Returns
    -------
    str
        HTML; names that came from files are escaped.
    """
    sections: list[Section] = sections_of(metrics, drawn)
    used = {name for section in sections for name in section.figures}
    # Only what matplotlib drew is inserted as it is; every text goes through the template.
    pictures = {
        name: {
            "svg": Markup(inline_svg(drawn[name].figure, name, drawn[name].caption)),
            "caption": drawn[name].caption,
            "wide": drawn[name].wide,
        }
        for name in used
    }
    environment = Environment(
        loader=PackageLoader("napari_eldyn.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        metrics=metrics,
        rollouts=header_table(metrics),
        sections=sections,
        pictures=pictures,
        missing=missing_inputs(metrics),
    )
