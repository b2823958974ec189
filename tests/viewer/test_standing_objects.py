from __future__ import annotations

import gc

from live_session import Live

from napari_eldyn.viewer.standing_objects import leave_standing_objects_alone


def test_they_are_left_alone_until_the_last_one_ends() -> None:
    first, second = leave_standing_objects_alone(), leave_standing_objects_alone()
    assert gc.get_freeze_count() > 1000
    first()
    first()
    assert gc.get_freeze_count() > 1000
    second()
    assert gc.get_freeze_count() == 0


def test_a_run_is_not_held_up_by_them(live: Live) -> None:
    counts: list[int] = []
    live.control.updated.connect(lambda update: counts.append(gc.get_freeze_count()))
    live.run_to_end()
    assert counts[0] > 1000
    assert gc.get_freeze_count() == 0


def test_closing_the_window_ends_it(live: Live) -> None:
    live.control.configure(n_frames=10_000)
    live.control.run()
    live.wait(lambda: live.n_frames > 0)
    assert gc.get_freeze_count() > 1000
    live.viewer.close()
    assert gc.get_freeze_count() == 0
