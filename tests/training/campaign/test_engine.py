"""Engine files, and what Parsl makes of them."""

from pathlib import Path
from typing import Any

import pytest
from eldyn_training.campaign.engine import Engine, LocalEngine, load_engine
from eldyn_training.campaign.parsl_config import check_available, local_workers, parsl_config
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import MpiExecLauncher, SingleNodeLauncher, SrunLauncher
from parsl.providers import LocalProvider, PBSProProvider, SlurmProvider
from parsl.providers.errors import SubmitException

from napari_eldyn.exceptions import EldynError

SLURM = """
scheduler = "slurm"
partition = "batch"
account = "chem42"
constraint = "genoa"
cores_per_node = 64
memory_per_node = 200
nodes_per_block = 2
max_blocks = 3
walltime = "12:30:00"
scheduler_options = ["#SBATCH --mail-type=FAIL"]
worker_init = '''
module load gpaw/26.7
source $HOME/eldyn/bin/activate'''
address = "10.1.2.3"
"""

PBS = """
scheduler = "pbs"
queue = "normal"
account = "w35"
cores_per_node = 48
ranks = 8
select_options = "mem=190gb"
walltime = "06:00:00"
scheduler_options = ["#PBS -l storage=scratch/w35"]
worker_init = "module load gpaw"
address = "10.1.2.3"
"""


def engine_of(tmp_path: Path, text: str) -> Engine:
    path = tmp_path / "engine.toml"
    path.write_text(text)
    return load_engine(path)


def config_of(engine: Engine, tmp_path: Path) -> tuple[Config, HighThroughputExecutor]:
    config = parsl_config(
        engine,
        trajectories=100,
        run_dir=tmp_path / "parsl",
        token="t0ken",
        retries=2,
        retry_handler=lambda error, task: 1.0,
    )
    (executor,) = config.executors
    assert isinstance(executor, HighThroughputExecutor)
    return config, executor


def submit_script(executor: HighThroughputExecutor, tmp_path: Path, monkeypatch: Any) -> str:
    """Let Parsl write the script of a block; there is no scheduler to hand it to."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    executor.provider.script_dir = str(scripts)
    executor.run_dir = str(tmp_path)
    executor.logconf_path = None
    executor.worker_port = 54321
    executor.initialize_scaling()
    monkeypatch.setenv("PATH", "/nowhere")
    command = executor.launch_cmd.format(block_id="0")
    with pytest.raises(SubmitException):
        executor.provider.submit(command, 1, "parsl.block")
    (script,) = [path for path in scripts.iterdir() if path.suffix not in (".stdout", ".stderr")]
    return script.read_text()


def test_slurm_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, executor = config_of(engine_of(tmp_path, SLURM), tmp_path)
    provider = executor.provider
    assert isinstance(provider, SlurmProvider)
    assert isinstance(provider.launcher, SrunLauncher)
    assert (provider.nodes_per_block, provider.max_blocks) == (2, 3)
    assert executor.workers_per_node == 64
    assert executor.all_addresses == {"10.1.2.3"}
    assert (config.retries, config.usage_tracking) == (2, 0)
    script = submit_script(executor, tmp_path, monkeypatch)
    lines = script.splitlines()
    for wanted in (
        "#SBATCH --partition=batch",
        "#SBATCH --account=chem42",
        "#SBATCH --constraint=genoa",
        "#SBATCH --nodes=2",
        "#SBATCH --time=750",
        "#SBATCH --ntasks-per-node=1",
        "#SBATCH --cpus-per-task=64",
        "#SBATCH --mem=200g",
        "#SBATCH --mail-type=FAIL",
        "module load gpaw/26.7",
        "source $HOME/eldyn/bin/activate",
        "export OMP_NUM_THREADS=1",
        "export ELDYN_CAMPAIGN=t0ken",
    ):
        assert wanted in lines, f"{wanted} is not in\n{script}"
    assert "#SBATCH --exclusive" not in lines
    # The directives come before the first command, or Slurm would not see them.
    first_command = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    assert max(i for i, line in enumerate(lines) if line.startswith("#SBATCH")) < first_command
    assert lines.index("module load gpaw/26.7") < next(
        i for i, line in enumerate(lines) if "process_worker_pool" in line
    )
    assert "python3 -m parsl.executors.high_throughput.process_worker_pool" in script
    assert "--max_workers_per_node=64" in script
    assert "srun --ntasks 2 -l --ntasks-per-node=1 --cpus-per-task=64" in script


def test_pbs_jobs_with_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, executor = config_of(engine_of(tmp_path, PBS), tmp_path)
    provider = executor.provider
    assert isinstance(provider, PBSProProvider)
    assert (provider.queue, provider.account) == ("normal", "w35")
    assert isinstance(provider.launcher, SingleNodeLauncher)
    assert executor.workers_per_node == 48 // 8
    lines = submit_script(executor, tmp_path, monkeypatch).splitlines()
    for wanted in (
        "#PBS -l walltime=06:00:00",
        "#PBS -l select=1:ncpus=48:mem=190gb",
        "#PBS -l storage=scratch/w35",
        "module load gpaw",
        "export OMP_NUM_THREADS=1",
    ):
        assert wanted in lines


def test_pbs_blocks_of_several_nodes_have_a_pool_on_each(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, PBS + "nodes_per_block = 4\n")
    _, executor = config_of(engine, tmp_path)
    assert isinstance(executor.provider.launcher, MpiExecLauncher)


def test_a_trajectory_over_several_nodes_has_the_block_for_itself(tmp_path: Path) -> None:
    text = SLURM + "ranks = 128\n"
    _, executor = config_of(engine_of(tmp_path, text), tmp_path)
    assert executor.workers_per_node == 1
    assert isinstance(executor.provider.launcher, SingleNodeLauncher)


def test_local_processes(tmp_path: Path) -> None:
    engine = LocalEngine(workers=3, worker_init="module load gpaw")
    config, executor = config_of(engine, tmp_path)
    provider = executor.provider
    assert isinstance(provider, LocalProvider)
    assert executor.workers_per_node == 3
    assert executor.all_addresses == {"127.0.0.1"}
    assert "export OMP_NUM_THREADS=1" in provider.worker_init.splitlines()
    assert "module load gpaw" in provider.worker_init.splitlines()
    assert Path(config.run_dir) == tmp_path / "parsl"
    assert config.usage_tracking == 0
    assert local_workers(engine, trajectories=2) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SLURM.replace("partition", "partitoin"), ["'partitoin'", "did you mean 'partition'"]),
        (PBS.replace("queue", "partition"), ["'partition'"]),
        ('scheduler = "slrum"\n', ["'slrum'", "local, slurm, pbs"]),
        ('scheduler = ["slurm"]\n', ["['slurm']"]),
        (SLURM.replace("12:30:00", "12h"), ["walltime", "HH:MM:SS"]),
        (SLURM.replace("12:30:00", "12:75:00"), ["walltime", "12:75:00"]),
        (SLURM.replace("cores_per_node = 64", ""), ["cores_per_node"]),
        (SLURM.replace("#SBATCH --mail", "--mail"), ["scheduler_options", "'#SBATCH '"]),
        (SLURM + "ranks = 129\n", ["129", "128 cores"]),
        (SLURM + 'mpi_command = "srun gpaw python"\n', ["mpi_command", "{ranks}"]),
        ("workers = 0\n", ["workers"]),
        ("workers = \n", ["not a TOML file"]),
    ],
)
def test_wrong_engine_files_are_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(EldynError) as refused:
        engine_of(tmp_path, text)
    for word in (*words, "engine.toml"):
        assert word in str(refused.value)


def test_a_missing_engine_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EldynError, match=r"nowhere\.toml: no such file"):
        load_engine(tmp_path / "nowhere.toml")


def test_a_missing_scheduler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EldynError, match="no command sbatch"):
        check_available(engine_of(tmp_path, SLURM))
    with pytest.raises(EldynError, match="need mpiexec"):
        check_available(LocalEngine(ranks=2))


def test_paths_that_parsl_cannot_handle_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EldynError, match="spaces"):
        config_of(LocalEngine(), tmp_path / "my data")
