from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from liquid import gaussian_liquid

from napari_eldyn.cli import main
from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator, Rollout

Eldyn = Callable[..., tuple[int, str, str]]
COMMAND = Path(sys.executable).with_name("eldyn")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small networks run fastest on one thread, here and in the processes started."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def eldyn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Eldyn:
    """Run the command as the terminal would; returns exit code, output and errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["eldyn", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def options(model_path: Path, liquid_path: Path, tmp_path: Path) -> dict[str, object]:
    return {
        "model": model_path,
        "start": liquid_path,
        "frame": 4,
        "frames": 11,
        "sampler": "ddim",
        "evaluations": 5,
        "seed": 3,
        "device": "cpu",
        "out": tmp_path / "r.eldyn",
    }


def arguments(options: dict[str, object], **changes: object) -> list[str]:
    merged = {**options, **changes}
    return ["rollout", *(str(x) for key, value in merged.items() for x in (f"--{key}", value))]


def test_frames_are_those_of_the_library(
    eldyn: Eldyn, options: dict[str, object], model_path: Path, liquid_path: Path, tmp_path: Path
) -> None:
    code, out, err = eldyn(*arguments(options))
    assert code == 0, err
    assert "r.eldyn: 11 frames, 4 fs apart, from 120 fs to 160 fs" in out
    assert "model   random, step 4 fs, on cpu (" in err
    assert "frame 4 of liquid.eldyn at 116 fs, rate by backward difference of second order" in err
    assert "11/11" in err
    expected = Rollout(
        Emulator.load(model_path), DensityTrajectory.open(liquid_path), 4, "ddim", 5, 3
    )
    expected.advance(11)
    stored = DensityTrajectory.open(tmp_path / "r.eldyn")
    np.testing.assert_array_equal(stored.times, expected.times)
    np.testing.assert_array_equal(stored.extra["latents"][:], expected.latents)
    np.testing.assert_allclose(stored[10], expected[10], rtol=2e-4)
    assert stored.provenance == expected.provenance
    assert stored.kind == "pseudo"
    code, out, err = eldyn("info", tmp_path / "r.eldyn")
    assert code == 0, err
    assert "ddim" in out


def test_ctrl_c_keeps_the_frames_and_resume_makes_the_same_ones(
    eldyn: Eldyn, options: dict[str, object], model_path: Path, liquid_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.eldyn"
    slow = {**options, "sampler": "ddpm", "evaluations": 1000, "frames": 24}
    process = subprocess.Popen([COMMAND, *arguments(slow)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "zarr.json").exists():
        assert process.poll() is None, process.stderr
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    kept = DensityTrajectory.open(out)
    assert 8 <= len(kept) < 24
    assert f"{len(kept)} of 24 frames are kept in {out}; the same command with --resume" in err
    code, _, err = eldyn(*arguments(slow), "--resume")
    assert code == 0, err
    resumed = DensityTrajectory.open(out)
    whole = Rollout(
        Emulator.load(model_path), DensityTrajectory.open(liquid_path), 4, "ddpm", seed=3
    )
    whole.advance(24)
    np.testing.assert_array_equal(resumed.extra["latents"][:], whole.latents)
    np.testing.assert_allclose(resumed[23], whole[23], rtol=2e-4)


def test_a_spatial_model_in_a_doubled_cell(
    eldyn: Eldyn, spatial_model_path: Path, liquid_path: Path, tmp_path: Path
) -> None:
    double, out = tmp_path / "double.eldyn", tmp_path / "r.eldyn"
    code, _, err = eldyn("convert", liquid_path, double, "--repeat", 1, 1, 2)
    assert code == 0, err
    options = {"model": spatial_model_path, "start": double, "frame": 4, "out": out, "frames": 9}
    code, text, err = eldyn(*arguments(options, device="cpu", evaluations=3))
    assert code == 0, err
    assert "sampler dpmpp_2m, 3 evaluations per frame, seed 0" in err
    assert (
        "cell    16×16×32 points in a cell of 5.00 × 5.00 × 10.00 Å; the model was trained on "
        "16×16×16 points in a cell of 5.00 × 5.00 × 5.00 Å" in err
    )
    # Sampler and evaluations left out are those of the file.
    code, text, err = eldyn(*arguments(options, device="cpu", frames=12), "--resume")
    assert code == 0, err
    assert "12 frames" in text
    stored = DensityTrajectory.open(out)
    expected = Rollout(
        Emulator.load(spatial_model_path), DensityTrajectory.open(double), 4, "dpmpp_2m", 3
    )
    expected.advance(12)
    np.testing.assert_array_equal(stored.extra["latents"][:], expected.latents)
    np.testing.assert_allclose(stored[11], expected[11], rtol=2e-4)
    assert stored.grid.shape == (16, 16, 32)
    assert len(stored.numbers) == 16  # type: ignore[arg-type]
    code, _, err = eldyn(*arguments(options, sampler="ddim"), "--overwrite")
    assert code == 1
    assert "samples with heun, dpmpp_2m, not with ddim" in err
    code, text, err = eldyn("info", out)
    assert code == 0, err
    assert "2 × 4 × 4 × 8 per frame" in text
    assert "start_latent" in text
    assert "array of 2 × 4 × 4 × 8, float32" in text


def test_resume_needs_the_same_options(eldyn: Eldyn, options: dict[str, object]) -> None:
    assert eldyn(*arguments(options))[0] == 0
    code, _, err = eldyn(*arguments(options, seed=4, frame=5), "--resume")
    assert code == 1
    assert "--seed 4 (it has 3), --frame 5 (it has 4)" in err
    code, out, err = eldyn(*arguments(options, frames=13), "--resume")
    assert code == 0, err
    assert "13 frames" in out
    code, out, err = eldyn(*arguments(options, frames=2), "--resume")
    assert code == 0, err
    assert "13 frames" in out


def test_a_file_that_exists_is_kept_unless_told(
    eldyn: Eldyn, options: dict[str, object], tmp_path: Path
) -> None:
    assert eldyn(*arguments(options))[0] == 0
    code, _, err = eldyn(*arguments(options, frames=2))
    assert code == 1
    assert "exists already. Continue it with --resume, replace it with --overwrite" in err
    assert len(DensityTrajectory.open(tmp_path / "r.eldyn")) == 11
    assert eldyn(*arguments(options, frames=2), "--resume", "--overwrite")[0] == 1
    assert eldyn(*arguments(options, frames=2), "--overwrite")[0] == 0
    assert len(DensityTrajectory.open(tmp_path / "r.eldyn")) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "cuda:99"}, "device 'cuda:99' is not available"),
        ({"sampler": "dpm"}, "there is no sampler 'dpm'"),
        ({"evaluations": 2000}, "Choose 1 to 1000"),
        ({"frame": 12}, "no frame 12: the trajectory has 12 frames"),
        ({"seed": -1}, "seed -1"),
        ({"model": "absent.safetensors"}, "the model cannot be read: No such file"),
        ({"start": "absent.eldyn"}, "absent.eldyn"),
        ({"out": "r.zarr"}, "ends in .eldyn"),
        ({"out": "absent/r.eldyn"}, "the folder absent does not exist"),
    ],
)
def test_impossible_options_end_in_one_line(
    changes: dict[str, object],
    message: str,
    eldyn: Eldyn,
    options: dict[str, object],
    tmp_path: Path,
) -> None:
    code, _, err = eldyn(*arguments(options, **changes))
    assert code == 1
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_broken_inputs_end_in_one_line(
    eldyn: Eldyn, options: dict[str, object], model_path: Path, tmp_path: Path
) -> None:
    model = tmp_path / "m.safetensors"
    torch.save({"weight": torch.zeros(3)}, model)
    assert "it may hold pickled code" in eldyn(*arguments(options, model=model))[2]
    model.write_bytes(model_path.read_bytes()[:5000])
    assert "m.safetensors: the file is damaged" in eldyn(*arguments(options, model=model))[2]
    start = tmp_path / "start.eldyn"
    gaussian_liquid(6, points=8).save(start)
    assert "--grid 16 16 16" in eldyn(*arguments(options, start=start))[2]
    assert not (tmp_path / "r.eldyn").exists()


def test_nan_in_the_start_frame_is_named(
    eldyn: Eldyn, options: dict[str, object], tmp_path: Path
) -> None:
    liquid = gaussian_liquid(6)
    lnrho = np.log(np.stack(list(liquid)))
    low, high = float(lnrho.min()), float(lnrho.max())
    chunk = {
        "lnrho": np.rint((lnrho - low) / (high - low) * 65535).astype(np.uint16),
        "lnrho_range": np.array([low, np.nan]),
        "positions": np.zeros((6, 8, 3)),
        "velocities": np.zeros((6, 8, 3)),
        "energy": np.zeros(6),
        "temperature": np.zeros(6),
        "frame": np.arange(6),
        "cell": liquid.grid.cell,
        "numbers": np.full(8, 3),
        "timestep_fs": np.array(4.0),
    }
    path = tmp_path / "frames_000000.npz"
    np.savez(path, **chunk)
    code, _, err = eldyn(*arguments(options, start=path))
    assert code == 1
    assert "frames_000000.npz" in err
    assert not (tmp_path / "r.eldyn").exists()


def test_help_names_units_and_defaults() -> None:
    done = subprocess.run(
        [COMMAND, "rollout", "--help"], capture_output=True, text=True, env={"COLUMNS": "200"}
    )
    assert done.returncode == 0
    for words in (
        "electrons/Å³",
        "in fs",
        "[dpmpp_2m|heun|ddim|ddpm]",
        "all diffusion steps for ddpm",
        "--resume",
    ):
        assert words in done.stdout
