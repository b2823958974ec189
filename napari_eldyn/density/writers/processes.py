"""Do pieces of work on a trajectory in several processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any, Protocol, TypeVar

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["Recipe", "do_pieces", "usable_cores"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_START = 2.0
"""Seconds of work below which starting processes is not worth while."""


class Recipe(Protocol):
    """How another process gets at the same trajectory; can be pickled."""

    def open(self) -> DensityTrajectory:
        """Open the trajectory."""
        ...


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def do_pieces(
    trajectory: DensityTrajectory,
    recipe: Recipe | None,
    work: Callable[[DensityTrajectory, Item], Result],
    items: Sequence[Item],
    workers: int,
) -> Iterator[tuple[Item, Result]]:
    """Do work on each item, in processes if there is enough of it; results come as they are ready.

    The first item is done here, to see how long it takes.

    Parameters
    ----------
    trajectory : DensityTrajectory
        For the work that is done in this process.
    recipe : Recipe, optional
        Without it all is done in this process.
    work : callable
        A function of a module, so that other processes find it.
    items : sequence
        What differs between the calls.
    workers : int
        Processes.

    Raises
    ------
    EldynError
        What the work raises; or if a process has ended.
    """
    begun = time.perf_counter()
    for done, item in enumerate(items, start=1):
        yield item, work(trajectory, item)
        seconds = (time.perf_counter() - begun) / done
        if recipe is not None and workers > 1 and seconds * (len(items) - done) > _START:
            yield from _in_processes(trajectory, recipe, work, items[done:], workers)
            return


def _in_processes(
    trajectory: DensityTrajectory,
    recipe: Recipe,
    work: Callable[[DensityTrajectory, Item], Result],
    items: Sequence[Item],
    workers: int,
) -> Iterator[tuple[Item, Result]]:
    context = get_context("forkserver")
    # Libraries are then imported once, and not in each process.
    context.set_forkserver_preload([__name__, "napari_eldyn.density.writers"])
    pool = ProcessPoolExecutor(min(workers, len(items)), context, _begin, (recipe, work))
    waiting = deque(items)
    running: dict[Future[Result], Item] = {}
    is_started = False
    try:
        while waiting or running:
            while waiting and len(running) < 2 * workers:
                item = waiting.popleft()
                running[pool.submit(_do, item)] = item
            done = wait(running, None if is_started else 0.0, FIRST_COMPLETED).done
            for future in done:
                is_started = True
                yield running.pop(future), future.result()
            if waiting and not is_started:
                # Processes take a while to start.
                item = waiting.popleft()
                yield item, work(trajectory, item)
    except BrokenProcessPool as error:
        raise EldynError(
            "a process of the conversion has ended before its time, maybe for lack of memory",
            remedy="Use fewer of them (--workers).",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_recipe: Recipe | None = None
_work: Callable[[DensityTrajectory, Any], Any] | None = None
_trajectory: DensityTrajectory | None = None
"""What a worker process works on, opened with its first piece of work, so that errors are told."""


def _begin(recipe: Recipe, work: Callable[[DensityTrajectory, Any], Any]) -> None:
    global _recipe, _work
    # Ctrl-C reaches all processes of a terminal; the first one decides how to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _recipe, _work = recipe, work


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(item: Any) -> Any:
    global _trajectory
    assert _recipe is not None
    assert _work is not None
    try:
        if _trajectory is None:
            _trajectory = _recipe.open()
        return _work(_trajectory, item)
    except EldynError as error:
        # Subclasses may have arguments that pickling loses.
        raise EldynError(error.problem, path=error.path, remedy=error.remedy) from None
