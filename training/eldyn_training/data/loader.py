"""Batches of training steps, fetched ahead where that takes time."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import NamedTuple, Self

import torch
from torch import Tensor

from eldyn_training.data.augmentation import Moves, Symmetries
from eldyn_training.data.dataset import Dataset

__all__ = ["Batch", "BatchLoader", "Draw", "draw_batch", "random_source"]

AHEAD = 2
"""Batches fetched ahead of the one in use."""


@dataclass(frozen=True, eq=False)
class Draw:
    """What a training step learns from.

    Attributes
    ----------
    pairs : Tensor
        Transitions, (B, 2, 2) int64.
    moves : Moves, optional
        A symmetry operation for each.
    """

    pairs: Tensor
    moves: Moves | None

    def share(self, part: slice) -> Draw:
        """Return a part of the batch: what one of several processes works on."""
        return Draw(self.pairs[part], None if self.moves is None else self.moves[part])


def random_source(seed: int, step: int) -> torch.Generator:
    """Return a source of randomness, on the CPU, that depends on a run's seed and a step only.

    Parameters
    ----------
    seed : int
        Below 2³¹.
    step : int
        Below 2³⁰; larger numbers are the loader's own.
    """
    return torch.Generator().manual_seed((seed << 32) + step)


def draw_batch(
    dataset: Dataset, symmetries: Symmetries, seed: int, step: int, batch_size: int
) -> Draw:
    """Draw the transitions of a step and their symmetry operations, from seed and step only.

    Every epoch is a new permutation of all training transitions. Several processes draw the
    same and each works on its :meth:`Draw.share`.
    """
    total = len(dataset.training.pairs)
    places = range(step * batch_size, (step + 1) * batch_size)
    chosen = torch.stack([_epoch(seed, place // total, total)[place % total] for place in places])
    moves = None
    if not symmetries.trivial:
        # Numbers beyond all steps and epochs keep this randomness apart from theirs.
        moves = symmetries.draw(batch_size, random_source(seed, 3 * 2**30 + step))
    return Draw(dataset.training.pairs[chosen], moves)


@lru_cache(maxsize=2)
def _epoch(seed: int, epoch: int, total: int) -> Tensor:
    # Numbers beyond all steps keep the epochs' randomness apart from the steps'.
    return torch.randperm(total, generator=random_source(seed, 2**31 + epoch))


class Batch(NamedTuple):
    """States and their successors on the training device, (B, 2, nx, ny, nz) each."""

    current: Tensor
    following: Tensor


class BatchLoader:
    """The batches of steps, on the training device.

    Where frames lie on that device already, a batch is gathered when asked for. Otherwise a
    thread reads the next ones meanwhile and copies them over, on CUDA from pinned memory and
    beside the computation. What a step gets depends on the step alone, so steps may be asked for
    in any order; going forward is what is fetched ahead.

    Parameters
    ----------
    dataset : Dataset
        The frames.
    symmetries : Symmetries
        Operations to augment with.
    seed : int
        Of the run.
    batch_size : int
        Transitions per step.
    share : slice
        The part of every batch wanted: one of several processes works on its own.
    """

    def __init__(
        self,
        dataset: Dataset,
        symmetries: Symmetries,
        *,
        seed: int,
        batch_size: int,
        share: slice = slice(None),
    ) -> None:
        self._dataset = dataset
        self._symmetries = symmetries
        self._seed = seed
        self._batch_size = batch_size
        self._share = share
        self._pool = None if dataset.is_at_hand else ThreadPoolExecutor(1, "frames")
        self._coming: dict[int, Future[tuple[Draw, _Fetched]]] = {}
        cuda = dataset.device.type == "cuda"
        self._stream = torch.cuda.Stream(dataset.device) if cuda and self._pool else None  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop fetching."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def draw(self, step: int) -> Draw:
        """Return what a step learns from: this process's share of it."""
        draw = draw_batch(self._dataset, self._symmetries, self._seed, step, self._batch_size)
        return draw.share(self._share)

    def batch(self, step: int) -> Batch:
        """Return the states and their successors that a step learns from.

        Parameters
        ----------
        step : int
            Number of the training step.
        """
        if self._pool is None:
            return self.load(step)
        wanted = range(step, step + 1 + AHEAD)
        for number in [number for number in self._coming if number not in wanted]:
            self._coming.pop(number).cancel()
        for number in wanted:
            if number not in self._coming:
                self._coming[number] = self._pool.submit(self._fetch, number)
        draw, fetched = self._coming.pop(step).result()
        if fetched.copied is not None:
            stream = torch.cuda.current_stream(self._dataset.device)
            stream.wait_event(fetched.copied)
            # The allocator must not reuse the memory before this stream is done with it.
            fetched.frames.record_stream(stream)
        return self._states(draw, fetched.frames)

    def load(self, step: int) -> Batch:
        """Return the batch of a step without the thread, and without fetching ahead."""
        draw = self.draw(step)
        return self._states(draw, self._dataset.fetch(_flat(draw)))

    def _fetch(self, step: int) -> tuple[Draw, _Fetched]:
        draw = self.draw(step)
        if self._stream is None:
            return draw, _Fetched(self._dataset.fetch(_flat(draw)), None)
        with torch.cuda.stream(self._stream):
            frames = self._dataset.fetch(_flat(draw))
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record(self._stream)
        return draw, _Fetched(frames, copied)

    def _states(self, draw: Draw, frames: Tensor) -> Batch:
        half = len(draw.pairs)
        parts = (frames[:half], draw.pairs[:, 0, 1]), (frames[half:], draw.pairs[:, 1, 1])
        states = [self._dataset.states_of(part, signs) for part, signs in parts]
        if draw.moves is not None:
            # The same for a state and its successor: a transition's copy.
            states = [self._symmetries.apply(part, draw.moves) for part in states]
        return Batch(*states)


@dataclass(frozen=True, eq=False)
class _Fetched:
    """Frames on the training device, there once the event has happened."""

    frames: Tensor
    copied: torch.cuda.Event | None


def _flat(draw: Draw) -> Tensor:
    """Return the states of a draw, then their successors."""
    return draw.pairs.transpose(0, 1).flatten(0, 1)
