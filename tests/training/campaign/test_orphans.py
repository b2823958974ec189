"""Programs started by a task end with it, however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

RUN = [sys.executable, "-m", "eldyn_training.campaign.orphans", "run"]

PARENT = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:])
print(child.pid, flush=True)
time.sleep(600)
"""


def wait_for(what: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_the_exit_code_is_passed_on() -> None:
    assert subprocess.run([*RUN, "sh", "-c", "exit 3"], check=False).returncode == 3
    killed = subprocess.run([*RUN, "sh", "-c", "kill -9 $$"], check=False)
    assert killed.returncode == 128 + signal.SIGKILL


def test_a_command_and_its_children_end_with_the_killed_parent() -> None:
    command = [*RUN, "sh", "-c", "sleep 600 & sleep 600"]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *command], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        supervisor = psutil.Process(int(parent.stdout.readline()))
        wait_for(lambda: len(supervisor.children(recursive=True)) == 3)
        family = [supervisor, *supervisor.children(recursive=True)]
        os.kill(parent.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
