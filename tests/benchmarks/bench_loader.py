"""Time the loader against the training step: python tests/benchmarks/bench_loader.py.

The networks, objective and step are those of the recipe `paper`, on random frames. Printed for
each grid are the time to load a batch from memory and from a mapped file, with and without random
symmetry operations, as shares of the step's own time (a step that is given the same batch again
and again); and the time of steps with the loader at work over that of such steps, taken in turns:
1.00 means that loading is hidden wholly. The mapped file is in the system's cache, as it is from
the second epoch on where memory allows.

On a GPU all times are wall times. On the CPU they are processor times of one computing thread and
the loading one together: nothing is hidden then, the ratio is what loading costs at most.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from eldyn_training.autoencoder_stage import AutoencoderStage
from eldyn_training.data import Batch, BatchLoader, Dataset, Draw, Symmetries, load_dataset
from eldyn_training.distributed import Processes
from eldyn_training.recipe import PooledRecipe, load_recipe
from eldyn_training.state import TrainingState, start

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.emulator import describe_device, resolve_device

EDGE = 8.66  # Å
KINDS = (("memory", False), ("memory", True), ("mapped", False), ("mapped", True))


class SameBatch:
    """A loader that costs nothing: the batch of step 0, always."""

    def __init__(self, loader: BatchLoader) -> None:
        self._batch, self._draw = loader.batch(0), loader.draw(0)

    def batch(self, _step: int) -> Batch:
        return self._batch

    def draw(self, _step: int) -> Draw:
        return self._draw


def random_frames(points: int, count: int) -> DensityTrajectory:
    rng = np.random.default_rng(0)
    values = np.exp(-2.91 + 0.27 * rng.standard_normal((count, *(points,) * 3), np.float32))
    grid = PeriodicGrid(np.eye(3) * EDGE, (points,) * 3)
    return DensityTrajectory.from_array(values, grid, 2.0 * np.arange(count), kind="pseudo")


def make_loader(dataset: Dataset, recipe: PooledRecipe, *, augmented: bool) -> BatchLoader:
    symmetries = Symmetries(
        dataset.grid, shifts=augmented, point_group=augmented, device=dataset.device
    )
    return BatchLoader(dataset, symmetries, seed=0, batch_size=recipe.training.batch_size)


class Clock:
    """Seconds of actions; on CUDA with all work on the device done."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._now = time.perf_counter if self._cuda else time.process_time

    def __call__(self, action: Callable[[], object]) -> float:
        self._wait()
        before = self._now()
        action()
        self._wait()
        return self._now() - before

    def _wait(self) -> None:
        if self._cuda:
            torch.cuda.synchronize()


def run(points: int, device: torch.device, frames: int, repeats: int) -> None:
    """Print the lines of one grid."""
    recipe = load_recipe("paper")
    values = recipe.model_dump()
    values["data"].update(grid=(points,) * 3, frames=":")
    recipe = PooledRecipe.model_validate(values)
    trajectory, clock = random_frames(points, frames), Clock(device)
    with tempfile.TemporaryDirectory() as cache:
        datasets = {
            storage: load_dataset(
                recipe.data, [trajectory], device=device, storage=storage, cache=Path(cache)
            )
            for storage in ("memory", "mapped")
        }
        training = start(recipe, datasets["memory"], device, Processes())
        stage = AutoencoderStage(recipe)
        stage.prepare(training)
        step_with(stage, training, datasets, recipe, clock, points, repeats)


def step_with(
    stage: AutoencoderStage,
    training: TrainingState,
    datasets: dict[str, Dataset],
    recipe: PooledRecipe,
    clock: Clock,
    points: int,
    repeats: int,
) -> None:
    """Time the stage's step with every loader, and with none."""
    own = stage._loader
    same = SameBatch(own)
    loaders = {
        (storage, augmented): make_loader(datasets[storage], recipe, augmented=augmented)
        for storage, augmented in KINDS
    }

    def step(loader: BatchLoader | SameBatch) -> None:
        stage._loader = loader  # type: ignore[assignment]
        stage.step(training)
        training.step += 1

    step(same)
    seconds: dict[object, list[float]] = {kind: [] for kind in (None, *loaders)}
    for _ in range(repeats):
        seconds[None].append(clock(partial(step, same)))
        for kind, loader in loaders.items():
            loader.batch(training.step - 1)
            time.sleep(0.3)  # the thread gets ahead, as it is in a run
            seconds[kind].append(clock(partial(step, loader)))
    alone = float(np.median(seconds[None]))
    print(
        f"{points}³, {recipe.training.batch_size} transitions: step with the same batch "
        f"{1e3 * alone:.0f} ms"
    )
    for (storage, augmented), loader in loaders.items():
        times = loading(datasets[storage], recipe, clock, augmented=augmented, repeats=10)
        ratio = float(np.median(np.array(seconds[storage, augmented]) / np.array(seconds[None])))
        name = f"{storage}{', augmented' if augmented else ''}"
        print(
            f"  {name:18s} load {1e3 * times:7.2f} ms = {100 * times / alone:5.2f} % of the step;"
            f"  step with loader / without {ratio:.3f}"
        )
        loader.close()
    own.close()


def loading(
    dataset: Dataset, recipe: PooledRecipe, clock: Clock, *, augmented: bool, repeats: int
) -> float:
    """Return the time of loading a batch when nothing else is done, median over batches."""
    direct = make_loader(dataset, recipe, augmented=augmented)

    direct.load(0)
    times = [clock(partial(direct.load, step)) for step in range(1, repeats + 1)]
    direct.close()
    return float(np.median(times))


def main() -> None:
    """Print loading times and their share of the step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grids", type=int, nargs="+", default=[32, 48], help="points per edge")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3, help="steps with each loader")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = resolve_device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    print(f"{describe_device(device)}, {torch.get_num_threads()} thread(s)")
    for points in options.grids:
        run(points, device, options.frames, options.repeats)


if __name__ == "__main__":
    main()
