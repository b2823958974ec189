"""Open what a movie is to be made of in a viewer, and wait until it is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_eldyn.density.formats import open_any
from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.movie_source import MovieSource, movie_source
from napari_eldyn.viewer.controller import RolloutController, controller_of
from napari_eldyn.viewer.finding import MissingPartError
from napari_eldyn.viewer.layers import trajectory_layer
from napari_eldyn.viewer.presentation import presentation_of
from napari_eldyn.viewer.reopening import is_rollout
from napari_eldyn.viewer.workspace import open_workspace
from napari_eldyn.viewer.workspace_file import SUFFIX

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["open_source"]

_TURN = 0.02  # seconds


def open_source(
    viewer: Viewer,
    path: Path,
    *,
    model: Path | None = None,
    reference: Path | None = None,
    alone: bool = False,
    with_plots: bool = True,
    stop: Callable[[], bool] | None = None,
) -> MovieSource | None:
    """Open a trajectory, a stored rollout beside its reference, or a session.

    Runs the event loop until everything that a movie shows is there.

    Parameters
    ----------
    viewer : napari.Viewer
        An empty viewer.
    path : Path
        Trajectory, rollout (``.eldyn`` with latents) or ``.eldynsession``.
    model, reference : Path, optional
        Model and start trajectory of a rollout, if they are not where it finds them itself.
    alone : bool
        Show a rollout as a trajectory without its reference, for which no model is needed.
    with_plots : bool
        Whether to wait for the statistics that plots need.
    stop : callable, optional
        Asked again and again; opening ends once it returns True.

    Returns
    -------
    MovieSource or None
        None if it was stopped.

    Raises
    ------
    EldynError
        If something is missing or damaged; says which option names a missing part.
    """
    parts = {"model": model, "trajectory": reference}
    control = controller_of(viewer)
    problems: list[str] = []
    control.failed.connect(problems.append)
    presentation_of(viewer)
    if path.suffix == SUFFIX:
        _restore(viewer, path, parts)
    else:
        trajectory = open_any(path)
        if alone or not is_rollout(trajectory):
            viewer.add_layer(_layer(trajectory_layer(trajectory)))
            return movie_source(viewer)
        control.locate = lambda missing: _answer(missing, parts, path, problems)
        control.open_rollout(path)
    if not _wait(control, with_plots, problems, stop):
        return None
    return movie_source(viewer)


def _layer(description: object) -> object:
    from napari.layers import Layer

    return Layer.create(*description)  # type: ignore[misc]


def _restore(viewer: Viewer, path: Path, parts: dict[str, Path | None]) -> None:
    """Open a session; the options say where parts are that it does not find."""
    located: dict[str, Path] = {}
    while True:
        try:
            open_workspace(viewer, path, located)
            return
        except MissingPartError as error:
            answer = parts[error.part]
            if answer is None or error.key in located:
                raise _unanswered(error, path) from error
            located[error.key] = answer


def _answer(
    missing: MissingPartError, parts: dict[str, Path | None], path: Path, problems: list[str]
) -> Path | None:
    answer = parts[missing.part]
    if answer is None:
        problems.append(str(_unanswered(missing, path)))
    return answer


def _unanswered(missing: MissingPartError, path: Path) -> EldynError:
    option = {"model": "--model", "trajectory": "--reference"}[missing.part]
    return EldynError(
        missing.problem,
        path=path,
        remedy=f"Name it with {option}; or show the frames as a plain trajectory with --alone.",
    )


def _wait(
    control: RolloutController,
    with_plots: bool,
    problems: list[str],
    stop: Callable[[], bool] | None,
) -> bool:
    """Run the event loop until a rollout is ready, or False if it was stopped."""
    from qtpy.QtWidgets import QApplication

    def is_there() -> bool:
        session = control.session
        if control.is_busy or control.state == "loading":
            return False
        if session is None:  # a session without a rollout
            return control.state == "idle"
        counted = len(control.generated_statistics) >= session.n_generated
        return not with_plots or (control.measured is not None and counted)

    while not is_there():
        if problems:
            raise EldynError(problems[0])
        if stop is not None and stop():
            return False
        QApplication.processEvents()
        time.sleep(_TURN)
    if problems:
        raise EldynError(problems[0])
    return True
