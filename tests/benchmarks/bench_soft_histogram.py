"""Time and memory of the soft histogram against the naive kernel matrix, forward and backward.

Run: python tests/benchmarks/bench_soft_histogram.py [--grid 48] [--bins 128] [--repeats 5]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time

import torch
from torch import Tensor

from napari_eldyn.emulator.soft_histogram import soft_histogram


def naive_soft_histogram(values: Tensor, centres: Tensor, width: float) -> Tensor:
    """(S13) as it is written."""
    clipped = values.clamp(float(centres[0]), float(centres[-1]))
    kernel = torch.exp(-((clipped[:, :, None] - centres) ** 2) / (2 * width**2))
    counts = kernel.sum(dim=1)
    return counts / counts.sum(dim=1, keepdim=True)


FORMS = {"naive": naive_soft_histogram, "linear": soft_histogram}


def problem(grid: int, bins: int) -> tuple[Tensor, Tensor, float]:
    """One frame of normal values, bins over ±4, kernels one bin wide."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(1, grid**3, generator=generator)
    return values, torch.linspace(-4.0, 4.0, bins), 8.0 / (bins - 1)


def measure(form: str, grid: int, bins: int, repeats: int) -> tuple[float, float, float]:
    """Return forward and backward time [ms, best of `repeats`] and peak memory [MB] beyond start.

    Called in a process of its own, so that the peak is this form's.
    """
    torch.set_num_threads(1)
    values, centres, width = problem(grid, bins)
    warm = torch.randn(1, 64, requires_grad=True)
    FORMS[form](warm, centres, width).square().sum().backward()
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(repeats):
        leaf = values.clone().requires_grad_()
        begin = time.perf_counter()
        probabilities = FORMS[form](leaf, centres, width)
        middle = time.perf_counter()
        probabilities.square().sum().backward()
        times.append((middle - begin, time.perf_counter() - middle))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    forward, backward = (1e3 * min(column) for column in zip(*times, strict=True))
    return forward, backward, (peak - start) / 1024


def main() -> None:
    """Print both forms, their ratio, and the error of the linear one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=int, default=48, help="points per edge")
    parser.add_argument("--bins", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    results = {}
    print(f"{options.grid}³ values, {options.bins} bins, one thread, best of {options.repeats}")
    for form in FORMS:
        with context.Pool(1) as pool:
            arguments = (form, options.grid, options.bins, options.repeats)
            results[form] = pool.apply(measure, arguments)
        forward, backward, memory = results[form]
        print(f"{form:8s} forward {forward:8.2f} ms  backward {backward:8.2f} ms  "
              f"memory {memory:7.1f} MB")  # fmt: skip
    naive, linear = results["naive"], results["linear"]
    print(
        f"naive / linear: forward {naive[0] / linear[0]:.0f}×, backward "
        f"{naive[1] / linear[1]:.0f}×, memory {naive[2] / max(linear[2], 0.1):.0f}×"
    )
    values, centres, width = problem(options.grid, options.bins)
    exact = naive_soft_histogram(values.double(), centres.double(), width)
    error = (soft_histogram(values, centres, width).double() - exact).abs().max() / exact.max()
    print(f"largest error of linear: {error:.1e} of the peak")


if __name__ == "__main__":
    main()
