"""Write an evaluation: everything, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_eldyn.density.files import remove, writing
from napari_eldyn.evaluation.drawing import draw_figures
from napari_eldyn.evaluation.judge import Evaluation
from napari_eldyn.evaluation.report import render_report
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.saving import save_figure

__all__ = ["METRICS", "REPORT", "check_output", "write_evaluation"]

METRICS = "metrics.json"
REPORT = "report.html"

_STAGING = "evaluation.partial"


def check_output(out: Path, *, overwrite: bool) -> None:
    """Refuse before the work what would be refused after it.

    Parameters
    ----------
    out : Path
        The directory for results.
    overwrite : bool
        Whether an earlier evaluation may be replaced.

    Raises
    ------
    EldynError
        If it is a file, or holds an evaluation that may not be replaced.
    """
    if out.exists() and not out.is_dir():
        raise EldynError("this is a file, not a directory for results", path=out)
    if (out / METRICS).exists() and not overwrite:
        raise EldynError(
            f"the directory already holds an evaluation ({METRICS})",
            path=out,
            remedy="Choose another directory, or give --overwrite to replace it.",
        )


def write_evaluation(evaluation: Evaluation, out: Path, stages: Stages | None = None) -> list[str]:
    """Write metrics, report and figures to a directory; figures of an earlier one are removed.

    All files are written beside their final place first, so that an error or Ctrl-C leaves what
    was there before.

    Parameters
    ----------
    evaluation : Evaluation
        From `evaluate`.
    out : Path
        Made if missing.
    stages : Stages, optional
        Shows progress.

    Returns
    -------
    list of str
        Names of the files, sorted.

    Raises
    ------
    EldynError
        If a file cannot be written.
    """
    stages = stages or Stages(show=False)
    drawn = draw_figures(evaluation, stages)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    staging = out / _STAGING
    remove(staging)
    try:
        with writing(staging):
            staging.mkdir()
        story = _story(evaluation.metrics)
        files = [METRICS, REPORT]
        with stages.stage("saving figures") as report:
            for done, (name, figure) in enumerate(drawn.items(), start=1):
                saved = save_figure(figure.figure, staging / name, provenance=story)
                files += [path.name for path in saved]
                report(done, len(drawn))
        with stages.stage("report"):
            metrics = {**evaluation.metrics, "files": sorted(files)}
            page = render_report(metrics, drawn)
            for name, text in (
                (REPORT, page),
                (
                    METRICS,
                    json.dumps(metrics, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
                ),
            ):
                with writing(out / name):
                    (staging / name).write_text(text, encoding="utf-8")
        stale = _earlier_files(out) - set(files)
        with writing(out):
            # The metrics go last: they say that the rest is there.
            for name in sorted(files, key=lambda name: name == METRICS):
                (staging / name).replace(out / name)
            for name in stale:
                (out / name).unlink(missing_ok=True)
    finally:
        remove(staging)
    return sorted(files)


def _earlier_files(out: Path) -> set[str]:
    """Names of the files that an earlier evaluation says it wrote."""
    try:
        earlier = json.loads((out / METRICS).read_text(encoding="utf-8"))
        names = earlier.get("files", [])
    except (OSError, ValueError, AttributeError):
        return set()
    if not isinstance(names, list):
        return set()
    return {
        name
        for name in names
        if isinstance(name, str)
        and Path(name).name == name
        and Path(name).suffix in (".pdf", ".png", ".svg", ".html")
    }


def _story(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Say in each figure's own file what it shows."""
    return {
        "reference": metrics["reference"]["name"],
        "created": metrics["created"],
        "versions": metrics["versions"],
        "rollouts": {name: one["provenance"] for name, one in metrics["rollouts"].items()},
    }
