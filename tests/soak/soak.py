"""A scripted user drives the real window through many random actions; figures are printed.

Run with a display (or under ``xvfb-run``):

    python tests/soak/soak.py [--actions 1000] [--seed 1]

The seed is printed: the same seed makes the same choices. Exit code 1 if anything is at fault: an
exception anywhere, a warning, a message of Qt, an error told to the user that was not provoked, a
thread, process, widget or controller left over, memory that grows.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import random
import sys
import tempfile
import threading
import time
import weakref
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import napari
import numpy as np
import psutil
from qtpy.QtCore import QCoreApplication, QEvent, QThreadPool
from qtpy.QtWidgets import QApplication

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from actions import ACTIONS, Act, begin, partial_files
from faults import Faults
from heartbeat import Heartbeat, stalls_explained
from user import BUSY, User, turn

from napari_eldyn.widgets.messages import MessageArea

EVERY = 10  # actions between two looks at memory
FLAT = 0.05
PACKAGE = "napari_eldyn"


class Memory:
    """Memory and numbers of objects, measured now and then.

    Attributes
    ----------
    rss, uss : list of float
        Resident and unshared memory [MB].
    held : list of float
        What is kept on purpose: frames and latents of rollouts [MB].
    objects : list of Counter
        Numbers of objects of our classes and of Qt's widgets.
    """

    def __init__(self) -> None:
        self.rss: list[float] = []
        self.uss: list[float] = []
        self.held: list[float] = []
        self.objects: list[Counter[str]] = []
        self._process = psutil.Process()

    def look(self, user: User) -> None:
        """Measure, after what can be freed has been freed."""
        settle()
        full = self._process.memory_full_info()
        self.rss.append(full.rss / 1e6)
        self.uss.append(full.uss / 1e6)
        self.held.append(kept_on_purpose(user) / 1e6)
        self.objects.append(count_objects())

    def drift(self, series: list[float]) -> tuple[list[float], float]:
        """Means of the quarters after the first, and how far apart they are (1 is the smallest)."""
        quarters = [float(np.mean(part)) for part in np.array_split(series, 4)[1:] if len(part)]
        return quarters, max(quarters) / min(quarters) - 1.0

    def growing(self) -> list[str]:
        """Kinds of objects of which there are many more at the end than after the warm-up."""
        if len(self.objects) < 8:
            return []
        parts = np.array_split(np.array(self.objects, dtype=object), 4)
        first, last = (_most(parts[place]) for place in (1, 3))
        return [
            f"{name} {first[name]} → {last[name]}"
            for name in sorted(last)
            if last[name] > 1.5 * first[name] + 10
        ]


def _most(part: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for counter in part:
        found |= counter
    return found


def settle() -> None:
    """Free what can be freed."""
    for _ in range(3):
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
        gc.collect()


def kept_on_purpose(user: User) -> int:
    """Bytes of the frames in memory of all rollouts of the window."""
    shelf = user.control.shelf
    rollouts = {*shelf.kept, *(x for x in (shelf.current, shelf.discarded) if x is not None)}
    total = 0
    for rollout in rollouts:
        frame = rollout.session.pairing.trajectory.grid.n_points * 4
        total += rollout.n_bytes + len(rollout.session.cache) * frame
    return total


def count_objects() -> Counter[str]:
    """Objects of our classes, and widgets, by class."""
    found: Counter[str] = Counter()
    for thing in gc.get_objects():
        kind = type(thing)  # not __class__: some objects of torch answer with a warning
        if str(kind.__module__).startswith(PACKAGE):
            found[kind.__name__] += 1
    found["QWidget"] = len(QApplication.allWidgets())
    return found


def told(user: User) -> set[str]:
    """Errors shown in the docks."""
    areas = [
        area for content in user.docks().values() for area in content.findChildren(MessageArea)
    ]
    return {text for area in areas if (text := area._error_label.text())}


def choose(rng: random.Random, user: User) -> tuple[Act, str]:
    """Do something that can be done now."""
    weights, acts = zip(*ACTIONS, strict=True)
    while True:
        act = rng.choices(acts, weights)[0]
        user.faults.now = f"{user.faults.now.split(':')[0]}: {act.__name__}"
        done = act(user)
        if done is not None:
            return act, done


def play(user: User, n_actions: int, beat: Heartbeat, verbose: bool) -> Memory:
    """Do so many things, and look after each whether all is well."""
    memory, complaints = Memory(), told(user)
    memory.look(user)
    for number in range(n_actions):
        user.faults.now = f"action {number}: "
        beat.label = "wait"
        began = time.perf_counter()
        try:
            act, done = choose(user.random, user)
        except Exception as error:
            user.faults._exception(type(error), error, error.__traceback__)
            continue
        beat.label = act.__name__
        user.faults.now = f"action {number}: {done}"
        turn(0.3 * user.random.random())
        if verbose:
            seconds = time.perf_counter() - began
            print(f"{number:4} {seconds:5.1f} s {user.control.state:8} {done}", flush=True)
        for text in told(user) - complaints:
            user.faults.add("told", text)
        complaints = told(user)
        if number % EVERY == EVERY - 1:
            if user.control.state in BUSY and not user.rest(20.0):
                user.control.stop()
            beat.label = "looking at memory"
            memory.look(user)
            look_for_closed_docks(user)
    return memory


def look_for_closed_docks(user: User) -> None:
    """Find docks that were closed and are still there."""
    for name, reference in user.closed:
        dock = reference()
        if dock is not None:
            user.faults.add("left over", f"closed dock {name}; held by {_holders(dock)}")
    user.closed = []


def leave(user: User, children: set[int], threads: set[threading.Thread]) -> None:
    """Close the window and see what is left."""
    faults, viewer = user.faults, user.viewer
    control, session = user.control, user.control.session
    left = {
        "viewer": weakref.ref(viewer),
        "controller": weakref.ref(control),
        "panels": weakref.ref(control.panels),
        "shelf": weakref.ref(control.shelf),
    }
    if session is not None:
        left["session"] = weakref.ref(session)
    left |= {f"dock {name}": weakref.ref(content) for name, content in user.docks().items()}
    faults.now = "closing"
    user.leave()
    viewer.close()
    user.viewer = None  # type: ignore[assignment]
    del viewer, control, session
    for _ in range(20):
        turn(0.05)
        settle()
    faults.now = "closed"
    for name, reference in left.items():
        if reference() is not None:
            faults.add("left over", f"{name}; held by {_holders(reference())}")
    if not QThreadPool.globalInstance().waitForDone(10_000):
        faults.add("left over", "a thread of the pool still works")
    new = [x for x in threading.enumerate() if x not in threads and not _is_known(x)]
    if new:
        faults.add("left over", f"threads {new}")
    processes = [x for x in psutil.Process().children(recursive=True) if x.pid not in children]
    if processes:
        faults.add("left over", f"processes {processes}")
    windows = [w for w in QApplication.topLevelWidgets() if w.isVisible()]
    if windows:
        faults.add("left over", f"windows {windows}")
    if halves := partial_files(user.folder):
        faults.add("left over", f"half-written files {halves}")


def _is_known(thread: threading.Thread) -> bool:
    """Whether a thread serves a library as long as the process lives."""
    known = ("zarr_io", "asyncio_", "ThreadPoolExecutor", "tqdm", "Dummy")
    return thread.daemon or any(word in thread.name for word in known)


def _holders(thing: object) -> str:
    """Chains from a thing up to what holds it and is held by nothing that Python knows."""
    ours = {id(sys._getframe())}
    seen, queue, found = {id(thing)}, [(thing, [])], []
    while queue and len(found) < 6 and len(seen) < 150:
        held, chain = queue.pop(0)
        holders = [x for x in gc.get_referrers(held) if id(x) not in ours and x is not queue]
        holders = [x for x in holders if not isinstance(x, FrameType) and not _is_own(x)]
        fresh = [x for x in holders if id(x) not in seen]
        if not holders or any(isinstance(x, ModuleType) for x in holders):
            names = [*chain, _name(held)]
            found.append(" < ".join(names if len(names) < 14 else [*names[:9], "…", *names[-4:]]))
        for holder in fresh:
            seen.add(id(holder))
            queue.append((holder, [*chain, _name(held)]))
        ours |= {id(holders), id(fresh)}
    return "\n    " + "\n    ".join(found)


def _is_own(thing: object) -> bool:
    """Whether a list or tuple belongs to the search itself."""
    return (
        type(thing) in (list, tuple, set)
        and len(thing) > 0
        and not gc.is_finalized(thing)
        and (isinstance(thing, tuple) and len(thing) == 2 and isinstance(thing[1], list))
    )


def _name(thing: object) -> str:
    name = getattr(thing, "__qualname__", None) if callable(thing) else None
    return f"{type(thing).__name__} {name}" if name else type(thing).__name__


def report(memory: Memory, beat: Heartbeat, faults: Faults, done: int, flat: bool) -> None:
    """Print what was found."""
    print("memory [MB], resident: " + " ".join(f"{value:.0f}" for value in memory.rss))
    print("memory [MB], unshared: " + " ".join(f"{value:.0f}" for value in memory.uss))
    print("  of it kept on purpose: " + " ".join(f"{value:.0f}" for value in memory.held))
    print("widgets: " + " ".join(str(counter["QWidget"]) for counter in memory.objects))
    changes = memory.objects[-1].copy()
    changes.subtract(memory.objects[0])
    print("objects since the start: " + ", ".join(f"{k} +{n}" for k, n in changes.most_common(12)))
    if flat:
        for name, series in (("resident", memory.rss), ("unshared", memory.uss)):
            quarters, drift = memory.drift(series)
            means = ", ".join(f"{value:.0f}" for value in quarters)
            print(f"{name}: quarters after the first {means} MB; apart by {100 * drift:.1f} %")
            grown = quarters[-1] / quarters[0] - 1.0
            if grown > FLAT:
                faults.add("memory", f"{name} memory grew by {100 * grown:.1f} % after warm-up")
        if growing := memory.growing():
            faults.add("memory", f"growing numbers of objects: {growing}")
    worst = sorted(beat.labels.items(), key=lambda item: -item[1])
    print("longest stalls of the event loop by action [ms]:")
    for label, gap in worst[:15]:
        print(f"  {1e3 * gap:6.0f}  {label}")
    print(f"{done} actions, {len(faults.found)} faults")


def main() -> None:
    """Play, report, and exit with what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--actions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one")
    parser.add_argument("--explain", action="store_true", help="print what was done in stalls")
    parser.add_argument("--quiet", action="store_true", help="do not print every action")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    threads = set(threading.enumerate())
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    faulthandler.enable()
    faults, beat = Faults(), Heartbeat()
    with tempfile.TemporaryDirectory() as folder:
        viewer = napari.Viewer(title="soak", show=True)
        viewer.window.resize(1280, 800)
        faults.hook()
        faults.expect(r"soak \d")  # typed into any field, also where numbers belong
        faults.expect("a movie needs frames that stay")  # stepped while it was recorded
        faults.expect("need the 3D view")  # a turntable in 2D
        user = User(viewer, seed, Path(folder), faults)
        del viewer
        begin(user)
        beat.start()
        with ExitStack() as stack:
            stalls = None
            if arguments.explain:
                stalls = stack.enter_context(stalls_explained(beat, 1.0))
            memory = play(user, arguments.actions, beat, not arguments.quiet)
        beat.stop()
        user.rest(60.0)
        leave(user, children, threads)
        answered = Counter(user.answered)
    print(f"dialogs and menus answered: {dict(answered)}")
    report(memory, beat, faults, arguments.actions, arguments.actions >= 200)
    if stalls:
        for text, count in stalls.most_common(15):
            print(f"-- {count} samples of 20 ms\n{text}")
    faults.close()
    for fault in faults.found:
        print(fault)
    sys.exit(bool(faults.found))


if __name__ == "__main__":
    main()
