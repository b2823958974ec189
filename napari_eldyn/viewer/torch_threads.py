"""How torch shares the machine with the window. torch is imported when first asked for."""

from __future__ import annotations

import os

__all__ = ["free_device_memory", "leave_a_core_to_the_window"]


def leave_a_core_to_the_window() -> None:
    """Keep torch from taking every core: a starved window also slows the worker down."""
    import torch

    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 2) - 1)))


def free_device_memory() -> None:
    """Give memory that no tensor uses back to the device."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
