"""Quality of samplers against evaluations: python tests/benchmarks/bench_samplers.py.

First where the denoiser is known exactly, so that all error is the sampler's: a normal
distribution of the next frame's latent, of standard deviation s in units of the data's. Errors
are Wasserstein-2 distances of what comes out, in units of s; spreads are standard deviations over
s. Then with the pooled sample model: the error of each number against the flow solved with
ddim 1000 from the same noise, in units of the ensemble's spread. Ratios are to ddim with 20
evaluations, or to heun with 8 where there is no ddim, in the same table.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator
from napari_eldyn.emulator.config import DiffusionConfig, ScheduleConfig
from napari_eldyn.emulator.samplers import SOLVERS, VP_SAMPLERS, Denoise, Denoiser, solve
from napari_eldyn.emulator.schedule import linear_schedule

SAMPLES = Path(__file__).parents[2] / "sample_data"
SCHEDULE = linear_schedule(ScheduleConfig())
MEAN = 0.8
SPREADS = (1.0, 0.5, 0.2)
POOLED = (
    *(("ddpm", n) for n in (20, 100, 1000)),
    *(("ddim", n) for n in (4, 8, 20, 100)),
    *(("dpmpp_2m", n) for n in (4, 6, 8, 12, 20)),
    *(("heun", n) for n in (4, 6, 8, 12, 20)),
)
LEVELS = (
    DiffusionConfig(sigma_min=0.02, sigma_max=20.0, rho=7.0),
    DiffusionConfig(sigma_min=0.03, sigma_max=20.0, rho=30.0),
    DiffusionConfig(sigma_min=0.15, sigma_max=5.0, rho=4.0),
)


def normal(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Noise whose mean is exactly 0 and whose standard deviation is exactly 1."""
    half = torch.randn(
        shape[0] // 2,
        *shape[1:],
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(seed),
    )
    both = torch.cat([half, -half])
    return both / both.square().mean(dim=0).sqrt()


def best_noise(std: float) -> Denoiser:
    """Noise predicted best for z ~ N(MEAN, std²)."""
    signal = SCHEDULE.alphas_cumprod

    def predict(z: Tensor, t: Tensor, _condition: Tensor) -> Tensor:
        share = float(signal[t[0]])
        return math.sqrt(1 - share) * (z - math.sqrt(share) * MEAN) / (share * std**2 + 1 - share)

    return predict


def best_clean(std: float) -> Denoise:
    """Clean sample expected for x ~ N(MEAN, std²) plus noise."""
    return lambda x, sigma: MEAN + std**2 / (std**2 + sigma**2) * (x - MEAN)


def distance(samples: Tensor, std: float) -> tuple[float, float]:
    """Wasserstein-2 distance of two normal distributions over std, and the spread over std."""
    spread = float(samples.std(correction=0)) / std
    return math.hypot(float(samples.mean() - MEAN) / std, spread - 1.0), spread


def header(first: str, baseline: str) -> None:
    columns = "".join(f"   s = {std:<4g} error  spread" for std in SPREADS)
    print(f"{first:<24}{columns}     worst over {baseline}")


def rows(results: dict[str, list[tuple[float, float]]], baseline: str) -> None:
    reference = max(error for error, _ in results[baseline])
    for name, values in results.items():
        cells = "".join(f"{error:>17.3f}{spread:>8.3f}" for error, spread in values)
        print(f"{name:<24}{cells}{max(error for error, _ in values) / reference:>13.2f} ×")


def bench_pooled_exactly() -> None:
    print("\nDiscrete schedule of the pooled family, exact denoiser")
    header("sampler", "ddim 20")
    results: dict[str, list[tuple[float, float]]] = {}
    for name, evaluations in POOLED:
        for std in SPREADS:
            start = normal((4000, 1))
            draws = [start] + [normal((4000, 1), 1 + k) for k in range(evaluations)]
            noise = torch.stack(draws) if name == "ddpm" else start.expand(evaluations + 1, -1, -1)
            z = VP_SAMPLERS[name](best_noise(std), SCHEDULE, start, noise, None)
            results.setdefault(f"{name} {evaluations}", []).append(distance(z, std))
    rows(results, "ddim 20")


def bench_levels_exactly() -> None:
    for diffusion in LEVELS:
        print(
            f"\nLevels {diffusion.sigma_min:g} … {diffusion.sigma_max:g}, ρ = {diffusion.rho:g}, "
            "exact denoiser"
        )
        header("solver", "heun 8")
        results: dict[str, list[tuple[float, float]]] = {}
        for name in SOLVERS:
            for evaluations in (4, 6, 8, 12, 20):
                for std in SPREADS:
                    noise = normal((4000, 1)).expand(evaluations + 1, -1, -1)
                    x = solve(name, best_clean(std), diffusion, noise)
                    results.setdefault(f"{name} {evaluations}", []).append(distance(x, std))
        rows(results, "heun 8")


def bench_sample_model(members: int) -> None:
    print("\nPooled sample model, one step from 4 frames")
    model = Emulator.load(SAMPLES / "models" / "pooled_li32.safetensors")
    trajectory = DensityTrajectory.open(SAMPLES / "li32_800K.eldyn")
    frames = np.linspace(2, len(trajectory) - 1, 4).astype(int).tolist()
    latents = np.repeat([model.encode(trajectory, frame) for frame in frames], members, axis=0)
    start = np.random.default_rng(0).standard_normal((1, *latents.shape), dtype=np.float32)

    def ensembles(name: str, evaluations: int) -> np.ndarray:
        draws = np.broadcast_to(start, (evaluations + 1, *latents.shape))
        return model.step(latents, draws, name).reshape(len(frames), members, -1)

    exact = ensembles("ddim", 1000)
    spread = float(np.sqrt(exact.var(axis=1).mean()))
    results = {}
    for name, evaluations in (row for row in POOLED if row[0] != "ddpm"):
        found = ensembles(name, evaluations)
        error = float(np.sqrt(np.mean((found - exact) ** 2))) / spread
        ratio = float(found.std(axis=1).mean() / exact.std(axis=1).mean())
        draws = np.broadcast_to(start[:, :1], (evaluations + 1, 1, latents.shape[1]))
        cost = best_time(lambda d=draws, n=name: model.step(latents[:1], d, n))
        results[f"{name} {evaluations}"] = error, ratio, cost
    base_error, _, base_cost = results["ddim 20"]
    over = f"{'over ddim 20':>16}"
    print(f"{'sampler':<16}{'error':>8}{over}{'spread':>10}{'ms':>9}{over}")
    for name, (error, ratio, cost) in results.items():
        print(
            f"{name:<16}{error:>8.3f}{error / base_error:>14.2f} ×{ratio:>10.3f}"
            f"{1e3 * cost:>9.2f}{cost / base_cost:>14.2f} ×"
        )


def best_time(action: Callable[[], object], repeats: int = 5) -> float:
    """Best processor time of a few."""
    action()
    times = []
    for _ in range(repeats):
        before = time.process_time()
        action()
        times.append(time.process_time() - before)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=64, help="of each ensemble")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench_pooled_exactly()
    bench_levels_exactly()
    bench_sample_model(options.members)


if __name__ == "__main__":
    main()
