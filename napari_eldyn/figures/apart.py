"""Draw and save figures in a process of their own.

matplotlib's settings belong to the whole process: drawing on a thread would change fonts and
colours of what a window draws meanwhile, and drawing on the window's thread would stop it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from napari_eldyn.figures.child import answer_from, run_child
from napari_eldyn.figures.published import PublishedFigure, open_published, save_published
from napari_eldyn.figures.saving import FIGURE_FORMATS
from napari_eldyn.figures.sidecar import SIDECAR_ENDING, write_sidecar

__all__ = ["draw_apart", "save_apart"]

Check = Callable[[], Any]

_PICTURE = "picture.png"


def draw_apart(figure: PublishedFigure, pixels: int, check: Check = lambda: None) -> bytes:
    """Draw a figure to a PNG so many pixels wide.

    Parameters
    ----------
    figure : PublishedFigure
        What to draw.
    pixels : int
        Width.
    check : callable
        Called all the time; what it raises ends the drawing.

    Raises
    ------
    EldynError
        What drawing raises.
    """
    with tempfile.TemporaryDirectory(prefix="eldyn-figure-") as folder:
        _run(figure, Path(folder), {"pixels": pixels}, check)
        return (Path(folder) / _PICTURE).read_bytes()


def save_apart(
    figure: PublishedFigure,
    base: Path,
    *,
    formats: Sequence[str] = FIGURE_FORMATS,
    overwrite: bool = False,
    check: Check = lambda: None,
) -> tuple[Path, ...]:
    """Save a figure as `save_published` does.

    Parameters
    ----------
    figure : PublishedFigure
        What to save.
    base : Path
        Final name without ending.
    formats : sequence of str
        Of ``pdf``, ``png`` and ``svg``.
    overwrite : bool
        Replace an earlier figure of that name.
    check : callable
        Called all the time; what it raises ends the work. Each file is whole or not there.

    Raises
    ------
    EldynError
        What saving raises.
    """
    task = {"base": str(base.absolute()), "formats": list(formats), "overwrite": overwrite}
    with tempfile.TemporaryDirectory(prefix="eldyn-figure-") as folder:
        answer = _run(figure, Path(folder), task, check)
    return tuple(Path(path) for path in answer["files"])


def _run(
    figure: PublishedFigure, folder: Path, task: dict[str, Any], check: Check
) -> dict[str, Any]:
    sidecar = folder / f"figure{SIDECAR_ENDING}"
    write_sidecar(figure.sidecar(), sidecar)
    return run_child("napari_eldyn.figures.apart", [str(sidecar), json.dumps(task)], check)


def _work(sidecar: Path, task: dict[str, Any], report: Any) -> dict[str, Any]:
    figure = open_published(sidecar)
    if "pixels" in task:
        with figure.style.context():
            dpi = task["pixels"] / figure.style.width
            figure.draw().savefig(sidecar.parent / _PICTURE, format="png", dpi=dpi)
        return {}
    files = save_published(
        figure, Path(task["base"]), formats=task["formats"], overwrite=task["overwrite"]
    )
    return {"files": [str(path) for path in files]}


if __name__ == "__main__":
    answer_from(partial(_work, Path(sys.argv[1]), json.loads(sys.argv[2])))
