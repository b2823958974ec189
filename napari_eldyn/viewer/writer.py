"""napari's writers of density trajectories: what stands behind a layer, whole, in other formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari_eldyn.density.writers import WriteReport

__all__ = ["write_chgcar", "write_cube", "write_npz", "write_store", "write_xsf"]

Attributes = Mapping[str, Any]

_POLL_MS = 50


def write_store(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Write the trajectory behind a layer as an ``.eldyn`` store; a writer of the manifest.

    Parameters
    ----------
    path : str
        Where to. If its ending tells another format that we write, it is that format.
    data : array-like
        What the layer shows; not used.
    attributes : mapping
        The layer's attributes with its metadata.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    EldynError
        If there is no trajectory behind the layer, it cannot be written, or the user stops it.
    """
    return _write(path, ".eldyn", attributes)


def write_cube(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Write Gaussian cube files, numbered if there are several frames; see `write_store`."""
    return _write(path, ".cube", attributes)


def write_chgcar(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Write VASP CHGCAR files, numbered if there are several frames; see `write_store`."""
    return _write(path, ".vasp", attributes)


def write_xsf(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Write an XSF file, animated if there are several frames; see `write_store`."""
    return _write(path, ".xsf", attributes)


def write_npz(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Write a NumPy archive; see `write_store`."""
    return _write(path, ".npz", attributes)


def _write(path: str, suffix: str, attributes: Attributes) -> list[str]:
    from napari.utils.notifications import show_info

    target = _named(Path(path), suffix)
    # Rollouts grow meanwhile: a slice has the frames of now.
    trajectory = _trajectory(attributes)[:]
    report = _with_progress(trajectory, target)
    lines = [f"Saved {len(trajectory)} frames to {report.where} ({report.exactness})"]
    show_info("\n".join([*lines, *(f"Note: {note}" for note in report.notes)]))
    return [str(written) for written in report.paths]


def _named(path: Path, suffix: str) -> Path:
    """Add the ending of the format chosen to a name that tells none."""
    from napari_eldyn.density.writers import find_writer

    try:
        find_writer(path)
    except EldynError:
        return path.with_name(path.name + suffix)
    return path


def _trajectory(attributes: Attributes) -> DensityTrajectory:
    from types import SimpleNamespace

    from napari_eldyn.viewer.layers import PANEL_KEY, layer_trajectory

    metadata = attributes.get("metadata") or {}
    trajectory = layer_trajectory(SimpleNamespace(metadata=metadata))
    if trajectory is not None:
        return trajectory
    panel = metadata.get(PANEL_KEY)
    if panel == "generated":
        return _generated()
    if panel is not None:
        raise EldynError(
            f"the panel '{panel}' is computed from others as it is looked at",
            remedy="Save the layers of the reference and of the generated trajectory.",
        )
    raise EldynError(
        f"there is no density trajectory behind the layer '{attributes.get('name', '')}'",
        remedy="Choose another format to save this layer.",
    )


def _generated() -> DensityTrajectory:
    """Return the rollout that the generated panel of the window in front shows."""
    from napari import current_viewer

    from napari_eldyn.viewer.controller import controller_of

    viewer = current_viewer()
    control = None if viewer is None else controller_of(viewer)
    session = None if control is None else control.session
    if control is not None and control.panels.member is not None:
        session = control.panels.members[control.panels.member]
    if session is None or not session.n_generated:
        raise EldynError("no frame has been generated yet", remedy="Run the rollout first.")
    return session.rollout


def _with_progress(trajectory: DensityTrajectory, path: Path) -> WriteReport:
    """Write on a thread behind a dialog that shows how far it is, and can stop it."""
    from qtpy.QtCore import QEventLoop, Qt, QTimer
    from qtpy.QtWidgets import QApplication, QProgressDialog

    from napari_eldyn.density.writers import write_trajectory
    from napari_eldyn.viewer.worker import Job, start_job

    def write(report: Callable[[int, int], None]) -> WriteReport:
        # The dialog that asked for the name has asked whether to replace that file.
        return write_trajectory(trajectory, path, overwrite=path.exists(), progress=report)

    if QApplication.instance() is None:
        return write(lambda done, n: None)
    done_so_far = [0]

    def work(job: Job[WriteReport]) -> WriteReport:
        def report(done: int, n: int) -> None:
            job.check()
            done_so_far[0] = done

        return write(report)

    job = Job(f"Save {path.name}", work)
    dialog = QProgressDialog(f"Writing {path.name} …", "Stop", 0, len(trajectory), _window())
    dialog.setWindowTitle("Save density trajectory")
    dialog.setWindowModality(Qt.WindowModality.ApplicationModal)
    dialog.setMinimumDuration(500)
    dialog.setAutoReset(False)
    dialog.canceled.connect(job.stop)
    loop, timer = QEventLoop(), QTimer()

    def look() -> None:
        if job.is_done:
            loop.quit()
        elif not job.should_stop():
            dialog.setValue(min(done_so_far[0], len(trajectory) - 1))

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


def _window() -> Any:
    from napari import current_viewer

    from napari_eldyn.viewer._compat import main_window, unwrap

    viewer = current_viewer()
    return None if viewer is None else main_window(unwrap(viewer))
