"""Layout of an ``.eldyn`` store: the header, the arrays, and how they are chunked.

A store is a zarr v3 group in a directory:

==================  =======================  ==================================================
array               shape                    meaning
==================  =======================  ==================================================
``density``         (frame, x, y, z)         one frame per chunk; uint16 codes or float32
``density_range``   (frame, 2)               ``log16`` only: ln ρ at codes 1 and 65535
``times``           (frame,)                 fs
``cell``            (3, 3)                   Å, vectors as rows
``numbers``         (atom,)                  atomic numbers
``positions``       (frame, atom, 3)         Å, unwrapped
``velocities``      (frame, atom, 3)         Å/fs
``scalars/NAME``    (frame,)                 numbers per frame, such as ``energy`` [eV]
``extra/NAME``      (frame, ...)             further arrays per frame, such as ``latents``
==================  =======================  ==================================================

Every chunk ends in a CRC-32C checksum. The group's attribute ``n_frames`` is the count of whole
frames: it is written last, so arrays may be longer than it says while a store grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import zarr
from pydantic import Field
from zarr.codecs import BloscCodec, Crc32cCodec

from napari_eldyn.config import StrictModel, parse_config
from napari_eldyn.density.encodings import EncodingName
from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.density.trajectory import DensityKind
from napari_eldyn.exceptions import EldynError

__all__ = ["VERSION", "StoreHeader", "build", "create_rows", "read_header"]

VERSION: Final = 1

ZarrArray: TypeAlias = "zarr.Array[Any]"

UNITS = {
    "density": "electrons/Å³",
    "cell": "Å",
    "times": "fs",
    "positions": "Å",
    "velocities": "Å/fs",
    "energy": "eV",
    "temperature": "K",
}
GRID_CONVENTION = (
    "points at origin [Å] + fractional coordinates i/N; periodic; end points not repeated"
)


class EncodingHeader(StrictModel):
    """How densities are coded, and the largest relative error that makes."""

    name: EncodingName
    relative_error: float
    formula: str


class StoreHeader(StrictModel):
    """Attributes of the zarr group."""

    format: Literal["eldyn"]
    version: Literal[1]
    n_frames: int = Field(ge=0)
    kind: DensityKind
    encoding: EncodingHeader
    quantity: str = "density"
    times_known: bool = True
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    units: dict[str, str]
    grid_convention: str
    provenance: dict[str, Any]


FORMULAS = {
    "log16": "density = exp(lo + (hi - lo) * (code - 1) / 65534), [lo, hi] = density_range[frame]",
    "float32": "density as stored",
}


def read_header(group: zarr.Group, path: Path) -> StoreHeader:
    """Check and return the header.

    Raises
    ------
    EldynError
        If the group is not an ``.eldyn`` store, or of another version.
    """
    attributes = dict(group.attrs)
    if attributes.get("format") != "eldyn":
        raise EldynError(
            "this zarr group is not an .eldyn store",
            path=path,
            remedy="Write one with eldyn convert or DensityTrajectory.save.",
        )
    if attributes.get("version") != VERSION:
        raise EldynError(
            f"the store has format version {attributes.get('version')!r}; "
            f"this program reads version {VERSION}",
            path=path,
            remedy="Update napari-eldyn.",
        )
    return parse_config(StoreHeader, attributes, path=path)


def build(
    directory: Path,
    grid: PeriodicGrid,
    *,
    encoding: EncodingName,
    kind: DensityKind,
    quantity: str,
    times_known: bool,
    provenance: Mapping[str, Any],
    numbers: npt.NDArray[np.int64] | None,
    rows: Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]],
    frames_per_shard: int,
) -> None:
    """Make a store without frames in an empty directory.

    Parameters
    ----------
    rows : mapping
        Name to (shape of one row, dtype) of each per-frame array but the densities.
    frames_per_shard : int
        Frames per file; 1 keeps each frame in a file of its own.
    """
    header = StoreHeader(
        format="eldyn",
        version=VERSION,
        n_frames=0,
        kind=kind,
        encoding=EncodingHeader(name=encoding, relative_error=0.0, formula=FORMULAS[encoding]),
        quantity=quantity,
        times_known=times_known,
        origin=tuple(grid.origin.tolist()),
        units={**UNITS, "density": QUANTITIES[quantity].unit},
        grid_convention=GRID_CONVENTION,
        provenance=dict(provenance),
    )
    group = zarr.create_group(directory, zarr_format=3, attributes=header.model_dump())
    _create_density(group, grid, encoding, frames_per_shard)
    for name, (shape, dtype) in rows.items():
        create_rows(group, name, shape, np.dtype(dtype))
    group.create_array("cell", data=np.array(grid.cell), compressors=[Crc32cCodec()])
    if numbers is not None:
        group.create_array("numbers", data=numbers, compressors=[Crc32cCodec()])


def _create_density(
    group: zarr.Group, grid: PeriodicGrid, encoding: EncodingName, frames_per_shard: int
) -> None:
    dtype = np.dtype(np.uint16 if encoding == "log16" else np.float32)
    group.create_array(
        "density",
        shape=(0, *grid.shape),
        dtype=dtype,
        chunks=(1, *grid.shape),
        shards=None if frames_per_shard == 1 else (frames_per_shard, *grid.shape),
        compressors=_compressors(dtype),
        # No frame is all -inf or all code 0, so a missing chunk shows.
        fill_value=0 if encoding == "log16" else -np.inf,
        dimension_names=("frame", "x", "y", "z"),
        # One directory for all chunks, not three levels below each frame.
        chunk_key_encoding={"name": "default", "separator": "."},
        config={"write_empty_chunks": True},
    )


def create_rows(
    group: zarr.Group, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> ZarrArray:
    """Make an empty per-frame array with rows of the given shape and type."""
    row_bytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    rows_per_chunk = int(np.clip(65536 // max(row_bytes, 1), 1, 4096))
    floating = np.issubdtype(dtype, np.floating)
    return group.create_array(
        name,
        shape=(0, *shape),
        dtype=dtype,
        chunks=(rows_per_chunk, *(max(n, 1) for n in shape)),
        compressors=_compressors(dtype),
        fill_value=np.nan if floating else 0,
        chunk_key_encoding={"name": "default", "separator": "."},
    )


def _compressors(dtype: np.dtype[Any]) -> list[Any]:
    blosc = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle", typesize=dtype.itemsize)
    return [blosc, Crc32cCodec()]
