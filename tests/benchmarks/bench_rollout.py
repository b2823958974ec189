"""Time rollouts: frames/s for each sampler and grid: python tests/benchmarks/bench_rollout.py.

Networks are those of the default configuration with random weights, which take as long as
trained ones. Ratios are to the baseline of the same run: ddpm with 1000 evaluations at 48³,
each frame generated and decoded. On one CPU thread, processor time is measured: it is the wall
time of a machine with nothing else to do, whatever else runs now.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from napari_eldyn.density import DensityTrajectory, LogNormalisation, PeriodicGrid
from napari_eldyn.emulator import Emulator, Rollout, describe_device, resolve_device
from napari_eldyn.emulator.config import DenoiserConfig, PooledConfig
from napari_eldyn.emulator.networks import build_networks
from napari_eldyn.emulator.samplers import ddpm

EDGE = 8.66  # Å
SAMPLERS = (
    ("ddpm", 1000),
    ("ddpm", 100),
    ("ddim", 100),
    ("ddim", 20),
    ("dpmpp_2m", 8),
    ("heun", 8),
)


def random_emulator(points: int, device: str) -> Emulator:
    torch.manual_seed(0)
    config = PooledConfig(
        grid_shape=(points,) * 3,
        cell=((EDGE, 0.0, 0.0), (0.0, EDGE, 0.0), (0.0, 0.0, EDGE)),
        timestep_fs=4.0,
        denoiser=DenoiserConfig(output="velocity"),
    )
    networks = build_networks(config)
    torch.nn.init.normal_(networks.denoiser.output.weight, std=0.02)
    normalisation = LogNormalisation(mean=-2.91, std=0.27, rate_std=0.04)
    return Emulator(networks, config, normalisation, device=device)


def start(points: int) -> DensityTrajectory:
    rng = np.random.default_rng(0)
    densities = np.exp(-2.91 + 0.27 * rng.normal(size=(3, points, points, points)))
    grid = PeriodicGrid(np.eye(3) * EDGE, (points,) * 3)
    return DensityTrajectory.from_array(densities, grid, 4.0 * np.arange(3))


class Stopwatch:
    """Best time of an action, repeated for a while after one call that warms it up."""

    def __init__(self, clock: Callable[[], float], at_least: float) -> None:
        self.clock = clock
        self.at_least = at_least

    def __call__(self, action: Callable[[], object]) -> float:
        action()
        best, began = np.inf, self.clock()
        while self.clock() - began < self.at_least:
            before = self.clock()
            action()
            best = min(best, self.clock() - before)
        return best


def bench_samplers(device: str, seconds: Stopwatch) -> None:
    rows = []
    for points in (48, 32):
        model, trajectory = random_emulator(points, device), start(points)
        for sampler, evaluations in SAMPLERS:
            rollout = Rollout(model, trajectory, 2, sampler, evaluations)

            def generate(rollout: Rollout = rollout) -> None:
                rollout.advance(1)

            def show(rollout: Rollout = rollout) -> None:
                rollout.advance(1)
                rollout[-1]

            rows.append((points, sampler, evaluations, seconds(generate), seconds(show)))
    baseline = rows[0][4]
    print(f"{'grid':<6}{'sampler':<12}{'latents only':>20}{'with decoding':>20}{'ratio':>10}")
    for points, sampler, evaluations, generating, showing in rows:
        print(
            f"{points}³   {sampler + ' ' + str(evaluations):<12}{1 / generating:>12.1f} frames/s"
            f"{1 / showing:>12.1f} frames/s{baseline / showing:>8.1f} × ddpm 1000 at 48³"
        )


def bench_parts(device: str, seconds: Stopwatch) -> None:
    for points in (48, 32):
        model = random_emulator(points, device)
        latents = np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32)
        one = seconds(lambda m=model, z=latents[0]: m.decode(z))
        eight = seconds(lambda m=model, z=latents: m.decode(z)) / 8
        print(f"{points}³   decode one frame alone      {1e3 * one:9.2f} ms      1.00 × alone")
        print(
            f"{points}³   decode one frame of eight   {1e3 * eight:9.2f} ms   {eight / one:7.2f} × "
            "alone"
        )
    denoiser, schedule = model.networks.denoiser, model.networks.schedule
    z = torch.randn(1, 32, device=model.device)
    noise = torch.randn(1001, 1, 32, device=model.device)
    with torch.inference_mode():
        unbound = seconds(
            lambda: ddpm(lambda z_t, t, z_0: denoiser(z_t, t, z_0), schedule, z, noise).cpu()
        )
        bound = seconds(lambda: ddpm(denoiser, schedule, z, noise).cpu())
    print(f"1000 evaluations, denoiser as it is {1e3 * unbound:6.1f} ms      1.00 × as it is")
    print(
        f"1000 evaluations, condition and steps prepared {1e3 * bound:6.1f} ms   "
        f"{bound / unbound:4.2f} × as it is"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, …")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch on the CPU")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each measurement")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = str(resolve_device(options.device))
    processor_time = device == "cpu" and options.threads == 1
    clock = time.process_time if processor_time else time.perf_counter
    print(f"{describe_device(device)}, {'processor' if processor_time else 'wall'} time")
    stopwatch = Stopwatch(clock, options.seconds)
    bench_samplers(device, stopwatch)
    bench_parts(device, stopwatch)


if __name__ == "__main__":
    main()
