from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import napari
import pytest
import torch
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.worker import Job, Mailbox, explain_error, start_job


def test_running_out_of_memory_is_explained() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**52)
    text = explain_error(caught.value, "cpu (1 thread)")
    assert text.startswith("Out of memory on cpu (1 thread)")
    assert "are kept" in text
    gpu = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    assert explain_error(gpu, "cuda:0").startswith("Out of memory on cuda:0")


def test_other_errors_are_named_and_ours_speak_for_themselves() -> None:
    assert explain_error(ValueError("no such thing\nlong tail")) == "ValueError: no such thing"
    assert explain_error(EldynError("is torn", path="a.eldyn")) == "a.eldyn: is torn"


def test_a_job_stopped_before_it_starts_does_nothing() -> None:
    job: Job[int] = Job("count", lambda job: 1)
    job.stop()
    assert job.wait(60.0), "closing a window must not wait for what has not begun"
    job()
    assert (job.result, job.error, job.is_done) == (None, None, True)


def test_a_job_ends_at_its_next_check() -> None:
    job: Job[int] = Job("count", lambda job: [job.stop(), job.check(1, 2)] and 1)
    job()
    assert (job.result, job.error, job.is_done) == (None, None, True)


def test_a_job_keeps_its_error(caplog: pytest.LogCaptureFixture) -> None:
    job: Job[float] = Job("divide", lambda job: 1 / 0)
    job()
    assert isinstance(job.error, ZeroDivisionError)
    assert "divide failed" in caplog.text
    assert repr(job) == "divide"


def test_a_mailbox_gives_everything_once_in_order() -> None:
    mailbox: Mailbox[int] = Mailbox()
    for letter in range(3):
        mailbox.put(letter)
    assert mailbox.take() == [0, 1, 2]
    assert mailbox.take() == []


class _Result:
    """Something that can be watched going away."""


class _Owner(QObject):
    def __init__(self) -> None:
        super().__init__()
        self.n_finished = 0

    def finished(self) -> None:
        self.n_finished += 1


@pytest.mark.parametrize("brief", [False, True])
def test_nothing_holds_a_result_once_its_owner_has_let_go(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot, brief: bool
) -> None:
    make_napari_viewer()  # its window keeps a record of every task
    owner = _Owner()
    job: Job[_Result] = Job("make", lambda job: _Result())
    start_job(job, owner.finished, brief=brief)
    qtbot.waitUntil(lambda: owner.n_finished == 1)
    assert job.result is not None
    left = weakref.ref(job.result)
    del job
    gc.collect()
    assert left() is None


def test_napari_remembers_the_last_job_only(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    owner = _Owner()
    for number in range(1, 4):
        start_job(Job("make", lambda job: 1), owner.finished)
        qtbot.waitUntil(lambda number=number: owner.n_finished == number)
    assert len(viewer.window._task_status_manager._tasks) == 1
