"""Time rollouts, frames/s for each family and sampler: python tests/benchmarks/bench_rollout.py.

Networks are those of the default configurations with random weights, which take as long as
trained ones. Ratios are to the baseline of the same run: pooled, ddpm with 1000 evaluations at
48³, each frame generated and decoded. On one CPU thread, processor time is measured: it is the
wall time of a machine with nothing else to do, whatever else runs now.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from napari_eldyn.density import DensityTrajectory, LogNormalisation, PeriodicGrid
from napari_eldyn.emulator import Emulator, Rollout, describe_device, resolve_device
from napari_eldyn.emulator.config import DenoiserConfig, PooledConfig, SpatialConfig
from napari_eldyn.emulator.networks import build_networks
from napari_eldyn.emulator.samplers import ddpm
from napari_eldyn.emulator.spatial_autoencoder import PeriodicConvolution

EDGE = 8.66  # Å
SAMPLERS = {
    "pooled": (("ddpm", 1000), ("ddpm", 100), ("ddim", 100), ("ddim", 20), ("dpmpp_2m", 8)),
    "spatial": (("heun", 8), ("dpmpp_2m", 8), ("dpmpp_2m", 4)),
}
CUBE = ((EDGE, 0.0, 0.0), (0.0, EDGE, 0.0), (0.0, 0.0, EDGE))
NORMALISATION = LogNormalisation(mean=-2.91, std=0.27, rate_std=0.04)


def random_emulator(points: int, device: str, family: str = "pooled") -> Emulator:
    torch.manual_seed(0)
    common = {"grid_shape": (points,) * 3, "cell": CUBE, "timestep_fs": 4.0}
    config = (
        PooledConfig(**common, denoiser=DenoiserConfig(output="velocity"))
        if family == "pooled"
        else SpatialConfig(**common)
    )
    networks = build_networks(config)
    with torch.no_grad():
        # What starts at zero would hide differences of rounding.
        for parameter in networks.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return Emulator(networks, config, NORMALISATION, device=device)


def start(shape: tuple[int, int, int]) -> DensityTrajectory:
    """White noise on a grid whose shortest axis spans the cube."""
    rng = np.random.default_rng(0)
    densities = np.exp(-2.91 + 0.27 * rng.normal(size=(3, *shape)))
    grid = PeriodicGrid(np.diag([EDGE * n / min(shape) for n in shape]), shape)
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
    for family, points, shape in (
        ("pooled", 48, (48, 48, 48)),
        ("pooled", 32, (32, 32, 32)),
        ("spatial", 32, (32, 32, 32)),
        ("spatial", 32, (32, 32, 64)),
    ):
        model, trajectory = random_emulator(points, device, family), start(shape)
        for sampler, evaluations in SAMPLERS[family]:
            rollout = Rollout(model, trajectory, 2, sampler, evaluations)

            def generate(rollout: Rollout = rollout) -> None:
                rollout.advance(1)

            def show(rollout: Rollout = rollout) -> None:
                rollout.advance(1)
                rollout[-1]

            name = f"{family} {'×'.join(map(str, shape))}"
            rows.append((name, f"{sampler} {evaluations}", seconds(generate), seconds(show)))
    baseline = rows[0][3]
    print(
        f"{'family, grid':<18}{'sampler':<12}{'latents only':>20}{'with decoding':>20}{'ratio':>10}"
    )
    for name, sampler, generating, showing in rows:
        print(
            f"{name:<18}{sampler:<12}{1 / generating:>12.1f} frames/s"
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


@contextmanager
def plain_convolutions() -> Iterator[None]:
    """Let convolutions take torch's own choice of kernel."""
    ours = PeriodicConvolution.forward
    PeriodicConvolution.forward = torch.nn.Conv3d.forward  # type: ignore[method-assign]
    yield
    PeriodicConvolution.forward = ours  # type: ignore[method-assign]


def bench_spatial_parts(device: str, seconds: Stopwatch) -> None:
    networks = random_emulator(32, device, "spatial").networks
    z = torch.randn(1, 2, 8, 8, 8, device=device)
    noise = torch.randn(9, *z.shape, device=device)
    state = torch.randn(1, 2, 32, 32, 32, device=device)
    parts: dict[str, Callable[[], torch.Tensor]] = {
        "step, heun 8": lambda: networks.sample("heun", z, noise),
        "decoder": lambda: networks.decode(z),
        "encoder": lambda: networks.encode(state),
    }
    with torch.inference_mode():
        for name, part in parts.items():
            with plain_convolutions():
                plain, expected = seconds(lambda p=part: p().cpu()), part()
                with torch.autocast(z.device.type, torch.bfloat16):
                    short, rounded = seconds(lambda p=part: p().cpu()), part()
            ours = seconds(lambda p=part: p().cpu())
            for kind, took, found in (
                ("torch's choice of kernel", plain, expected),
                ("as shipped", ours, part()),
                ("bfloat16 (not shipped)", short, rounded),
            ):
                error = ((found - expected).abs().max() / expected.std()).item()
                print(
                    f"spatial 32³ {name:<13}{kind:<26}{1e3 * took:8.2f} ms {plain / took:7.2f} × "
                    f"as fast as torch's choice, largest difference {error:.1e} of the spread"
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
    bench_spatial_parts(device, stopwatch)


if __name__ == "__main__":
    main()
