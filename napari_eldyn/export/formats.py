"""Formats of movies, and what this machine's ffmpeg can write."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from napari_eldyn.exceptions import EldynError

__all__ = [
    "FORMATS",
    "FormatName",
    "MovieFormat",
    "check_request",
    "choose_encoder",
    "ffmpeg_path",
    "format_of",
]

FormatName = Literal["h264", "vp9", "av1", "prores", "gif", "png"]

_FASTEST_GIF = 50.0  # players slow down pauses under 0.02 s


@dataclass(frozen=True)
class MovieFormat:
    """One way to write a movie.

    Parameters
    ----------
    name : str
        As in `FormatName`.
    title : str
        For people.
    suffixes : tuple of str
        Endings of file names; the first is the usual one. Empty for a folder of pictures.
    encoders : mapping
        Encoders of ffmpeg that write it, the best first, with their options.
    even : tuple of bool
        Whether width and height must be even (chroma subsampling).
    bytes_per_pixel : float
        Typical size, of a frame with volumes and plots; for estimates.
    """

    name: FormatName
    title: str
    suffixes: tuple[str, ...]
    encoders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    even: tuple[bool, bool] = (False, False)
    bytes_per_pixel: float = 0.03


_YUV420 = ("-pix_fmt", "yuv420p")

FORMATS: dict[FormatName, MovieFormat] = {
    item.name: item
    for item in (
        MovieFormat(
            "h264",
            "H.264 (.mp4)",
            (".mp4",),
            {
                # Constant rate factor 18: visually lossless for rendered volumes.
                "libx264": ("-crf", "18", "-preset", "fast", *_YUV420),
                "libopenh264": ("-b:v", "12M", *_YUV420),
            },
            (True, True),
            0.03,
        ),
        MovieFormat(
            "vp9",
            "VP9 (.webm)",
            (".webm",),
            {
                "libvpx-vp9": (
                    *("-crf", "24", "-b:v", "0", "-row-mt", "1", "-deadline", "good"),
                    *("-cpu-used", "5", *_YUV420),
                )
            },
            (True, True),
            0.025,
        ),
        MovieFormat(
            "av1",
            "AV1 (.mp4, .webm)",
            (".mp4", ".webm"),
            {
                "libsvtav1": ("-crf", "24", "-preset", "9", *_YUV420),
                "libaom-av1": ("-crf", "24", "-b:v", "0", "-cpu-used", "8", *_YUV420),
                "librav1e": ("-qp", "70", "-speed", "10", *_YUV420),
            },
            (True, True),
            0.02,
        ),
        MovieFormat(
            "prores",
            "ProRes 422 HQ (.mov)",
            (".mov",),
            {
                "prores_ks": ("-profile:v", "hq", "-vendor", "apl0", "-pix_fmt", "yuv422p10le"),
                "prores": ("-profile:v", "3", "-pix_fmt", "yuv422p10le"),
            },
            (True, False),
            0.3,
        ),
        MovieFormat("gif", "GIF (.gif)", (".gif",), {"gif": ()}, bytes_per_pixel=0.12),
        MovieFormat("png", "PNG frames (a folder)", (), bytes_per_pixel=0.3),
    )
}


def format_of(path: Path) -> MovieFormat:
    """Return the format that the ending of a name stands for.

    Raises
    ------
    EldynError
        If it stands for none.
    """
    suffix = path.suffix.lower()
    if not suffix:
        return FORMATS["png"]
    for item in FORMATS.values():
        if suffix in item.suffixes:
            return item
    endings = ", ".join(dict.fromkeys(s for item in FORMATS.values() for s in item.suffixes))
    raise EldynError(
        f"no movie format ends in {suffix}",
        path=path,
        remedy=f"Choose a name that ends in {endings}, or one without an ending for PNG frames.",
    )


def check_request(movie_format: MovieFormat, path: Path, size: tuple[int, int], fps: float) -> None:
    """Raise EldynError if a format cannot be written to a path in that size and at that rate."""
    suffix = path.suffix.lower()
    if movie_format.suffixes and suffix not in movie_format.suffixes:
        raise EldynError(
            f"{movie_format.title} is not written as '{suffix}'",
            path=path,
            remedy=f"End the name in {' or '.join(movie_format.suffixes)}.",
        )
    width, height = size
    if min(size) < 2:
        raise EldynError(f"a movie of {width}×{height} pixels is not possible", path=path)
    even = tuple(
        length + length % 2 if must else length
        for length, must in zip(size, movie_format.even, strict=True)
    )
    if even != size:
        what = "an even width and an even height" if movie_format.even[1] else "an even width"
        raise EldynError(
            f"{movie_format.title} cannot be {width}×{height} pixels, it needs {what}",
            path=path,
            remedy=f"Choose {even[0]}×{even[1]}.",
        )
    fastest = _FASTEST_GIF if movie_format.name == "gif" else 240.0
    if not 0.1 <= fps <= fastest:
        raise EldynError(
            f"{fps:g} frames per second",
            path=path,
            remedy=f"Choose a rate from 0.1 to {fastest:g}.",
        )


def choose_encoder(movie_format: MovieFormat, path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the encoder of this ffmpeg that writes a format, with its options.

    Raises
    ------
    EldynError
        If there is no ffmpeg, or it lacks the encoders; names the formats that it can write.
    """
    there = _encoders(ffmpeg_path(path))
    for encoder, options in movie_format.encoders.items():
        if encoder in there:
            return encoder, options
    others = [
        item.title for item in FORMATS.values() if not item.encoders or there & set(item.encoders)
    ]
    raise EldynError(
        f"this ffmpeg cannot write {movie_format.title}: it has none of "
        f"{', '.join(movie_format.encoders)}",
        path=path,
        remedy=f"Choose one of {', '.join(others)}, or install imageio-ffmpeg again.",
    )


def ffmpeg_path(path: Path) -> str:
    """Return the program that writes movies.

    Raises
    ------
    EldynError
        If there is none.
    """
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError as error:
        raise missing_ffmpeg(path, "imageio-ffmpeg is not installed") from error
    try:
        return str(get_ffmpeg_exe())
    except RuntimeError as error:
        raise missing_ffmpeg(path, "imageio-ffmpeg carries none for this machine") from error


def missing_ffmpeg(path: Path, detail: str) -> EldynError:
    """Return the error that says how to get ffmpeg."""
    return EldynError(
        f"movies need ffmpeg, which was not found ({detail})",
        path=path,
        remedy="Install it with: pip install imageio-ffmpeg",
    )


@lru_cache(maxsize=4)
def _encoders(ffmpeg: str) -> frozenset[str]:
    """Names of the encoders of an ffmpeg."""
    try:
        told = subprocess.run(
            [ffmpeg, "-hide_banner", "-encoders"], capture_output=True, text=True, check=False
        ).stdout
    except OSError as error:
        raise missing_ffmpeg(Path(ffmpeg), str(error.strerror)) from error
    lines = (line.split() for line in told.splitlines())
    return frozenset(words[1] for words in lines if len(words) > 2 and words[0].startswith("V"))
