"""Several processes training one model, as ``torchrun`` starts them; one process without it.

Every process draws the random numbers of the whole batch and works on its share, so that the
number of processes changes results by rounding only. Control messages go over the CPU (gloo),
gradients over NCCL where there are GPUs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from napari_eldyn.emulator.device import resolve_device
from napari_eldyn.exceptions import EldynError

__all__ = ["Processes", "join_processes"]


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them.

    Attributes
    ----------
    rank : int
        This process's number; process 0 writes files and messages.
    count : int
        How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def share(self, total: int) -> slice:
        """Return this process's part of a batch that the processes divide evenly."""
        size = total // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def check_divides(self, total: int, key: str) -> None:
        """Refuse a batch that the processes cannot divide evenly.

        Raises
        ------
        EldynError
            Naming the recipe's key.
        """
        if total % self.count:
            raise EldynError(
                f"{key} = {total} cannot be divided evenly among {self.count} processes",
                remedy=f"Choose a multiple of {self.count}, or another number of processes "
                "(torchrun --nproc-per-node).",
            )

    def gather(self, part: Tensor) -> Tensor:
        """Return the parts of all processes one after the other, without gradient."""
        part = part.detach()
        if self.count == 1:
            return part
        parts = [torch.empty_like(part) for _ in range(self.count)]
        dist.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over processes, with gradient."""
        if self.count == 1:
            return values
        total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
        return total

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over processes, without gradient."""
        if self.count == 1:
            return values.detach()
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.count

    def largest(self, number: int) -> int:
        """Return the largest of the numbers that the processes give."""
        if self.count == 1:
            return number
        value = torch.tensor(number)
        dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return int(value)

    def parallel(self, module: nn.Module) -> nn.Module:
        """Return a module whose gradients are averaged over processes as they come."""
        if self.count == 1:
            return module
        return nn.parallel.DistributedDataParallel(module)

    def copy_first(self, module: nn.Module) -> None:
        """Give all processes the first one's weights and buffers."""
        if self.count > 1:
            for value in module.state_dict().values():
                dist.broadcast(value, src=0)

    def first(self, work: Callable[[], Any]) -> Any:
        """Let the first process work and give all its result, or its error.

        Parameters
        ----------
        work : callable
            Returns what JSON can hold.

        Raises
        ------
        EldynError
            In every process, if the first raises it: none is left waiting.
        """
        if self.count == 1:
            return work()
        if not self.is_first:
            message = json.loads(_receive())
            if "problem" in message:
                raise EldynError(message["problem"], path=message["path"], remedy=message["remedy"])
            return message["result"]
        try:
            result = work()
        except EldynError as error:
            path = None if error.path is None else str(error.path)
            _send(json.dumps({"problem": error.problem, "path": path, "remedy": error.remedy}))
            raise
        _send(json.dumps({"result": result}))
        return result


class _Sum(torch.autograd.Function):
    """Sum over processes; each process's result depends on all, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def _send(text: str) -> None:
    content = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
    dist.broadcast(torch.tensor(len(content)), src=0)
    dist.broadcast(content, src=0)


def _receive() -> str:
    length = torch.tensor(0)
    dist.broadcast(length, src=0)
    content = torch.empty(int(length), dtype=torch.uint8)
    dist.broadcast(content, src=0)
    return content.numpy().tobytes().decode()


@contextmanager
def join_processes(device: str = "auto") -> Iterator[tuple[Processes, torch.device]]:
    """Find the other processes of this run, and this process's device.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda``, … With several processes, ``auto`` and ``cuda`` are one GPU
        for each.

    Raises
    ------
    EldynError
        If there is no such device, or not one for each process.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or "RANK" not in os.environ:
        yield Processes(), resolve_device(device)
        return
    target = _device_of_process(device)
    if target.type == "cuda":
        torch.cuda.set_device(target)
    dist.init_process_group("cpu:gloo,cuda:nccl" if target.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size()), target
    finally:
        dist.destroy_process_group()


def _device_of_process(name: str) -> torch.device:
    first = resolve_device(name)
    if first.type == "cpu":
        return first
    if first.type != "cuda" or (name != "auto" and ":" in name):
        raise EldynError(
            f"several processes cannot share the device '{name}'",
            remedy="Use --device cuda, one GPU for each process, or --device cpu.",
        )
    index, available = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if index >= available:
        raise EldynError(
            f"this machine has {available} GPUs for {os.environ.get('LOCAL_WORLD_SIZE')} processes",
            remedy=f"Start torchrun with --nproc-per-node {available}, or use --device cpu.",
        )
    return torch.device("cuda", index)
