"""Give damaged files to every reader: each is read, or refused by an EldynError that names it.

Run with: PYTHONPATH=tests python -m fuzz [--cases 10000] [--seed 0] [--only FORMAT] [--keep FOLDER]

Prints, by format, how many were read and refused, the longest time, and the largest memory over
that of a whole file. Ends in exit code 1 if a reader raised anything else, or took over TIME or
MEMORY; the files of such cases are kept.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.mutations import MUTATIONS
from fuzz.seeds import make_seeds

from napari_eldyn.density.formats import open_any
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.exceptions import EldynError

TIME = 10.0
"""Seconds for one file, on a busy machine; a whole one takes a hundredth of that."""

MEMORY = 512 * 2**20
"""Bytes that one file may take over what the process has before."""

OPTIONS = OpenOptions(cell=np.diag([3.0, 4.0, 5.0]), unit="e/Å³")


class _TooLongError(BaseException):
    """Not an Exception, so that no reader takes it for damage."""


@dataclass
class Tally:
    """What became of the cases of one format."""

    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    slowest_case: int = -1
    failures: list[str] = field(default_factory=list)


def main() -> int:
    """Run the cases, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one format")
    parser.add_argument("--case", type=int, help="one case")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"))
    arguments = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        seeds = make_seeds(Path(folder) / "seeds")
        for paths in seeds.values():
            for path in paths:
                _try(path)  # libraries are imported now, and whole files can be read
        warnings.simplefilter("error", RuntimeWarning)  # numpy's, of overflows
        baseline = _peak()
        _limit_memory()
        tallies = {name: Tally() for name in seeds if arguments.only in (None, name)}
        cases = range(arguments.cases) if arguments.case is None else [arguments.case]
        for case in cases:
            name = list(tallies)[case % len(tallies)]
            rng = np.random.default_rng((arguments.seed, case))
            paths = seeds[name]
            damaged = _damage(paths[int(rng.integers(0, len(paths)))], Path(folder) / "case", rng)
            _run(damaged, tallies[name], case, arguments.keep)
    for name, tally in tallies.items():
        print(
            f"{name:18} {tally.read:5} read  {tally.refused:5} refused  "
            f"longest {tally.slowest:6.2f} s (case {tally.slowest_case})"
        )
    n_failures = sum(len(tally.failures) for tally in tallies.values())
    grown = (_peak() - baseline) / 2**20
    print(
        f"{len(cases)} cases in {time.perf_counter() - started:.0f} s, {n_failures} failures, "
        f"largest memory {grown:.0f} MiB over that of whole files"
    )
    kinds: dict[str, list[str]] = {}
    for tally in tallies.values():
        for failure in tally.failures:
            kinds.setdefault(_kind(failure), []).append(failure)
    for alike in kinds.values():
        print(f"{alike[0]}\n({len(alike)} like this)")
    return 1 if n_failures else 0


def _kind(failure: str) -> str:
    """Return the type of an exception and the last place of ours that it went through."""
    lines = failure.splitlines()
    ours = [line for line in lines if "napari_eldyn" in line]
    return f"{ours[-1] if ours else ''} {lines[-1].partition(':')[0]}"


def _damage(seed: Path, folder: Path, rng: np.random.Generator) -> Path:
    """Copy a file or directory, and damage it, or a file in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / seed.name
    if seed.is_dir():
        shutil.copytree(seed, path)
        inside = sorted(part for part in path.rglob("*") if part.is_file())
        target = inside[int(rng.integers(0, len(inside)))]
    else:
        shutil.copyfile(seed, path)
        target = path
    names, (ways, weights) = list(MUTATIONS), zip(*MUTATIONS.values(), strict=True)
    odds = np.array(weights) / sum(weights)
    data = target.read_bytes()
    for _ in range(1 if rng.random() < 0.7 else 2):
        data = ways[int(rng.choice(len(names), p=odds))](data, rng)
    target.write_bytes(data)
    return path


def _run(path: Path, tally: Tally, case: int, keep: Path) -> None:
    started = time.perf_counter()
    try:
        with _time_limit():
            _try(path)
        tally.read += 1
    except EldynError as error:
        tally.refused += 1
        if str(path) not in str(error):
            _fail(path, tally, case, keep, f"the message does not name the file: {error}")
    except (Exception, _TooLongError):
        _fail(path, tally, case, keep, traceback.format_exc())
    took = time.perf_counter() - started
    if took > tally.slowest:
        tally.slowest, tally.slowest_case = took, case


def _fail(path: Path, tally: Tally, case: int, keep: Path, problem: str) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    kept = keep / f"{case}-{path.name}"
    shutil.rmtree(kept, ignore_errors=True)
    (shutil.copytree if path.is_dir() else shutil.copyfile)(path, kept)
    tally.failures.append(f"\ncase {case}, kept as {kept}:\n{problem.rstrip()}")


def _try(path: Path) -> None:
    trajectory = open_any(path, OPTIONS)
    for index in {0, len(trajectory) - 1} - {-1}:
        trajectory[index]
        for name in trajectory.channels:
            np.asarray(trajectory.extra[name][index])
    positions: Any = trajectory.positions
    if positions is not None:
        np.asarray(positions[-1:])


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _limit_memory() -> None:
    """Let allocations beyond MEMORY fail, however little of them would be used."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@contextmanager
def _time_limit() -> Any:
    def stop(*_: object) -> None:
        raise _TooLongError(f"took over {TIME} s")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, TIME)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


if __name__ == "__main__":
    sys.exit(main())
