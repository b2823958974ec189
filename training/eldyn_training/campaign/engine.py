"""Where a campaign runs: processes on this machine, or jobs of Slurm or PBS, as a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from napari_eldyn.config import StrictModel, parse_config
from napari_eldyn.exceptions import EldynError

__all__ = [
    "BatchEngine",
    "Engine",
    "LocalEngine",
    "PbsEngine",
    "SlurmEngine",
    "load_engine",
    "whole_values",
]

PositiveInt = Annotated[int, Field(ge=1)]


class _Engine(StrictModel):
    """What all engines share."""

    ranks: PositiveInt = 1
    """MPI processes of each trajectory. One is the cheapest per frame; more make a single
    trajectory faster."""
    mpi_command: str = "mpiexec -n {ranks} gpaw python"
    """Starts Python on all ranks of a trajectory, if there are several."""
    worker_init: str = ""
    """Shell lines run before the workers start, such as ``module load`` or the activation of an
    environment."""

    @field_validator("mpi_command")
    @classmethod
    def _names_the_ranks(cls, value: str) -> str:
        try:
            value.format(ranks=2)
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError("may hold no other braces than {ranks}") from error
        if "{ranks}" not in value:
            raise ValueError("must hold {ranks}, in whose place the number of ranks is put")
        return value


class LocalEngine(_Engine):
    """Processes on this machine."""

    scheduler: Literal["local"] = "local"
    workers: PositiveInt | None = None
    """Trajectories at a time; without it, one for each core."""


class BatchEngine(_Engine):
    """Jobs of a batch system; each job, a *block*, holds nodes and runs trajectories on them."""

    cores_per_node: PositiveInt
    """A node runs cores_per_node / ranks trajectories at a time."""
    nodes_per_block: PositiveInt = 1
    """With more than one, a trajectory may have more ranks than a node has cores."""
    max_blocks: PositiveInt = 1
    """Jobs at a time; as many are submitted as there are trajectories for."""
    walltime: str = "24:00:00"
    """Of a job, as HH:MM:SS. Trajectories that it ends go on in the next job."""
    scheduler_options: tuple[str, ...] = ()
    """Further lines of the submit script, each with its ``#SBATCH`` or ``#PBS``."""
    python: str = "python3"
    """The interpreter on the nodes, after worker_init; it needs this package and Parsl in the
    same versions as here."""
    address: str | None = None
    """This machine's IP address as the nodes see it; by default that of its host name."""

    @field_validator("walltime")
    @classmethod
    def _walltime_has_three_parts(cls, value: str) -> str:
        parts = value.split(":")
        if len(parts) != 3 or not all(part.isdecimal() for part in parts):
            raise ValueError(f"'{value}' is not HH:MM:SS")
        if int(parts[1]) > 59 or int(parts[2]) > 59 or not any(map(int, parts)):
            raise ValueError(f"'{value}' is no length of time as HH:MM:SS")
        return value

    @model_validator(mode="after")
    def _ranks_fit(self) -> Self:
        cores = self.cores_per_node * self.nodes_per_block
        if self.ranks > cores:
            raise ValueError(f"ranks = {self.ranks} do not fit on the {cores} cores of a block")
        return self

    @property
    def spans_nodes(self) -> bool:
        """Whether one trajectory fills a block of several nodes."""
        return self.ranks > self.cores_per_node

    @property
    def trajectories_per_node(self) -> int:
        """How many run at a time on a node, or, if one spans nodes, in a block."""
        return 1 if self.spans_nodes else self.cores_per_node // self.ranks


class SlurmEngine(BatchEngine):
    """Jobs of Slurm."""

    scheduler: Literal["slurm"]
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    memory_per_node: PositiveInt | None = None
    """GB."""
    exclusive: bool = False
    """Ask for nodes shared with nobody."""

    @field_validator("scheduler_options")
    @classmethod
    def _are_slurm_lines(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _directives(value, "#SBATCH")


class PbsEngine(BatchEngine):
    """Jobs of PBS Pro or OpenPBS."""

    scheduler: Literal["pbs"]
    queue: str | None = None
    account: str | None = None
    select_options: str = ""
    """Appended to ``-l select=…``, such as ``mem=64gb``."""

    @field_validator("scheduler_options")
    @classmethod
    def _are_pbs_lines(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _directives(value, "#PBS")


Engine = LocalEngine | SlurmEngine | PbsEngine

_ENGINES: dict[str, type[LocalEngine] | type[SlurmEngine] | type[PbsEngine]] = {
    "local": LocalEngine,
    "slurm": SlurmEngine,
    "pbs": PbsEngine,
}


def load_engine(path: str | Path) -> Engine:
    """Read an engine file.

    Raises
    ------
    EldynError
        If it cannot be read, is not TOML, names no known scheduler, or a key is unknown or of a
        wrong type.
    """
    values = whole_values(Path(path))
    scheduler = values.get("scheduler", "local")
    if not isinstance(scheduler, str) or scheduler not in _ENGINES:
        raise EldynError(
            f"scheduler = {scheduler!r} is not one of {', '.join(_ENGINES)}", path=path
        )
    return parse_config(_ENGINES[scheduler], values, path=path)


def whole_values(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    EldynError
        If it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EldynError("no such file", path=path) from None
    except OSError as error:
        raise EldynError(f"cannot read: {error.strerror or error}", path=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EldynError(f"not a TOML file ({error})", path=path) from error


def _directives(lines: tuple[str, ...], start: str) -> tuple[str, ...]:
    for line in lines:
        if not line.startswith(start + " ") or "\n" in line:
            raise ValueError(f"'{line}' is no line that starts with '{start} '")
    return lines
