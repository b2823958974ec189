"""``eldyn movie`` without a screen, as a person would call it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from export.movies import read_movie
from liquid import gaussian_liquid

from napari_eldyn.cli import main

SCREENLESS = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
SMALL = ["--size", "320x240", "--fps", "10", "--layout", "none"]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "napari_eldyn.cli", "movie", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=SCREENLESS,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_trajectory_without_a_screen_and_again_from_its_settings(
    liquid_path: Path, tmp_path: Path
) -> None:
    first = tmp_path / "m.mp4"
    done = run(liquid_path, "--out", first, *SMALL, "--last", 4, "--title", "Liquid")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"{first}: 5 frames of 320×240 pixels, 10 frames/s. Every frame is shown once.\n"
    )
    assert "m.mp4" in done.stderr, "progress is shown"
    frames, meta = read_movie(first)
    assert frames.shape == (5, 240, 320, 3)
    assert meta["fps"] == 10
    sidecar = tmp_path / "m.mp4.json"
    assert json.loads(sidecar.read_text())["movie"]["title"] == "Liquid"
    # The same settings in another format, with one option changed.
    folder = tmp_path / "frames"
    done = run(liquid_path, "--out", folder, "--settings", sidecar, "--first", 2)
    assert done.returncode == 0, done.stderr
    assert read_movie(folder)[0].shape == (3, 240, 320, 3)
    again = json.loads((tmp_path / "frames.json").read_text())["movie"]
    assert (again["format"], again["first"], again["title"]) == ("png", 2, "Liquid")


def test_rollout_beside_its_reference(liquid_path: Path, model_path: Path, tmp_path: Path) -> None:
    stored = tmp_path / "roll.eldyn"
    made = subprocess.run(
        [
            *(sys.executable, "-m", "napari_eldyn.cli", "rollout", "--model", model_path),
            *("--start", liquid_path, "--out", stored, "--frames", "3", "--evaluations", "4"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    out = tmp_path / "m.gif"
    size = ("--size", "640x360", "--panels", "generated,reference,reconstruction")
    missing = run(stored, "--out", out, *size)
    assert missing.returncode == 1
    assert "Name it with --" in missing.stderr
    assert not out.exists()
    parts = ("--model", model_path, "--reference", liquid_path)
    done = run(stored, "--out", out, *size, *parts)
    assert done.returncode == 0, done.stderr
    frames, _ = read_movie(out)
    assert frames.shape == (4, 360, 640, 3), "the start frame and three generated ones"
    alone = run(stored, "--out", tmp_path / "alone.mp4", "--alone", *SMALL)
    assert alone.returncode == 0, alone.stderr
    assert len(read_movie(tmp_path / "alone.mp4")[0]) == 3


def test_interrupt_leaves_no_file(tmp_path: Path) -> None:
    source, out = tmp_path / "long.eldyn", tmp_path / "out"
    gaussian_liquid(400).save(source)
    out.mkdir()
    with subprocess.Popen(
        command(source, "--out", out / "m.mp4", *SMALL),
        env=SCREENLESS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 120
        while not (out / "m.mp4.partial").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
        _, told = process.communicate(timeout=60)
        assert process.returncode == 130, told
    assert "interrupted; no file was left" in told
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "m.avi"], "no movie format ends in .avi"),
        (["--out", "m.mp4", "--size", "321x240"], "Choose 322×240"),
        (["--out", "m.mp4", "--size", "big"], "'big' is not a size"),
        (["--out", "m.mp4", "--camera", "turntabel"], "did you mean 'turntable'"),
        (["--out", "m.mp4", "--format", "gif"], "not written as '.mp4'"),
        (["--out", "m.mp4", "--plots", "divergence,divergence"], "a plot is named twice"),
        (["--out", "no/m.mp4"], "does not exist"),
    ],
)
def test_bad_options_end_in_one_message(
    liquid_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    # In this process: they are refused before a screen is looked for, or napari is imported.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["eldyn", "movie", str(liquid_path), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []
