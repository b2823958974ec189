"""Which step of the time axis each frame of a movie shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.movie_settings import MovieSettings

__all__ = ["Moment", "Timeline", "make_timeline"]


@dataclass(frozen=True)
class Moment:
    """One frame of a movie.

    Parameters
    ----------
    step : int
        Step of the viewer's time axis.
    progress : float
        Where camera and slices are on their way, from 0 to 1.
    """

    step: int
    progress: float


@dataclass(frozen=True)
class Timeline:
    """The frames of a movie in order, and what is to be said about them.

    Parameters
    ----------
    moments : tuple of Moment
        One for each frame.
    fps : float
        Frames per second.
    note : str
        Whether steps are repeated or left out.
    """

    moments: tuple[Moment, ...]
    fps: float
    note: str

    @property
    def seconds(self) -> float:
        """Length of the movie."""
        return len(self.moments) / self.fps


def make_timeline(settings: MovieSettings, times: ArrayLike) -> Timeline:
    """Lay out the frames of a movie.

    Parameters
    ----------
    settings : MovieSettings
        Frame rate, speed, first and last step, times held still.
    times : array_like, shape (steps,)
        Time of each step of the viewer's time axis [fs], rising.

    Returns
    -------
    Timeline
        With at least one frame.

    Raises
    ------
    EldynError
        If a step does not exist.
    """
    clock = np.asarray(times, dtype=np.float64)
    last = len(clock) - 1 if settings.last is None else settings.last
    if len(clock) == 0:
        raise EldynError("there are no frames to record")
    for step in (settings.first, last):
        if step >= len(clock):
            raise EldynError(
                f"frame {step} does not exist",
                remedy=f"The time axis has {len(clock)} frames, from 0 on.",
            )
    if last < settings.first:
        raise EldynError(f"the last frame {last} lies before the first {settings.first}")
    steps, note = _steps(settings, clock, last)
    n = len(steps)
    moving = [Moment(step, k / (n - 1) if n > 1 else 0.0) for k, step in enumerate(steps)]
    before = [moving[0]] * round(settings.hold_start * settings.fps)
    after = [moving[-1]] * round(settings.hold_end * settings.fps)
    return Timeline((*before, *moving, *after), settings.fps, note)


def _steps(
    settings: MovieSettings, clock: np.ndarray[tuple[int], np.dtype[np.float64]], last: int
) -> tuple[list[int], str]:
    """Give the steps while the time runs, and what is to be said about them."""
    first, fps = settings.first, settings.fps
    if settings.frozen is not None:
        n = max(2, round(settings.frozen * fps))
        return [first] * n, f"Frame {first} at {clock[first]:g} fs is shown throughout."
    if settings.speed is None:
        return list(range(first, last + 1)), "Every frame is shown once."
    increment = settings.speed / fps
    span = clock[last] - clock[first]
    n = int(np.floor(span / increment + 1e-9)) + 1
    wanted = clock[first] + increment * np.arange(n)
    right = np.clip(np.searchsorted(clock, wanted), first, last)
    left = np.clip(right - 1, first, last)
    nearest = np.where(wanted - clock[left] <= clock[right] - wanted, left, right)
    return nearest.tolist(), _describe(nearest.tolist(), last - first + 1)


def _describe(steps: list[int], n_steps: int) -> str:
    """Say whether steps repeat or are left out."""
    counts = Counter(steps)
    missing = n_steps - len(counts)
    if missing:
        return f"{missing} of {n_steps} frames are left out: the time runs too fast to show all."
    low, high = min(counts.values()), max(counts.values())
    if high == 1:
        return "Every frame is shown once."
    times = f"{low}" if low == high else f"{low} to {high}"
    return f"Each frame is shown {times} times: the time runs slowly."
