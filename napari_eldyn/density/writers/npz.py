"""Write all of a trajectory as arrays of one NPZ file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.density.writers.file_format import FileFormat, checked_frame

__all__ = ["FORMAT"]


def _frame(trajectory: DensityTrajectory, index: int) -> Iterator[bytes]:
    yield checked_frame(trajectory, index).astype("<f4", copy=False).tobytes()


def _assemble(
    trajectory: DensityTrajectory, frames: Iterable[Iterable[bytes]], file: BinaryIO
) -> None:
    """Write ``density`` (frame, x, y, z), ``cell``, ``times`` and what else there is.

    Densities are stored as they are (float32): they hardly compress, and can be read in pieces.
    """
    n = len(trajectory)
    with zipfile.ZipFile(file, "w") as archive:
        _member(archive, "density", np.dtype("<f4"), (n, *trajectory.grid.shape), frames)
        per_frame: dict[str, Any] = {
            name: values
            for name, values in (
                ("positions", trajectory.positions),
                ("velocities", trajectory.velocities),
                *trajectory.extra.items(),
            )
            if values is not None
        }
        for name, values in per_frame.items():
            dtype = np.dtype(values.dtype)
            rows = (
                [np.ascontiguousarray(values[index], dtype=dtype).tobytes()] for index in range(n)
            )
            _member(archive, name, dtype, tuple(values.shape), rows)
        whole: dict[str, npt.ArrayLike] = {
            "cell": trajectory.grid.cell,
            "origin": trajectory.grid.origin,
            "times": trajectory.times,
            "times_known": trajectory.times_known,
            **trajectory.scalars,
            "kind": trajectory.kind,
            "quantity": trajectory.quantity,
            "unit": trajectory.unit,
        }
        if trajectory.numbers is not None:
            whole["numbers"] = trajectory.numbers
        for name, values in whole.items():
            array = np.asarray(values)
            _member(archive, name, array.dtype, array.shape, [[array.tobytes()]])


def _member(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    rows: Iterable[Iterable[bytes]],
) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for row in rows:
            for piece in row:
                member.write(piece)


def _notes(_: DensityTrajectory, __: Path) -> tuple[str, ...]:
    return ()


FORMAT = FileFormat(
    name="NumPy archive",
    suffixes=(".npz",),
    accepts=lambda path: path.suffix.lower() == ".npz",
    exactness="float32, lossless",
    frame=_frame,
    notes=_notes,
    assemble=_assemble,
)
