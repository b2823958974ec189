"""Time of a training step by what it learns, against the same model that only reconstructs.

Run: python tests/benchmarks/bench_training.py [--grids 32 48] [--batch 4] [--repeats 5]

Each step is the one that ``eldyn-train fit`` does: batch, losses, gradients, optimiser, average of
the weights. On a GPU, the rate of the step's convolutions is put against the rate of the largest
of them alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from eldyn_training.data import load_dataset
from eldyn_training.distributed import Processes
from eldyn_training.recipe import PooledRecipe, load_recipe
from eldyn_training.stages import plan
from eldyn_training.state import start

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.emulator.device import describe_device, resolve_device

VARIANTS = {
    "reconstruction": {"training": {"stages": "two_stage"}, "sjsd": False},
    "and sJSD": {"training": {"stages": "two_stage"}, "sjsd": True},
    "and denoiser": {"training": {"stages": "joint"}, "sjsd": False},
    "all (the objective)": {"training": {"stages": "joint"}, "sjsd": True},
}


def synthetic(grid: int, frames: int = 24) -> DensityTrajectory:
    """Frames whose values are distributed like those of liquid lithium."""
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(frames, grid, grid, grid))
    values = np.exp(-2.9 + 0.27 * fields).astype(np.float32)
    return DensityTrajectory.from_array(
        values, PeriodicGrid(np.eye(3) * 8.66, (grid,) * 3), 4.0 * np.arange(frames)
    )


def variant(base: PooledRecipe, grid: int, batch: int, precision: str, name: str) -> PooledRecipe:
    """Return the recipe of a variant."""
    values = base.model_dump()
    chosen = VARIANTS[name]
    values["data"].update(grid=(grid,) * 3, frames=":")
    values["training"].update(
        chosen["training"], batch_size=batch, precision=precision, steps=10**6
    )
    values["refinement"]["steps"] = 1
    values["objective"]["sjsd_start"] = 0
    return PooledRecipe.model_validate(values)


def prepare(
    recipe: PooledRecipe, data: DensityTrajectory, device: torch.device, *, sjsd: bool
) -> Callable[[], None]:
    """Return what does one step."""
    dataset = load_dataset(recipe.data, [data], device=device)
    training = start(recipe, dataset, device, Processes())
    stage = plan(recipe)[0]
    stage.prepare(training)
    if not sjsd:
        # Not the weight but the work is taken away: the weight's gradient would cost as much.
        zero = torch.zeros((), device=device)
        stage._losses.distribution = lambda *_: (zero, zero)
        training.targets = lambda frames: None

    def step() -> None:
        stage.step(training)
        training.step += 1
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def measure(
    steps: dict[str, Callable[[], None]], repeats: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Return milliseconds of each, the best of interleaved repeats."""
    best = dict.fromkeys(steps, float("inf"))
    for step in steps.values():
        step()
    for _ in range(repeats):
        for name, step in steps.items():
            begin = clock()
            step()
            best[name] = min(best[name], 1e3 * (clock() - begin))
    return best


def convolution_rate(recipe: PooledRecipe, batch: int, device: torch.device) -> None:
    """Print the rate of the step's convolutions against one convolution's own rate."""
    from torch.utils.flop_counter import FlopCounterMode

    data = synthetic(recipe.data.grid[0])
    step = prepare(recipe, data, device, sjsd=True)
    for _ in range(5):
        step()
    with FlopCounterMode(display=False) as counter:
        step()
    begin = time.perf_counter()
    for _ in range(10):
        step()
    achieved = counter.get_total_flops() / ((time.perf_counter() - begin) / 10)
    width, points = recipe.model.autoencoder.decoder_channels[-1], recipe.data.grid[0] // 2
    layer = torch.nn.Conv3d(width, width, 3, padding=1, device=device)
    fields = torch.randn((batch, width, points, points, points), device=device)
    fields.requires_grad_()
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}

    def convolve() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=kind != torch.float32):
            layer(fields).sum().backward()
        torch.cuda.synchronize()

    kind = kinds[recipe.training.precision]
    convolve()
    with FlopCounterMode(display=False) as counter:
        convolve()
    begin = time.perf_counter()
    for _ in range(10):
        convolve()
    alone = counter.get_total_flops() / ((time.perf_counter() - begin) / 10)
    print(
        f"convolutions: {achieved / 1e12:.2f} TFLOP/s in the step, {alone / 1e12:.2f} alone: "
        f"{achieved / alone:.0%}"
    )


def main() -> None:
    """Print times and their ratios for each grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grids", type=int, nargs="+", default=[32, 48])
    parser.add_argument("--batch", type=int, default=4, help="transitions per step")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = resolve_device(options.device)
    # On a CPU the time of this process, which other processes on the machine disturb less.
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    print(
        f"{describe_device(device)}, batch {options.batch}, best of {options.repeats}, "
        f"{'wall' if clock is time.perf_counter else 'CPU'} time"
    )
    for grid in options.grids:
        base = load_recipe("paper" if grid == 48 else "paper_32")
        for precision in options.precisions:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "data.eldyn"
                synthetic(grid).save(path)
                data = DensityTrajectory.open(path)
                recipes = {
                    name: variant(base, grid, options.batch, precision, name) for name in VARIANTS
                }
                times = measure(
                    {
                        name: prepare(recipe, data, device, sjsd=VARIANTS[name]["sjsd"])
                        for name, recipe in recipes.items()
                    },
                    options.repeats,
                    clock,
                )
            plain = times["reconstruction"]
            for name, value in times.items():
                print(
                    f"{grid}³ {precision:8s} {name:20s} {value:8.1f} ms  "
                    f"{value / plain:5.2f} × reconstruction  "
                    f"{1e3 * options.batch / value:6.1f} frames/s"
                )
            cost = times["all (the objective)"] / times["and denoiser"] - 1.0
            print(f"{grid}³ {precision:8s} the sJSD term adds {cost:.1%} to the objective's step")
            if device.type == "cuda":
                convolution_rate(recipes["all (the objective)"], options.batch, device)
    if device.type != "cuda":
        print("convolutions' own rate: skipped, there is no GPU here")


if __name__ == "__main__":
    main()
