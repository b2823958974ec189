from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.encoder import Mp4Encoder

from .movies import read_movie

SIZE = (64, 48)


def grey(level: int) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), level, np.uint8)


def test_movie_holds_every_frame_in_order_and_colour(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    colours = [(40 * k, 250 - 40 * k, 120) for k in range(6)]
    with Mp4Encoder(path, SIZE, 12.5) as encoder:
        for colour in colours:
            encoder.write(np.broadcast_to(np.uint8(colour), (SIZE[1], SIZE[0], 3)).copy())
        assert not path.exists(), "a movie under construction must not have its final name"
    assert [p.name for p in tmp_path.iterdir()] == ["m.mp4"]
    frames, meta = read_movie(path)
    assert frames.shape == (6, SIZE[1], SIZE[0], 3)
    np.testing.assert_allclose(frames.mean(axis=(1, 2)), colours, atol=4)
    assert meta["codec"] == "h264"
    assert meta["pix_fmt"].startswith("yuv420p")
    assert meta["fps"] == 12.5


def write(
    path: Path, frames: Iterable[np.ndarray], each: Callable[[Mp4Encoder], object] = id
) -> None:
    """Write a movie, calling ``each`` before every frame."""
    with Mp4Encoder(path, SIZE, 10) as encoder:
        for frame in frames:
            each(encoder)
            encoder.write(frame)


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    with Mp4Encoder(tmp_path / "m.mp4", SIZE, 10) as encoder:
        encoder.write(grey(10))
        encoder.discard()
    assert list(tmp_path.iterdir()) == []


def test_errors_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "m.mp4", (grey(10 // (3 - k)) for k in range(5)))
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    # What is written to /dev/full fails as on a full disk.
    (tmp_path / "m.mp4.partial").symlink_to("/dev/full")
    noise = np.random.default_rng(0).integers(0, 255, (40, SIZE[1], SIZE[0], 3), np.uint8)
    with pytest.raises(EldynError, match=r"m\.mp4: .*no space left"):
        write(tmp_path / "m.mp4", noise)
    assert list(tmp_path.iterdir()) == []


def test_ffmpeg_dying_midway_is_told(tmp_path: Path) -> None:
    def kill(encoder: Mp4Encoder) -> None:
        assert isinstance(encoder._process, subprocess.Popen)
        encoder._process.kill()

    with pytest.raises(EldynError, match=r"after \d+ frames"):
        write(tmp_path / "m.mp4", [grey(0)] * 100, kill)
    assert list(tmp_path.iterdir()) == []


def test_missing_ffmpeg_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no" / "ffmpeg"))
    imageio_ffmpeg._utils._get_ffmpeg_exe.cache_clear()
    with pytest.raises(EldynError, match="pip install imageio-ffmpeg"):
        Mp4Encoder(tmp_path / "m.mp4", SIZE, 10)
    imageio_ffmpeg._utils._get_ffmpeg_exe.cache_clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "size", "fps", "message"),
    [
        ("m.avi", SIZE, 10, "End the name in .mp4"),
        ("m.mp4", (63, 48), 10, "even width"),
        ("m.mp4", (0, 48), 10, "even width"),
        ("m.mp4", SIZE, 0, "0.1 to 240"),
        ("m.mp4", SIZE, float("nan"), "0.1 to 240"),
        ("no/m.mp4", SIZE, 10, "existing folder"),
        ("folder.mp4", SIZE, 10, "is a folder"),
        ("there.mp4", SIZE, 10, "exists already"),
    ],
)
def test_bad_requests(
    tmp_path: Path, name: str, size: tuple[int, int], fps: float, message: str
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "there.mp4").write_text("mine")
    with pytest.raises(EldynError, match=message):
        Mp4Encoder(tmp_path / name, size, fps)
    assert (tmp_path / "there.mp4").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2


def test_overwrite_replaces_only_when_done(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    path.write_text("mine")
    with Mp4Encoder(path, SIZE, 10, overwrite=True) as encoder:
        encoder.write(grey(200))
        assert path.read_text() == "mine"
    assert len(read_movie(path)[0]) == 1
