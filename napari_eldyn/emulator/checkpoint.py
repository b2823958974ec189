"""One safetensors file per model: weights, configuration, normalisation and provenance.

A checkpoint is data, not code: the networks are rebuilt from a validated configuration, and
nothing in the file is executed. Pickles are recognised and refused without reading them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from napari_eldyn.config import parse_config
from napari_eldyn.density import LogNormalisation
from napari_eldyn.density.files import write_whole, writing
from napari_eldyn.emulator.config import EmulatorConfig, parse_emulator_config
from napari_eldyn.emulator.networks import EmulatorNetworks, build_networks
from napari_eldyn.exceptions import EldynError

__all__ = ["FORMAT_VERSION", "Checkpoint", "load_checkpoint", "save_checkpoint"]

FORMAT_VERSION = 1
"""Version of the metadata layout below."""

_VERSION_KEY = "eldyn_format_version"
_METADATA_KEYS = (_VERSION_KEY, "config", "normalisation", "provenance")
_FOREIGN = {
    b"PK\x03\x04": "a zip archive, as torch.save writes it; it may hold pickled code",
    b"\x80": "a pickle; it may hold code",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a numpy file",
    b"GGUF": "a GGUF file",
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes
    ----------
    config : EmulatorConfig
        Architecture, grid and time step.
    normalisation : LogNormalisation
        Fitted on the training data.
    provenance : dict
        Where the model came from, JSON values.
    networks : EmulatorNetworks
        With the file's weights, on the CPU, in evaluation mode.
    sha256 : str
        Hash of the file.
    """

    config: EmulatorConfig
    normalisation: LogNormalisation
    provenance: dict[str, Any]
    networks: EmulatorNetworks
    sha256: str


def save_checkpoint(
    path: str | Path,
    networks: EmulatorNetworks,
    config: EmulatorConfig,
    normalisation: LogNormalisation,
    provenance: Mapping[str, Any],
) -> str:
    """Write a model to one file, whole or not at all.

    Parameters
    ----------
    path : path-like
        Where to write; by custom ``NAME.safetensors``.
    networks : EmulatorNetworks
        Built from `config`; weights may lie on any device.
    config : EmulatorConfig
        Architecture, grid and time step.
    normalisation : LogNormalisation
        With the scale of the density rate.
    provenance : mapping
        Data, recipe, versions, scores: anything JSON can hold.

    Returns
    -------
    str
        The file's sha256.

    Raises
    ------
    EldynError
        If the weights hold NaN, the normalisation lacks the scale of the rate, or the file
        cannot be written.
    """
    path = Path(path)
    tensors = {name: value.detach().cpu() for name, value in networks.state_dict().items()}
    _check_values(tensors, path)
    _check_rate(normalisation, path)
    metadata = {
        _VERSION_KEY: str(FORMAT_VERSION),
        "config": config.model_dump_json(),
        "normalisation": normalisation.model_dump_json(),
        "provenance": json.dumps(dict(provenance)),
    }
    content = _in_order(safetensors.torch.save(tensors, metadata))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a model from one file.

    Parameters
    ----------
    path : path-like
        A file written by :func:`save_checkpoint`.

    Raises
    ------
    EldynError
        If the file is missing, a pickle or otherwise no safetensors file, truncated, of another
        format version, or if its configuration has unknown keys, its tensors do not fit the
        configuration, or its weights hold NaN.
    """
    path = Path(path)
    content = _read(path)
    try:
        tensors = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise EldynError(
            f"the file is damaged or not a safetensors file ({error})",
            path=path,
            remedy="Copy it again from where it came from.",
        ) from error
    metadata = _metadata(content, path)
    config = parse_emulator_config(_json(metadata, "config", path), path=path)
    normalisation = parse_config(
        LogNormalisation, _json(metadata, "normalisation", path), path=path
    )
    _check_rate(normalisation, path)
    return Checkpoint(
        config=config,
        normalisation=normalisation,
        provenance=_json(metadata, "provenance", path),
        networks=_fill(config, tensors, path),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _in_order(content: bytes) -> bytes:
    """Sort a safetensors file's header, so that equal models give equal files and hashes.

    safetensors writes the metadata in random order.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(8)
            # A safetensors file starts with the length of its header, below 2³² and thus with
            # four zero bytes; its first byte may well be that of a pickle.
            could_be_length = start[4:] == bytes(4)
            for magic, description in _FOREIGN.items():
                if start.startswith(magic) and not could_be_length:
                    raise EldynError(
                        f"this is {description}, so it was not read",
                        path=path,
                        remedy="Models are safetensors files, as eldyn-train fit writes them.",
                    )
            return start + file.read()
    except OSError as error:
        raise EldynError(
            f"the model cannot be read: {error.strerror or error}", path=path
        ) from error


def _metadata(content: bytes, path: Path) -> dict[str, str]:
    # The header was validated by safetensors: 8 bytes of length, then JSON.
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    if _VERSION_KEY not in metadata:
        raise EldynError(
            "a safetensors file, but not a model of this program: it has no eldyn metadata",
            path=path,
            remedy="Choose a model written by eldyn-train fit.",
        )
    version = metadata[_VERSION_KEY]
    if version != str(FORMAT_VERSION):
        raise EldynError(
            f"the model has format version {version}; this program reads {FORMAT_VERSION}",
            path=path,
            remedy="Use the version of napari-eldyn that wrote it, or a newer one.",
        )
    unknown, missing = metadata.keys() - set(_METADATA_KEYS), set(_METADATA_KEYS) - metadata.keys()
    if unknown or missing:
        problems = [f"unknown metadata '{key}'" for key in sorted(unknown)]
        problems += [f"missing metadata '{key}'" for key in sorted(missing)]
        raise EldynError("; ".join(problems), path=path)
    return metadata


def _json(metadata: Mapping[str, str], key: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(metadata[key])
    except json.JSONDecodeError as error:
        raise EldynError(f"the metadata '{key}' is not JSON ({error})", path=path) from error
    if not isinstance(value, dict):
        raise EldynError(f"the metadata '{key}' is not a JSON object", path=path)
    return value


def _fill(config: EmulatorConfig, tensors: dict[str, Tensor], path: Path) -> EmulatorNetworks:
    # On the meta device a configuration that does not fit the tensors allocates nothing.
    try:
        with torch.device("meta"):
            networks = build_networks(config)
    except EldynError as error:
        raise EldynError(error.problem, path=path) from error
    except (RuntimeError, OverflowError) as error:
        raise EldynError(f"the configuration gives no networks ({error})", path=path) from error
    expected = networks.state_dict()
    unknown, missing = tensors.keys() - expected.keys(), expected.keys() - tensors.keys()
    problems = [f"unknown tensor '{name}'" for name in sorted(unknown)]
    problems += [f"missing tensor '{name}'" for name in sorted(missing)]
    for name in sorted(tensors.keys() & expected.keys()):
        found, wanted = tensors[name], expected[name]
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            problems.append(
                f"tensor '{name}' is {_describe(found)}, the configuration asks for "
                f"{_describe(wanted)}"
            )
    if problems:
        shown = "; ".join(problems[:3])
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise EldynError(f"the weights do not fit the configuration: {shown}{more}", path=path)
    _check_values(tensors, path)
    networks.load_state_dict(tensors, assign=True)
    return networks.eval()


def _describe(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _check_values(tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, value in tensors.items():
        if not bool(torch.isfinite(value).all()):
            raise EldynError(
                f"the weights '{name}' hold NaN or infinite values",
                path=path,
                remedy="The training diverged; use an earlier checkpoint.",
            )
    for name in ("latent_std", "residual_std"):
        if name in tensors and not bool((tensors[name] > 0).all()):
            raise EldynError(f"the standard deviations {name} are not positive", path=path)


def _check_rate(normalisation: LogNormalisation, path: Path) -> None:
    if normalisation.rate_std is None:
        raise EldynError(
            "the normalisation lacks the standard deviation of the density rate",
            path=path,
            remedy="Fit it on a trajectory of at least three frames.",
        )
