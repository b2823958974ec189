"""Write H.264 movies by piping frames into ffmpeg, whole or not at all."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.exceptions import EldynError

__all__ = ["Mp4Encoder"]

_QUALITY = "18"  # x264's constant rate factor: visually lossless for rendered volumes


class Mp4Encoder:
    """An H.264 movie under construction; a context manager.

    Frames go to ``NAME.mp4.partial``, which gets its final name when the context ends without an
    error and every frame is on disk. After an error or :meth:`discard` no file is left.

    Parameters
    ----------
    path : path-like
        The movie; the name ends in ``.mp4``.
    size : tuple of int
        Width and height in pixels, both even (4:2:0 chroma subsampling).
    fps : float
        Frames per second.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    EldynError
        If the size is odd, the path cannot be written, or ffmpeg is missing or fails.
    """

    def __init__(
        self, path: str | Path, size: tuple[int, int], fps: float, *, overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self.size = size
        self.n_frames = 0
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        _check_request(self.path, size, fps, overwrite)
        try:
            with self._partial.open("wb"):
                pass
        except OSError as error:
            raise EldynError(
                f"the movie cannot be written ({error.strerror})",
                path=self.path,
                remedy="Choose an existing folder in which you may write.",
            ) from error
        self._start(fps)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard()
        elif self._process is not None:
            self._finish()

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame of shape (height, width, 3), 8-bit RGB."""
        width, height = self.size
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ValueError(f"frame {frame.shape} {frame.dtype} for a movie of {width}×{height}")
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except OSError as error:
            self._process.wait()
            raise self._failure() from error
        self.n_frames += 1

    def discard(self) -> None:
        """End without a movie."""
        if self._process is not None:
            self._process.kill()
            self._close()
        self._partial.unlink(missing_ok=True)

    def _start(self, fps: float) -> None:
        width, height = self.size
        rate = str(Fraction(fps).limit_denominator(1001))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _close
        # fmt: off
        command = [
            _ffmpeg(self.path), "-y", "-v", "error",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate, "-i", "-",
            # Colours are converted to and marked as BT.709, which players assume for large frames.
            "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709",
            "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
            "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", _QUALITY, "-preset", "fast",
            "-movflags", "+faststart", "-f", "mp4", str(self._partial),
        ]
        # fmt: on
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._log
            )
        except OSError as error:
            self._close()
            self._partial.unlink(missing_ok=True)
            raise _missing_ffmpeg(self.path, f"{command[0]}: {error.strerror}") from error

    def _finish(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if self._process.wait() != 0 or self.n_frames == 0:
            error = self._failure()
            self.discard()
            raise error
        self._close()
        try:
            self._partial.replace(self.path)
        except OSError as error:
            self._partial.unlink(missing_ok=True)
            raise EldynError(
                f"the finished movie cannot get its name ({error.strerror})", path=self.path
            ) from error

    def _close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _failure(self) -> EldynError:
        assert self._log is not None
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines()]
        text = "; ".join(dict.fromkeys(line for line in lines if line))[:500]
        full = "No space left on device" in text
        return EldynError(
            f"the movie could not be written after {self.n_frames} frames ("
            + ("no space left on the device" if full else f"ffmpeg: {text or 'no message'}")
            + ")",
            path=self.path,
            remedy="Free space or choose another folder, then record again." if full else None,
        )


def _check_request(path: Path, size: tuple[int, int], fps: float, overwrite: bool) -> None:
    if path.suffix.lower() != ".mp4":
        raise EldynError("movies are written as .mp4", path=path, remedy="End the name in .mp4.")
    if path.is_dir():
        raise EldynError("is a folder", path=path, remedy="Name a file in it.")
    if path.exists() and not overwrite:
        raise EldynError("exists already", path=path, remedy="Choose another name, or overwrite.")
    if min(size) < 2 or any(length % 2 for length in size):
        raise EldynError(
            f"a movie of {size[0]}×{size[1]} pixels is not possible",
            path=path,
            remedy="H.264 needs an even width and an even height of at least 2 pixels.",
        )
    if not 0.1 <= fps <= 240:
        raise EldynError(
            f"{fps:g} frames per second", path=path, remedy="Choose a rate from 0.1 to 240."
        )


def _ffmpeg(path: Path) -> str:
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError as error:
        raise _missing_ffmpeg(path, "imageio-ffmpeg is not installed") from error
    try:
        return str(get_ffmpeg_exe())
    except RuntimeError as error:
        raise _missing_ffmpeg(path, "imageio-ffmpeg carries none for this machine") from error


def _missing_ffmpeg(path: Path, detail: str) -> EldynError:
    return EldynError(
        f"movies need ffmpeg, which was not found ({detail})",
        path=path,
        remedy="Install it with: pip install imageio-ffmpeg",
    )
