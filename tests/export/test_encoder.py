from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.encoder import MovieEncoder, open_encoder
from napari_eldyn.export.formats import FORMATS, FormatName

from .movies import read_movie

SIZE = (64, 48)


def grey(level: int) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), level, np.uint8)


def test_movie_holds_every_frame_in_order_and_colour(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    colours = [(40 * k, 250 - 40 * k, 120) for k in range(6)]
    with open_encoder(path, SIZE, 12.5) as encoder:
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
    path: Path, frames: Iterable[np.ndarray], each: Callable[[MovieEncoder], object] = id
) -> None:
    """Write a movie, calling ``each`` before every frame."""
    with open_encoder(path, SIZE, 10) as encoder:
        for frame in frames:
            each(encoder)
            encoder.write(frame)


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    with open_encoder(tmp_path / "m.mp4", SIZE, 10) as encoder:
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
    def kill(encoder: MovieEncoder) -> None:
        process = getattr(encoder, "_process")  # noqa: B009
        assert isinstance(process, subprocess.Popen)
        process.kill()

    with pytest.raises(EldynError, match=r"after \d+ frames"):
        write(tmp_path / "m.mp4", [grey(0)] * 100, kill)
    assert list(tmp_path.iterdir()) == []


def test_missing_ffmpeg_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no" / "ffmpeg"))
    imageio_ffmpeg._utils._get_ffmpeg_exe.cache_clear()
    with pytest.raises(EldynError, match="pip install imageio-ffmpeg"):
        open_encoder(tmp_path / "m.mp4", SIZE, 10)
    imageio_ffmpeg._utils._get_ffmpeg_exe.cache_clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "size", "fps", "message"),
    [
        ("m.avi", SIZE, 10, "ends in .mp4, .webm, .mov, .gif"),
        ("m.mp4", (63, 48), 10, r"even width.*Choose 64×48"),
        ("m.webm", (64, 47), 10, r"VP9.*Choose 64×48"),
        ("m.mov", (63, 47), 10, r"ProRes.*Choose 64×47"),
        ("m.gif", SIZE, 60, "0.1 to 50"),
        ("m.mp4", (0, 48), 10, "0×48 pixels is not possible"),
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
        open_encoder(tmp_path / name, size, fps)
    assert (tmp_path / "there.mp4").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2


def test_overwrite_replaces_only_when_done(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    path.write_text("mine")
    with open_encoder(path, SIZE, 10, overwrite=True) as encoder:
        encoder.write(grey(200))
        assert path.read_text() == "mine"
    assert len(read_movie(path)[0]) == 1


@pytest.mark.parametrize(
    ("name", "movie_format", "codec"),
    [
        ("m.mp4", "h264", "h264"),
        ("m.webm", "vp9", "vp9"),
        ("m.webm", "av1", "av1"),
        ("m.mp4", "av1", "av1"),
        ("m.mov", "prores", "prores"),
        ("m.gif", "gif", "gif"),
    ],
)
def test_every_format_keeps_frames_rate_size_and_colours(
    tmp_path: Path, name: str, movie_format: FormatName, codec: str
) -> None:
    path = tmp_path / name
    colours = [(40 * k, 250 - 40 * k, 120) for k in range(6)]
    with open_encoder(
        path,
        SIZE,
        10,
        movie_format=FORMATS[movie_format],
        metadata={"title": "Lithium", "comment": '{"seed": 3}'},
    ) as encoder:
        for colour in colours:
            encoder.write(np.broadcast_to(np.uint8(colour), (SIZE[1], SIZE[0], 3)).copy())
    assert [p.name for p in tmp_path.iterdir()] == [name], "nothing else may be left"
    frames, meta = read_movie(path)
    assert frames.shape == (6, SIZE[1], SIZE[0], 3)
    assert meta["codec"] == codec
    assert meta["fps"] == pytest.approx(10)
    np.testing.assert_allclose(frames.mean(axis=(1, 2)), colours, atol=6)
    if codec != "gif":
        told = subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-i", path, "-f", "ffmetadata", "-"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.lower()
        assert "title=lithium" in told
        assert '{"seed": 3}' in told.replace("\\", "")


def test_gif_loops_with_colours_of_all_frames(tmp_path: Path) -> None:
    path = tmp_path / "m.gif"
    ramp = np.linspace(0, 255, SIZE[0]).astype(np.uint8)
    with open_encoder(path, SIZE, 20) as encoder:
        for channel in range(3):
            frame = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
            frame[..., channel] = ramp
            encoder.write(frame)
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0, "0 is for ever"
        assert gif.info["duration"] == 50
        assert getattr(gif, "n_frames") == 3  # noqa: B009
        for channel in range(3):
            gif.seek(channel)
            shown = np.asarray(gif.convert("RGB")).astype(int)
            assert np.abs(shown[..., channel].mean(axis=0) - ramp).max() < 12
            assert shown[..., [c for c in range(3) if c != channel]].max() < 24


def test_pictures_are_exact_and_of_any_size(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    noise = np.random.default_rng(0).integers(0, 255, (3, 41, 63, 3), np.uint8)
    with open_encoder(folder, (63, 41), 10, metadata={"title": "Li", "comment": "{}"}) as encoder:
        for frame in noise:
            encoder.write(frame)
        assert [p.name for p in tmp_path.iterdir()] == ["frames.partial"]
    names = [f"frame_{k:06d}.png" for k in range(3)]
    assert sorted(p.name for p in folder.iterdir()) == names
    for name, frame in zip(names, noise, strict=True):
        with Image.open(folder / name) as picture:
            np.testing.assert_array_equal(np.asarray(picture), frame)
            assert picture.info["Title"] == "Li"
    assert [p.name for p in tmp_path.iterdir()] == ["frames"]


def test_a_folder_is_replaced_only_if_it_holds_frames_alone(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "frame_000000.png").write_text("old")
    (folder / "frame_000009.png").write_text("old")
    with pytest.raises(EldynError, match="exists already"):
        open_encoder(folder, SIZE, 10)
    with open_encoder(folder, SIZE, 10, overwrite=True) as encoder:
        encoder.write(grey(9))
    assert [p.name for p in folder.iterdir()] == ["frame_000000.png"]
    (folder / "thesis.tex").write_text("mine")
    with pytest.raises(EldynError, match=r"other files than frames \(thesis.tex\)"):
        open_encoder(folder, SIZE, 10, overwrite=True)
    assert (folder / "thesis.tex").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["frames"]


@pytest.mark.parametrize("name", ["m.gif", "frames"])
def test_discard_leaves_nothing_of_any_kind(tmp_path: Path, name: str) -> None:
    with open_encoder(tmp_path / name, SIZE, 10) as encoder:
        for level in range(3):
            encoder.write(grey(level))
        encoder.discard()
    assert list(tmp_path.iterdir()) == []


def test_ending_does_not_wait(tmp_path: Path) -> None:
    encoder = open_encoder(tmp_path / "m.gif", SIZE, 10)
    encoder.write(grey(3))
    assert not encoder.end(), "ffmpeg has three things to do first"
    while not encoder.end():
        time.sleep(0.01)
    assert encoder.end()
    assert [p.name for p in tmp_path.iterdir()] == ["m.gif"]


def test_no_frames_no_movie(tmp_path: Path) -> None:
    with pytest.raises(EldynError, match="no frames"), open_encoder(tmp_path / "m.mp4", SIZE, 10):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_codec_that_ffmpeg_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An ffmpeg that tells of H.264 and GIF alone.
    poor = tmp_path / "ffmpeg"
    poor.write_text("#!/bin/sh\necho ' V....D libx264 H.264'\necho ' V....D gif GIF images'\n")
    poor.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(poor))
    imageio_ffmpeg._utils._get_ffmpeg_exe.cache_clear()
    try:
        with pytest.raises(EldynError, match=r"cannot write VP9.*Choose one of H\.264.*GIF"):
            open_encoder(tmp_path / "m.webm", SIZE, 10)
    finally:
        imageio_ffmpeg._utils._get_ffmpeg_exe.cache_clear()
    assert [p.name for p in tmp_path.iterdir()] == ["ffmpeg"]
