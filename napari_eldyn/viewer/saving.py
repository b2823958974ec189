"""Save the trajectory behind a layer in any format that we write, from a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QProgressDialog

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.density.writers import WRITERS, WriteReport, find_writer, write_trajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.layers import PANEL_KEY, layer_trajectory, shows_density
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.viewer.worker import Job, start_job

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["save_selected", "trajectory_of", "write_from_window"]

_POLL_MS = 50
_PATIENCE_MS = 500  # before a dialog shows

_FILTERS = {
    "Density trajectory (*.eldyn)": ".eldyn",
    **{
        f"{form.name} ({' '.join(f'*{suffix}' for suffix in form.suffixes)})": form.suffixes[0]
        for form in WRITERS
    },
}
"""Filters of a file dialog, and the ending that each gives to a name without one."""


def save_selected(viewer: Viewer) -> None:
    """Ask for a file, and save the trajectory of the layer that is selected.

    Without one, it is the first layer of a density.
    """
    from napari.utils.notifications import show_error, show_warning

    selected = [layer for layer in viewer.layers if layer in viewer.layers.selection]
    layer = next(filter(shows_density, [*selected, *viewer.layers]), None)
    if layer is None:
        show_warning("There is no density trajectory in this window")
        return
    folder = remembered("folders").get("session")
    begin = Path(folder if isinstance(folder, str) else ".") / layer.name.replace("/", "-")
    name, chosen = QFileDialog.getSaveFileName(
        main_window(unwrap(viewer)),
        f"Save the trajectory of '{layer.name}'",
        str(begin),
        ";;".join(_FILTERS),
    )
    if not name:
        return
    remember("folders", session=str(Path(name).parent))
    try:
        write_from_window(viewer, layer.metadata, Path(name), _FILTERS.get(chosen, ".eldyn"))
    except EldynError as error:
        show_error(str(error))


def write_from_window(
    viewer: Viewer | None, metadata: Mapping[str, Any], path: Path, suffix: str
) -> WriteReport:
    """Write what stands behind a layer, behind a dialog, and tell of it.

    Parameters
    ----------
    viewer : napari.Viewer, optional
        Its window is the dialog's parent; its rollout is what a generated panel shows.
    metadata : mapping
        Of the layer.
    path : Path
        Where to; an existing file of this very name is replaced.
    suffix : str
        Added to a name whose ending tells no format.

    Raises
    ------
    EldynError
        If there is no trajectory behind the layer, it cannot be written, or the user stops it.
    """
    from napari.utils.notifications import show_info

    target = _named(path, suffix)
    # Rollouts grow meanwhile: a slice has the frames of now.
    trajectory = trajectory_of(viewer, metadata)[:]
    report = _behind_dialog(viewer, trajectory, target)
    n = len(trajectory)
    # Notifications are narrow, and one line each.
    show_info(f"Saved {n} {'frame' if n == 1 else 'frames'}: {report.where} ({report.exactness})")
    for note in report.notes:
        show_info(f"{note[0].upper()}{note[1:]}")
    return report


def trajectory_of(viewer: Viewer | None, metadata: Mapping[str, Any]) -> DensityTrajectory:
    """Return the trajectory that a layer with this metadata shows.

    Raises
    ------
    EldynError
        If it shows none, or what it shows is computed as it is looked at.
    """
    trajectory = layer_trajectory(SimpleNamespace(metadata=metadata))
    if trajectory is not None:
        return trajectory
    panel = metadata.get(PANEL_KEY)
    if panel == "generated":
        return _generated(viewer)
    if panel is not None:
        raise EldynError(
            f"the panel '{panel}' is computed from others as it is looked at",
            remedy="Save the layers of the reference and of the generated trajectory.",
        )
    raise EldynError(
        "there is no density trajectory behind this layer",
        remedy="Choose another format to save it.",
    )


def _generated(viewer: Viewer | None) -> DensityTrajectory:
    """Return the rollout that the generated panel shows."""
    from napari_eldyn.viewer.controller import controller_of

    control = None if viewer is None else controller_of(viewer)
    session = None if control is None else control.session
    if control is not None and control.panels.member is not None:
        session = control.panels.members[control.panels.member]
    if session is None or not session.n_generated:
        raise EldynError("no frame has been generated yet", remedy="Run the rollout first.")
    return session.rollout


def _named(path: Path, suffix: str) -> Path:
    try:
        find_writer(path)
    except EldynError:
        return path.with_name(path.name + suffix)
    return path


def _behind_dialog(viewer: Viewer | None, trajectory: DensityTrajectory, path: Path) -> WriteReport:
    """Write on a thread behind a dialog that shows how far it is, and can stop it."""

    def write(report: Callable[[int, int], None]) -> WriteReport:
        # The dialog that asked for the name has asked whether to replace that file.
        return write_trajectory(trajectory, path, overwrite=path.exists(), progress=report)

    if QApplication.instance() is None:
        return write(lambda done, n: None)
    n, written = len(trajectory), [0]

    def work(job: Job[WriteReport]) -> WriteReport:
        def report(done: int, _: int) -> None:
            job.check()
            written[0] = done

        return write(report)

    job = Job(f"Save {path.name}", work)
    window = None if viewer is None else main_window(unwrap(viewer))
    dialog = QProgressDialog(f"Writing {path.name} …", "Stop", 0, n, window)
    dialog.setWindowTitle("Save density trajectory")
    dialog.setWindowModality(Qt.WindowModality.ApplicationModal)
    dialog.setMinimumWidth(360)
    dialog.setMinimumDuration(_PATIENCE_MS)
    dialog.setAutoReset(False)
    dialog.canceled.connect(job.stop)
    loop, timer = QEventLoop(), QTimer()

    def look() -> None:
        if job.is_done:
            loop.quit()
        elif not job.should_stop():
            dialog.setLabelText(f"Writing {path.name}: {written[0]} of {n} frames")
            dialog.setValue(min(written[0], n - 1))

    timer.timeout.connect(look)
    timer.start(_POLL_MS)
    start_job(job, loop.quit)
    loop.exec()
    timer.stop()
    dialog.close()
    dialog.deleteLater()
    if job.error is not None:
        raise job.error
    if job.result is None:
        raise EldynError("saving was stopped; nothing has been written", path=path)
    return job.result
