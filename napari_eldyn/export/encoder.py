"""Write movies frame by frame, whole or not at all: files through ffmpeg, folders of pictures."""

from __future__ import annotations

import contextlib
import errno
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.formats import (
    MovieFormat,
    check_request,
    choose_encoder,
    ffmpeg_path,
    format_of,
    missing_ffmpeg,
)

__all__ = ["MovieEncoder", "check_path", "open_encoder"]

_FRAME_NAME = "frame_{:06d}.png"
_BT709 = (
    # Colours are converted to and marked as BT.709, which players assume for large frames.
    *("-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709"),
    *("-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
)
_MUXERS = {".mp4": ("-movflags", "+faststart", "-f", "mp4"), ".mov": ("-f", "mov")}


def open_encoder(
    path: str | Path,
    size: tuple[int, int],
    fps: float,
    *,
    movie_format: MovieFormat | None = None,
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> MovieEncoder:
    """Begin a movie.

    Parameters
    ----------
    path : path-like
        The file or, for PNG frames, the folder.
    size : tuple of int
        Width and height in pixels.
    fps : float
        Frames per second.
    movie_format : MovieFormat, optional
        Default: what the ending of the name stands for.
    metadata : mapping, optional
        ``title`` and ``comment``, stored in the movie where its format has a place for them.
    overwrite : bool
        Replace what is there. A folder is replaced only if it holds nothing but frames.

    Returns
    -------
    MovieEncoder
        A context manager.

    Raises
    ------
    EldynError
        If size or rate do not fit the format, the path cannot be written, or ffmpeg is missing or
        cannot write the format.
    """
    path = Path(path)
    chosen = movie_format or format_of(path)
    check_request(chosen, path, size, fps)
    check_path(chosen, path, overwrite)
    if chosen.name == "png":
        return _PictureFolder(path, size, metadata or {})
    return (_GifEncoder if chosen.name == "gif" else _FfmpegEncoder)(
        path, size, fps, chosen, metadata or {}
    )


def check_path(movie_format: MovieFormat, path: Path, overwrite: bool) -> None:
    """Raise EldynError if a movie of a format may not be written to a path."""
    if not path.parent.is_dir():
        raise EldynError(
            f"the folder {path.parent} does not exist",
            path=path,
            remedy="Choose an existing folder in which you may write.",
        )
    if movie_format.name == "png" and path.is_dir():
        others = [item.name for item in path.iterdir() if not item.match("frame_*.png")]
        if others:
            raise EldynError(
                f"the folder holds other files than frames ({others[0]})",
                path=path,
                remedy="Name a new folder.",
            )
    elif path.is_dir():
        raise EldynError("is a folder", path=path, remedy="Name a file in it.")
    if path.exists() and not overwrite:
        raise EldynError("exists already", path=path, remedy="Choose another name, or overwrite.")


class MovieEncoder(ABC):
    """A movie under construction; a context manager.

    It is written under the name ``NAME.partial`` and gets its final name when the context ends
    without an error and every frame is on disk. After an error or :meth:`discard` nothing is left.

    Parameters
    ----------
    path : Path
        The movie.
    size : tuple of int
        Width and height in pixels.

    Attributes
    ----------
    n_frames : int
        Frames written so far.
    """

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self.path = path
        self.size = size
        self.n_frames = 0
        self._partial = path.with_name(path.name + ".partial")
        self._is_over = False

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
        while not self.end():
            time.sleep(0.01)

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame of shape (height, width, 3), 8-bit RGB."""
        width, height = self.size
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ValueError(f"frame {frame.shape} {frame.dtype} for a movie of {width}×{height}")
        self._write(np.ascontiguousarray(frame))
        self.n_frames += 1

    def end(self) -> bool:
        """Finish the movie without waiting; call it until it returns True.

        Raises
        ------
        EldynError
            If there is no frame, or the movie cannot be finished.
        """
        if self._is_over:
            return True
        try:
            if self.n_frames == 0:
                raise EldynError("there are no frames to record", path=self.path)
            if not self._end():
                return False
            self._put_in_place()
        except BaseException:
            self.discard()
            raise
        self._is_over = True
        return True

    def discard(self) -> None:
        """End without a movie."""
        if not self._is_over:
            self._is_over = True
            self._discard()

    @abstractmethod
    def _write(self, frame: NDArray[np.uint8]) -> None: ...

    @abstractmethod
    def _end(self) -> bool: ...

    @abstractmethod
    def _discard(self) -> None: ...

    def _put_in_place(self) -> None:
        try:
            self._partial.replace(self.path)
        except OSError as error:
            raise EldynError(
                f"the finished movie cannot get its name ({error.strerror})", path=self.path
            ) from error

    def _cannot_write(self, error: OSError) -> EldynError:
        return EldynError(
            f"the movie cannot be written ({error.strerror})",
            path=self.path,
            remedy="Choose an existing folder in which you may write.",
        )

    def _disk_full(self) -> EldynError:
        return EldynError(
            f"the movie could not be written after {self.n_frames} frames "
            "(no space left on the device)",
            path=self.path,
            remedy="Free space or choose another folder, then record again.",
        )


class _FfmpegEncoder(MovieEncoder):
    """A file that ffmpeg writes from raw frames on its standard input."""

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: float,
        movie_format: MovieFormat,
        metadata: Mapping[str, str],
    ) -> None:
        super().__init__(path, size)
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._ffmpeg = ffmpeg_path(path)
        encoder, options = choose_encoder(movie_format, path)
        tags = [x for key, text in metadata.items() for x in ("-metadata", f"{key}={text}")]
        rate = str(Fraction(fps).limit_denominator(1001))
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}"]
        source += ["-r", rate, "-i", "-"]
        first, *self._later = self._commands(source, [*tags, "-c:v", encoder, *options])
        try:
            with self._partial.open("wb"):
                pass
        except OSError as error:
            raise self._cannot_write(error) from error
        self._start(first, subprocess.PIPE)

    def _commands(self, source: list[str], options: list[str]) -> list[list[str]]:
        """Give the arguments of ffmpeg: first to read the frames, then what follows the last."""
        muxer = _MUXERS.get(self.path.suffix.lower(), ("-f", self.path.suffix[1:].lower()))
        return [[*source, *_BT709, *options, *muxer, str(self._partial)]]

    def _start(self, arguments: Sequence[str], stdin: int) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _close
        command = [self._ffmpeg, "-y", "-v", "error", *arguments]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                start_new_session=True,  # Ctrl-C is ours to answer
            )
        except OSError as error:
            self.discard()
            raise missing_ffmpeg(self.path, f"{command[0]}: {error.strerror}") from error

    def _write(self, frame: NDArray[np.uint8]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(frame.data)
        except OSError as error:
            self._process.wait()
            raise self._failure() from error

    def _end(self) -> bool:
        assert self._process is not None
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        code = self._process.poll()
        if code is None:
            return False
        if code != 0:
            raise self._failure()
        self._close()
        if self._later:
            self._start(self._later.pop(0), subprocess.DEVNULL)
            return False
        return True

    def _discard(self) -> None:
        if self._process is not None:
            self._process.kill()
        self._close()
        self._partial.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._process is not None:
            if self._process.stdin is not None:
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
        if "No space left on device" in text:
            return self._disk_full()
        return EldynError(
            f"the movie could not be written after {self.n_frames} frames "
            f"(ffmpeg: {text or 'no message'})",
            path=self.path,
        )


class _GifEncoder(_FfmpegEncoder):
    """A GIF with the 256 colours that suit all its frames best; it plays again and again.

    The colours are known only after the last frame, so frames are kept without loss on disk.
    """

    def _commands(self, source: list[str], options: list[str]) -> list[list[str]]:
        self._kept = self.path.with_name(self.path.name + ".frames.partial")
        self._palette = self.path.with_name(self.path.name + ".colours.partial")
        one_picture = ("-c:v", "png", "-frames:v", "1", "-f", "image2pipe")
        dither = "paletteuse=dither=sierra2_4a:diff_mode=rectangle"
        kept = ["-f", "nut", "-i", str(self._kept)]
        palette = ["-f", "png_pipe", "-i", str(self._palette)]
        return [
            [*source, "-c:v", "ffv1", "-pix_fmt", "bgr0", "-f", "nut", str(self._kept)],
            [*kept, "-vf", "palettegen=reserve_transparent=0", *one_picture, str(self._palette)],
            [*kept, *palette, "-lavfi", dither, "-loop", "0", "-f", "gif", str(self._partial)],
        ]

    def _put_in_place(self) -> None:
        super()._put_in_place()
        self._remove_kept()

    def _discard(self) -> None:
        super()._discard()
        self._remove_kept()

    def _remove_kept(self) -> None:
        self._kept.unlink(missing_ok=True)
        self._palette.unlink(missing_ok=True)


class _PictureFolder(MovieEncoder):
    """A folder of numbered PNG pictures, without loss."""

    def __init__(self, path: Path, size: tuple[int, int], metadata: Mapping[str, str]) -> None:
        from PIL.PngImagePlugin import PngInfo

        super().__init__(path, size)
        self._texts = PngInfo()
        for key, text in metadata.items():
            self._texts.add_itxt(key.capitalize(), text)
        try:
            if self._partial.is_dir():  # of a process that was killed
                shutil.rmtree(self._partial)
            self._partial.mkdir()
        except OSError as error:
            raise self._cannot_write(error) from error

    def _write(self, frame: NDArray[np.uint8]) -> None:
        from PIL import Image

        target = self._partial / _FRAME_NAME.format(self.n_frames)
        try:
            Image.fromarray(frame).save(target, compress_level=3, pnginfo=self._texts)
        except OSError as error:
            raise (
                self._disk_full() if error.errno == errno.ENOSPC else self._cannot_write(error)
            ) from error

    def _end(self) -> bool:
        return True

    def _put_in_place(self) -> None:
        before = self.path.with_name(self.path.name + ".before.partial")
        try:
            if self.path.exists():
                self.path.replace(before)
            super()._put_in_place()
        except BaseException:
            if before.exists():
                before.replace(self.path)
            raise
        if before.exists():
            shutil.rmtree(before)

    def _discard(self) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)
