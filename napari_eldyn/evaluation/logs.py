"""Read what a training run logged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.exceptions import EldynError

__all__ = ["TrainingLog", "read_training_log"]


@dataclass(frozen=True, eq=False)
class TrainingLog:
    """The autoencoder's error at each training step of a run.

    Parameters
    ----------
    path : Path
        The run's directory.
    steps : numpy.ndarray, shape (n,)
        Rising.
    mse : numpy.ndarray, shape (n,)
        Mean squared error of the normalised state over the step's batch.
    mse_density : numpy.ndarray, shape (n,)
        Of ρ̃ alone; NaN where it is not logged.
    sjsd : numpy.ndarray, shape (n,)
        Scaled JSD of the batch; NaN where it is not logged.
    """

    path: Path
    steps: NDArray[np.int64]
    mse: NDArray[np.float64]
    mse_density: NDArray[np.float64]
    sjsd: NDArray[np.float64]


def read_training_log(directory: Path) -> TrainingLog:
    """Read ``log.jsonl`` of a training run, also while it is being written.

    Parameters
    ----------
    directory : Path
        What ``eldyn-train fit --out`` was given.

    Returns
    -------
    TrainingLog
        The steps that trained the autoencoder.

    Raises
    ------
    EldynError
        If there is no log, a line is damaged, or no step trained an autoencoder.
    """
    path = directory / "log.jsonl"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EldynError(
            f"cannot read the log of a training run: {error.strerror}",
            path=path,
            remedy="Give the directory that eldyn-train fit wrote.",
        ) from error
    except UnicodeDecodeError as error:
        raise EldynError("this is not a log of a training run", path=path) from error
    rows: dict[int, tuple[float, float, float]] = {}
    lines = text.split("\n")
    # What follows the last line break is a line that is being written.
    for number, line in enumerate(lines[:-1], start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if "mse" not in entry or entry.get("stage") == "validation":
                continue
            # A step logged twice was taken again after an interruption: the later one counts.
            rows[int(entry["step"])] = (
                float(entry["mse"]),
                float(entry.get("mse_density", np.nan)),
                float(entry.get("sjsd", np.nan)),
            )
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise EldynError(f"line {number} is damaged", path=path) from error
    if not rows:
        raise EldynError("no step of this run trained an autoencoder", path=path)
    steps = np.array(sorted(rows), dtype=np.int64)
    mse, density, sjsd = np.array([rows[int(step)] for step in steps], dtype=np.float64).T
    return TrainingLog(directory, steps, mse, density, sjsd)
