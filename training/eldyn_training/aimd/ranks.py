"""What one of several MPI processes does for all, without any of them waiting for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from eldyn_training.aimd.calculator import import_gpaw
from napari_eldyn.exceptions import EldynError

__all__ = ["on_first", "shared"]

T = TypeVar("T")


def on_first(world: Any, work: Callable[[], T]) -> T | None:
    """Do work on the first MPI process; if it fails there, all processes end.

    Returns
    -------
    object
        What the work returns; None on the other processes.

    Raises
    ------
    EldynError
        As the work does, on the first process.
    SystemExit
        On the others, which would wait for ever for the first one.
    """
    result, error = None, None
    if world.rank == 0:
        try:
            result = work()
        except EldynError as caught:
            error = caught
    failed = world.max_scalar(0.0 if error is None else 1.0)
    if error is not None:
        raise error
    if failed:
        raise SystemExit(1)
    return result


def shared(world: Any, work: Callable[[], T]) -> T:
    """Do work on the first MPI process and return its result on all; else as `on_first`."""
    result = on_first(world, work)
    if world.size > 1:
        result = import_gpaw().mpi.broadcast(result, root=0, comm=world)
    return result  # type: ignore[return-value]  # the others have the first one's
