"""Keep Python's garbage collector from searching a whole session over and over during a run."""

from __future__ import annotations

import gc
from collections.abc import Callable

__all__ = ["leave_standing_objects_alone"]

_n_held = 0


def leave_standing_objects_alone() -> Callable[[], None]:
    """Leave what there is now out of the search for garbage, until what is returned is called.

    A full search takes a third of a second in a window with all docks, whichever thread it falls
    to, and nothing else of Python goes on meanwhile. What comes after this call is searched as
    always; garbage there is by now waits until the end.

    Returns
    -------
    callable
        Ends it; further calls do nothing.
    """
    global _n_held
    if _n_held == 0:
        gc.freeze()
    _n_held += 1
    is_held = True

    def end() -> None:
        nonlocal is_held
        global _n_held
        if is_held:
            is_held = False
            _n_held -= 1
            if _n_held == 0:
                gc.unfreeze()

    return end
