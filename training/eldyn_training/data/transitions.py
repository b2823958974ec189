"""Which frames train, which validate, and the transitions between their states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Part", "chains", "forward_part", "reverse", "training_part", "transitions"]


@dataclass(frozen=True, eq=False)
class Part:
    """Transitions and states for one purpose, training or validation.

    Attributes
    ----------
    pairs : Tensor
        Transitions, (pairs, 2, 2) int64: for state and successor, the frame (counted through all
        trajectories) and the sign of the rate (+1 forward in time, −1 reversed).
    states : Tensor
        All distinct states of the pairs, (states, 2) int64, sorted by frame, then sign.
    """

    pairs: Tensor
    states: Tensor

    @classmethod
    def of(cls, pairs: Tensor) -> Part:
        """Return the part of these transitions."""
        return cls(pairs, torch.unique(pairs.reshape(-1, 2), dim=0))


def training_part(
    runs: Sequence[range], stride: int, *, time_reversal: bool, reflect_ends: bool
) -> Part:
    """List what is learned from runs of consecutive frames; no transition leaves its run."""
    pairs = _over_runs(runs, stride, reflect_ends=reflect_ends)
    if time_reversal:
        pairs = torch.unique(torch.cat([pairs, reverse(pairs)]), dim=0)
    return Part.of(pairs)


def forward_part(runs: Sequence[range], stride: int) -> Part:
    """List the transitions of runs of consecutive frames as they happened, forward in time."""
    return Part.of(_over_runs(runs, stride, reflect_ends=False))


def _over_runs(runs: Sequence[range], stride: int, *, reflect_ends: bool) -> Tensor:
    parts = [torch.empty((0, 2, 2), dtype=torch.int64)]
    for run in runs:
        pairs = transitions(len(run), stride, reflect_ends=reflect_ends)
        parts.append(pairs + torch.tensor([run.start, 0]))
    return torch.cat(parts)


def transitions(n_frames: int, stride: int, *, reflect_ends: bool = False) -> Tensor:
    """List the transitions forward in time between states that have a central rate.

    Parameters
    ----------
    n_frames : int
        Frames; states are the frames 1 … n_frames − 2.
    stride : int
        Frames from a state to its successor.
    reflect_ends : bool
        Add the transitions from states without a successor into the time reverse, as if the
        trajectory were mirrored half a frame beyond its last and before its first state.

    Returns
    -------
    Tensor
        (pairs, 2, 2) int64: for state and successor, frame and sign of the rate.
    """
    first, last = 1, n_frames - 2
    pairs = [((i, 1), (i + stride, 1)) for i in range(first, last - stride + 1)]
    if reflect_ends:
        pairs += [
            ((i, 1), (2 * last + 1 - i - stride, -1))
            for i in range(max(first, last - stride + 1), last + 1)
        ]
        pairs += [
            ((i, -1), (2 * first - 1 - i + stride, 1))
            for i in range(first, min(last, first + stride - 1) + 1)
        ]
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2, 2)


def chains(pairs: Tensor, states: int) -> Tensor:
    """Extend transitions into the past.

    Parameters
    ----------
    pairs : Tensor
        Transitions, (pairs, 2, 2); no state is the successor of two.
    states : int
        States before the successor, one transition apart: 1 for the transitions themselves.

    Returns
    -------
    Tensor
        (chains, states + 1, 2) int64, oldest first; transitions whose past is not all known are
        left out.
    """
    before = {tuple(after): first for first, after in pairs.tolist()}
    found = []
    for first, after in pairs.tolist():
        chain = [after, first]
        while len(chain) <= states and tuple(chain[-1]) in before:
            chain.append(before[tuple(chain[-1])])
        if len(chain) == states + 1:
            found.append(chain[::-1])
    return torch.tensor(found, dtype=torch.int64).reshape(-1, states + 1, 2)


def reverse(pairs: Tensor) -> Tensor:
    """Return transitions run backwards: states exchanged, rates of opposite sign."""
    return pairs.flip(1) * torch.tensor([1, -1])
