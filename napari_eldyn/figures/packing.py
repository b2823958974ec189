"""Arrays and pictures as JSON: short ones readable, long ones compressed; never a pickle."""

from __future__ import annotations

import base64
import binascii
import io
import math
import zlib
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator

__all__ = ["Floats", "Integers", "Picture", "pack_array", "unpack_array"]

_READABLE = 64  # numbers at most in a list; more are compressed
_LARGEST = 2**31  # bytes of an array
_TYPES = ("float64", "float32", "int64", "int32", "uint8")


def pack_array(array: NDArray[Any]) -> dict[str, Any]:
    """Turn an array into JSON values that give the same array, bit by bit.

    Parameters
    ----------
    array : numpy.ndarray
        Of one of the common numeric types.

    Returns
    -------
    dict
        ``shape``, ``dtype``, and ``values`` or, for long arrays and for those with values that
        JSON does not know (NaN), ``npy``: the compressed bytes of numpy's file format.
    """
    array = np.ascontiguousarray(array)
    told: dict[str, Any] = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.size <= _READABLE and np.isfinite(array).all():
        return told | {"values": array.tolist()}
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    packed = zlib.compress(buffer.getvalue(), 9)
    return told | {"npy": base64.b64encode(packed).decode()}


def unpack_array(value: Any) -> NDArray[Any]:
    """Return the array that `pack_array` packed.

    Raises
    ------
    ValueError
        If anything of it is damaged.
    """
    if not isinstance(value, Mapping) or not {"shape", "dtype"} <= value.keys():
        raise ValueError("is not a packed array")
    shape, dtype = value["shape"], value["dtype"]
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("the shape of an array is damaged")
    if dtype not in _TYPES:
        raise ValueError(f"an array of type {dtype!r} is not known")
    if math.prod(shape) * np.dtype(dtype).itemsize > _LARGEST:
        raise ValueError(f"an array of the shape {tuple(shape)} is too large")
    if value.keys() == {"shape", "dtype", "values"}:
        try:
            array = np.array(value["values"], dtype=dtype).reshape(shape)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"the values of an array are damaged ({error})") from error
        return array
    if value.keys() != {"shape", "dtype", "npy"} or not isinstance(value["npy"], str):
        raise ValueError("an array has neither values nor npy")
    return _from_npy(value["npy"], tuple(shape), str(dtype))


def _from_npy(text: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    room = math.prod(shape) * np.dtype(dtype).itemsize + 4096  # and the header
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(base64.b64decode(text, validate=True), room)
        if not unpacker.eof:
            raise ValueError("it is longer or shorter than its shape says")
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (binascii.Error, zlib.error, ValueError, EOFError) as error:
        raise ValueError(f"a packed array is damaged ({error})") from error
    if array.shape != shape or str(array.dtype) != dtype:
        raise ValueError(
            f"a packed array is {array.dtype} of shape {array.shape}, not {dtype} of shape {shape}"
        )
    return array  # type: ignore[no-any-return]


def _floats(value: Any) -> NDArray[Any]:
    array = value if isinstance(value, np.ndarray) else unpack_array(value)
    if array.dtype not in (np.float64, np.float32):
        raise ValueError(f"an array of {array.dtype} stands where numbers with a point belong")
    return array


def _integers(value: Any) -> NDArray[Any]:
    array = value if isinstance(value, np.ndarray) else unpack_array(value)
    if array.dtype.kind != "i":
        raise ValueError(f"an array of {array.dtype} stands where whole numbers belong")
    return array


def _picture(value: Any) -> NDArray[np.uint8]:
    """8-bit RGBA, from an array or the base64 of a PNG."""
    if isinstance(value, np.ndarray):
        array = value
    else:
        from PIL import Image

        if not isinstance(value, str):
            raise ValueError("is not a picture")  # noqa: TRY004
        try:
            with Image.open(
                io.BytesIO(base64.b64decode(value, validate=True)), formats=["PNG"]
            ) as p:
                array = np.asarray(p.convert("RGBA"))
        except (binascii.Error, OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"a picture is damaged ({error})") from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 4:
        raise ValueError(f"an array of shape {array.shape} stands where a picture belongs")
    return array


def _png(picture: NDArray[np.uint8]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture, "RGBA").save(buffer, format="PNG", optimize=False)
    return base64.b64encode(buffer.getvalue()).decode()


Floats = Annotated[NDArray[Any], PlainValidator(_floats), PlainSerializer(pack_array)]
"""An array of float64 or float32."""

Integers = Annotated[NDArray[Any], PlainValidator(_integers), PlainSerializer(pack_array)]
"""An array of whole numbers."""

Picture = Annotated[NDArray[np.uint8], PlainValidator(_picture), PlainSerializer(_png)]
"""8-bit RGBA, shape (height, width, 4), stored as PNG."""
