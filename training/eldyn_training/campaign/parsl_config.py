"""Parsl's configuration for an engine, with all its files below one directory."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eldyn_training.campaign.engine import (
    BatchEngine,
    Engine,
    LocalEngine,
    PbsEngine,
    SlurmEngine,
)
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from parsl.config import Config
    from parsl.executors.status_handling import BlockProviderExecutor
    from parsl.jobs.states import JobStatus
    from parsl.launchers.base import Launcher
    from parsl.providers.base import ExecutionProvider

__all__ = ["TOKEN", "check_available", "local_workers", "parsl_config"]

TOKEN: Final = "ELDYN_CAMPAIGN"
"""Environment variable that all processes of a campaign carry."""

_LABEL = "trajectories"
_BLOCKS_IN_VAIN = 3
"""Blocks in a row whose workers never reported before the campaign gives up."""

_SUBMIT_COMMANDS = {"slurm": "sbatch", "pbs": "qsub"}


def check_available(engine: Engine) -> None:
    """Check that Parsl and the engine's commands are there.

    Raises
    ------
    EldynError
        If something is missing.
    """
    try:
        import parsl  # noqa: F401
    except ImportError as error:
        raise EldynError(
            "campaigns need Parsl, which is not installed",
            remedy="Install the training extra: pip install 'napari-eldyn[training]'.",
        ) from error
    command = _SUBMIT_COMMANDS.get(engine.scheduler)
    if command is not None and shutil.which(command) is None:
        raise EldynError(
            f'the engine is "{engine.scheduler}", but there is no command {command} here',
            remedy="Run the campaign on a login node of the cluster.",
        )
    if isinstance(engine, LocalEngine) and engine.ranks > 1:
        program = shlex.split(engine.mpi_command)[0]
        if shutil.which(program) is None:
            raise EldynError(
                f"ranks = {engine.ranks} need {program}, which is not here",
                remedy="Install an MPI (such as openmpi-bin), or use ranks = 1.",
            )


def local_workers(engine: LocalEngine, trajectories: int) -> int:
    """Return how many trajectories run at a time on this machine."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return min(engine.workers or max(1, cores // engine.ranks), max(1, trajectories))


def parsl_config(
    engine: Engine,
    *,
    trajectories: int,
    run_dir: Path,
    token: str,
    retries: int,
    retry_handler: Callable[[Exception, Mapping[str, Any]], float],
) -> Config:
    """Return what Parsl needs to run a campaign.

    Parameters
    ----------
    engine : Engine
        Where to run.
    trajectories : int
        How many there are to run.
    run_dir : Path
        For Parsl's logs and scripts.
    token : str
        Value of the environment variable `TOKEN` in all workers.
    retries : int
        Cost that the failures of a trajectory may have together.
    retry_handler : callable
        Of an exception and Parsl's task record, returns the cost of a failure.

    Raises
    ------
    EldynError
        If the path has characters that Parsl's scripts do not quote, or this machine's address
        as the nodes see it is unknown.
    """
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor

    run_dir = run_dir.absolute()
    if shlex.quote(str(run_dir)) != str(run_dir):
        raise EldynError(
            "Parsl cannot work in a path with spaces or special characters",
            path=run_dir,
            remedy="Choose another directory for the campaign.",
        )
    if isinstance(engine, LocalEngine):
        workers = local_workers(engine, trajectories)
        python, address, heartbeat, patience = sys.executable, "127.0.0.1", 2, 20
    else:
        workers = engine.trajectories_per_node
        python, address, heartbeat, patience = engine.python, _address(engine), 30, 120
    executor = HighThroughputExecutor(
        label=_LABEL,
        provider=_provider(engine, token),
        launch_cmd=_worker_pool(python),
        # The scripts' names are found on PATH only in an activated environment.
        interchange_launch_cmd=[
            sys.executable,
            "-m",
            "eldyn_training.campaign.orphans",
            "interchange",
        ],
        address=address,
        max_workers_per_node=workers,
        # max_workers_per_node decides; more workers than cores are the user's choice.
        cores_per_worker=1e-6,
        heartbeat_period=heartbeat,
        heartbeat_threshold=patience,
        block_error_handler=_give_up_on_blocks_in_vain,
    )
    return Config(
        executors=[executor],
        run_dir=str(run_dir),
        retries=retries,
        retry_handler=retry_handler,
        strategy="simple" if isinstance(engine, LocalEngine) else "htex_auto_scale",
        usage_tracking=0,
        initialize_logging=False,
    )


def _worker_pool(python: str) -> str:
    from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD

    script, arguments = DEFAULT_LAUNCH_CMD.split(" ", 1)
    module = f"parsl.executors.high_throughput.{script.removesuffix('.py')}"
    return f"{shlex.quote(python)} -m {module} {arguments}"


def _address(engine: BatchEngine) -> str:
    if engine.address is not None:
        return engine.address
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        address = "127.0.0.1"
    if address.startswith("127."):
        raise EldynError(
            "this machine's host name does not tell its address in the cluster's network",
            remedy='Give it in the engine file, as in address = "10.0.0.1".',
        )
    return address


def _provider(engine: Engine, token: str) -> ExecutionProvider:
    from parsl.providers import LocalProvider, PBSProProvider, SlurmProvider

    worker_init = "\n".join(
        [
            # One thread for each rank: many trajectories use the cores better than many threads.
            *(f"export {name}_NUM_THREADS=1" for name in ("OMP", "OPENBLAS", "MKL")),
            f"export {TOKEN}={token}",
            engine.worker_init,
        ]
    )
    if isinstance(engine, LocalEngine):
        return LocalProvider(init_blocks=1, max_blocks=1, worker_init=worker_init)
    blocks: dict[str, Any] = {
        "nodes_per_block": engine.nodes_per_block,
        "init_blocks": 1,
        "max_blocks": engine.max_blocks,
        "walltime": engine.walltime,
        "worker_init": worker_init,
        "scheduler_options": "\n".join(engine.scheduler_options),
        "launcher": _launcher(engine),
        "cmd_timeout": 120,
    }
    if isinstance(engine, SlurmEngine):
        return SlurmProvider(
            partition=engine.partition,
            account=engine.account,
            qos=engine.qos,
            constraint=engine.constraint,
            cores_per_node=engine.cores_per_node,
            mem_per_node=engine.memory_per_node,
            exclusive=engine.exclusive,
            **blocks,
        )
    assert isinstance(engine, PbsEngine)
    return PBSProProvider(
        queue=engine.queue,
        account=engine.account,
        cpus_per_node=engine.cores_per_node,
        select_options=engine.select_options,
        **blocks,
    )


def _launcher(engine: BatchEngine) -> Launcher:
    """Start one pool of workers on each node, or one in all if a trajectory spans nodes."""
    from parsl.launchers import MpiExecLauncher, SingleNodeLauncher, SrunLauncher

    if engine.nodes_per_block == 1 or engine.spans_nodes:
        return SingleNodeLauncher()
    if isinstance(engine, SlurmEngine):
        # Since Slurm 22.05, srun does not take over --cpus-per-task from the job.
        return SrunLauncher(
            overrides=f"--ntasks-per-node=1 --cpus-per-task={engine.cores_per_node}"
        )
    return MpiExecLauncher()


def _give_up_on_blocks_in_vain(
    executor: BlockProviderExecutor, status: Mapping[str, JobStatus]
) -> None:
    """Fail all tasks if the newest blocks ended before their workers reported.

    Parsl's own handlers also count blocks that worked and then died, which a campaign survives:
    their trajectories are retried.
    """
    from parsl.jobs.error_handlers import windowed_error_handler
    from parsl.jobs.states import JobState

    newest = sorted(status, key=int)[-_BLOCKS_IN_VAIN:]
    in_vain = {
        block: status[block]
        for block in newest
        if status[block].state == JobState.MISSING or block not in executor.blocks_to_job_id
    }
    if len(in_vain) == _BLOCKS_IN_VAIN:
        windowed_error_handler(executor, in_vain, threshold=_BLOCKS_IN_VAIN)
