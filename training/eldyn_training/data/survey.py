"""The first pass over the frames: normalisation, fingerprints, and what is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eldyn_training.data.selection import Selection
from napari_eldyn.density import LogNormalisation, NormalisationFit, NormalisationReport
from napari_eldyn.density.trajectory import check_frame
from napari_eldyn.density.transforms import FLOOR
from napari_eldyn.exceptions import EldynError

__all__ = ["Survey", "survey"]

MOST_CLIPPED = 1e-3
"""Share of a trajectory's values that may be clipped before the logarithm."""

STATE_FRAMES = 3
"""Frames that a state is made of: trajectories that share so many share a state. Fewer may be
alike for good reasons, such as runs from one starting structure."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What a pass over all frames tells.

    Attributes
    ----------
    normalisation, report
        Of the training frames in the model's cell.
    sha256 : list of str
        Of each selection, over grid, cell, times and densities.
    n_clipped : list of int
        Of each selection, values that are clipped before the logarithm.
    fingerprint : str
        Of all together, with what each is used for; of a lone selection its sha256.
    """

    normalisation: LogNormalisation
    report: NormalisationReport
    sha256: list[str]
    n_clipped: list[int]
    fingerprint: str


def survey(selections: Sequence[Selection], progress: Callable[[int], None]) -> Survey:
    """Read all frames once.

    Parameters
    ----------
    selections : sequence of Selection
        Chosen frames.
    progress : callable
        Called with the number of frames done.

    Raises
    ------
    EldynError
        If a frame holds NaN, too many values are not positive, the density does not move, or two
        trajectories share frames.
    """
    fit = NormalisationFit(FLOOR)
    found = [_read(selection, fit, progress, done) for selection, done in _with_done(selections)]
    _check_shared(selections, [each.frames for each in found])
    first = selections[0].trajectory
    normalisation, report = fit.result(first.path)
    if normalisation.rate_std is None:
        raise EldynError("the density does not change with time", path=first.path)
    digests = [each.sha256 for each in found]
    return Survey(
        normalisation,
        report,
        digests,
        [each.n_clipped for each in found],
        _fingerprint(selections, digests),
    )


class _Read(NamedTuple):
    """What reading a selection tells: of all frames, of each, and of their values."""

    sha256: str
    frames: list[bytes]
    n_clipped: int


def _with_done(selections: Sequence[Selection]) -> list[tuple[Selection, int]]:
    """Return the selections, each with the number of frames before it."""
    before = np.cumsum([0, *(len(selection.trajectory) for selection in selections)])
    return [(selection, int(done)) for selection, done in zip(selections, before, strict=False)]


def _read(
    selection: Selection, fit: NormalisationFit, progress: Callable[[int], None], done: int
) -> _Read:
    """Read the frames of a selection; those in the model's cell make the normalisation."""
    trajectory = selection.trajectory
    digest = hashlib.sha256(repr((trajectory.grid.shape, trajectory.grid.cell.tolist())).encode())
    digest.update(np.ascontiguousarray(trajectory.times).tobytes())
    frames: list[bytes] = []
    n_clipped, minimum = 0, np.inf
    for index in range(len(trajectory)):
        density = np.ascontiguousarray(trajectory[index], dtype=np.float32)
        check_frame(density, trajectory.path, selection.chosen[index])
        digest.update(density.tobytes())
        frames.append(hashlib.blake2b(density.tobytes(), digest_size=16).digest())
        n_clipped += _below_floor(density)
        minimum = min(minimum, float(density.min()))
        if index in selection.training and not selection.in_other_cell:
            fit.add(density, selection.timestep)
        progress(done + index + 1)
    fit.end_trajectory()
    n_values = len(trajectory) * trajectory.grid.n_points
    if n_clipped > MOST_CLIPPED * n_values:
        raise EldynError(
            f"{n_clipped} of {n_values} density values are not positive "
            f"(minimum {minimum:g} e/Å³), and the model learns ln ρ",
            path=trajectory.path,
            remedy="Use the pseudo density without compensation charges, or a recipe whose grid "
            "is that of the data.",
        )
    return _Read(digest.hexdigest(), frames, n_clipped)


def _below_floor(density: npt.NDArray[np.float32]) -> int:
    return int(np.count_nonzero(density.astype(np.float64) < FLOOR))


def _check_shared(selections: Sequence[Selection], hashes: Sequence[Sequence[bytes]]) -> None:
    """Refuse trajectories that are, or contain, the same stretch."""
    seen: dict[bytes, tuple[int, int]] = {}
    for number, frames in enumerate(hashes):
        shared: dict[int, list[tuple[int, int]]] = {}
        for index, key in enumerate(frames):
            owner, place = seen.setdefault(key, (number, index))
            if owner != number:
                shared.setdefault(owner, []).append((index, place))
        for owner, places in shared.items():
            if len(places) < STATE_FRAMES:
                continue
            mine, theirs = selections[number], selections[owner]
            index, place = places[0]
            raise EldynError(
                f"shares {len(places)} of {len(frames)} frames with "
                f"{theirs.trajectory.path or theirs.name}: frame {mine.chosen[index]} is its "
                f"frame {theirs.chosen[place]}",
                path=mine.trajectory.path or mine.name,
                remedy="Give every trajectory once.",
            )


def _fingerprint(selections: Sequence[Selection], digests: Sequence[str]) -> str:
    if len(digests) == 1:
        return digests[0]
    uses = [
        (digest, len(selection.training), len(selection.validation))
        for selection, digest in zip(selections, digests, strict=True)
    ]
    return hashlib.sha256(repr(uses).encode()).hexdigest()
