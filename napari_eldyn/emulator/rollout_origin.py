"""Everything that fixes a rollout: the provenance that is stored with it."""

from __future__ import annotations

import base64
import binascii
from math import prod
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from napari_eldyn.config import StrictModel
from napari_eldyn.density import LogNormalisation, PeriodicGrid
from napari_eldyn.exceptions import EldynError

__all__ = ["GridRecord", "PackedArray", "RolloutOrigin", "RolloutStart"]

FloatArray = npt.NDArray[np.float32]
Vector = tuple[float, float, float]


class RolloutStart(StrictModel):
    """Where a rollout started."""

    trajectory: str
    """Name of the trajectory's file, without its folder."""
    frame: int
    """Index of the frame in it."""
    time_fs: float
    """The frame's time."""
    rate: str
    """How the rate of the density was differenced."""
    n_clipped: int
    """Values clipped before the logarithm, in the frames read."""


class GridRecord(StrictModel):
    """A cell and its points."""

    cell: tuple[Vector, Vector, Vector]
    """Cell vectors as rows, in Å."""
    points: tuple[int, int, int]
    """Grid points along them."""

    @classmethod
    def of(cls, grid: PeriodicGrid) -> Self:
        """Record a grid."""
        return cls.model_validate({"cell": grid.cell.tolist(), "points": grid.shape})


class PackedArray(StrictModel):
    """An array of float32 as text, exactly and in a quarter of the room of decimal numbers."""

    shape: tuple[int, ...]
    dtype: Literal["float32"] = "float32"
    base64: str
    """Its bytes, little-endian, in C order."""

    @model_validator(mode="after")
    def _bytes_fill_the_shape(self) -> Self:
        try:
            n_bytes = len(base64.b64decode(self.base64, validate=True))
        except binascii.Error as error:
            raise ValueError(f"not base64 ({error})") from error
        if n_bytes != 4 * prod(self.shape):
            raise ValueError(f"{n_bytes} bytes do not fill the shape {self.shape}")
        return self

    @classmethod
    def of(cls, array: FloatArray) -> Self:
        """Pack an array."""
        content = np.ascontiguousarray(array, dtype="<f4").tobytes()
        return cls(shape=array.shape, base64=base64.b64encode(content).decode())

    def array(self) -> FloatArray:
        """Return the array."""
        content = np.frombuffer(base64.b64decode(self.base64), dtype="<f4")
        return content.reshape(self.shape).astype(np.float32)


class RolloutOrigin(StrictModel):
    """Everything that fixes a rollout."""

    model_name: str
    model_sha256: str | None
    sampler: str
    evaluations: int
    seed: Annotated[int, Field(ge=0)]
    device: str
    timestep_fs: float
    start: RolloutStart
    normalisation: LogNormalisation
    start_latent: PackedArray | tuple[float, ...]
    """Normalised latent of the start frame; old files hold its numbers in a row."""
    grid: GridRecord | None = None
    """Where the rollout is; old files do not tell."""
    model_grid: GridRecord | None = None
    """Where the model was trained."""
    versions: dict[str, str]

    def latent(self, shape: tuple[int, ...]) -> FloatArray:
        """Return the latent of the start frame.

        Raises
        ------
        EldynError
            If it has another shape.
        """
        stored = self.start_latent
        if isinstance(stored, PackedArray):
            latent = stored.array()
        else:
            latent = np.array(stored, dtype=np.float32)
        if latent.shape != shape:
            raise EldynError(
                f"the latent of the start frame has the shape {latent.shape}, those of the model "
                f"{self.model_name} have {shape}"
            )
        return latent
