from __future__ import annotations

import hashlib
import json
import os
import pickle
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from napari_eldyn.density import LogNormalisation
from napari_eldyn.emulator.checkpoint import load_checkpoint, save_checkpoint
from napari_eldyn.emulator.config import AutoencoderConfig, DenoiserConfig, PooledConfig
from napari_eldyn.emulator.networks import EmulatorNetworks, build_networks
from napari_eldyn.exceptions import EldynError

CONFIG = PooledConfig(
    grid_shape=(8, 8, 8),
    cell=((5.0, 0.0, 0.0), (0.0, 5.0, 0.0), (1.0, 0.0, 5.0)),
    timestep_fs=4.0,
    density_kind="pseudo",
    autoencoder=AutoencoderConfig(channels=(2, 4), decoder_channels=(4, 2), latent_dim=3),
    denoiser=DenoiserConfig(hidden=8, layers=1, time_embedding=4, output="velocity"),
)
NORMALISATION = LogNormalisation(mean=-2.911, std=0.271, rate_std=0.04, n_frames=140)


def networks() -> EmulatorNetworks:
    torch.manual_seed(0)
    return build_networks(CONFIG)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, networks(), CONFIG, NORMALISATION, {"recipe": "tiny"})
    return path


def rewrite(
    path: Path,
    change: Callable[[dict[str, torch.Tensor]], object] = lambda _: None,
    **metadata: str,
) -> None:
    """Write the file again, with other tensors or metadata."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    kept: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    tensors = safetensors.torch.load(content)
    change(tensors)
    path.write_bytes(safetensors.torch.save(tensors, {**kept, **metadata}))


def changed_config(**changes: Any) -> str:
    return json.dumps({**CONFIG.model_dump(mode="json"), **changes})


def refusal(path: Path) -> str:
    with pytest.raises(EldynError) as caught:
        load_checkpoint(path)
    assert caught.value.path == path
    return str(caught.value)


def test_everything_comes_back(path: Path) -> None:
    loaded = load_checkpoint(path)
    assert loaded.config == CONFIG
    assert loaded.normalisation == NORMALISATION
    assert loaded.provenance == {"recipe": "tiny"}
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    state = networks().state_dict()
    for name, value in loaded.networks.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert not loaded.networks.training
    z, t = torch.randn(2, 3), torch.tensor([0, 999])
    assert torch.equal(loaded.networks.denoiser(z, t, z), networks().denoiser(z, t, z))


def test_loading_leaves_the_random_numbers_alone(path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.randn(3)
    torch.manual_seed(1)
    load_checkpoint(path)
    assert torch.equal(torch.randn(3), expected)


class _Trap:
    """Unpickling it makes a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.directory),)


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare"])
def test_pickles_are_refused_without_being_read(kind: str, tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    path = tmp_path / "model.safetensors"
    if kind == "bare":
        path.write_bytes(pickle.dumps(_Trap(sprung)))
    else:
        torch.save(_Trap(sprung), path, _use_new_zipfile_serialization=kind == "zip")
    assert "pickle" in refusal(path)
    assert not sprung.exists()


@pytest.mark.parametrize("kept", [0, 4, 200, 3000, -1])
def test_truncated_files_are_refused(kept: int, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    assert "damaged" in refusal(path)


def test_damaged_and_foreign_files_are_refused(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:20] + b"\xff\xfe" + content[22:])
    assert "damaged" in refusal(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + content)
    assert "HDF5" in refusal(path)
    path.write_bytes(safetensors.torch.save({"weight": torch.zeros(3)}))
    assert "not a model of this program" in refusal(path)
    assert "No such file" in refusal(tmp_path / "absent.safetensors")
    assert "directory" in refusal(tmp_path).lower()


def test_a_header_as_long_as_a_pickle_begins_is_no_pickle(path: Path) -> None:
    # 0x80 is the first byte of a pickle, and may be the length of a header.
    for padding in range(300):
        rewrite(path, provenance=json.dumps({"note": "x" * padding}))
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert load_checkpoint(path).provenance == {"note": "x" * padding}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"eldyn_format_version": "2"}, r"format version 2; this program reads 1"),
        ({"config": changed_config(grid_size=3)}, "unknown key 'grid_size' (did you mean 'grid_"),
        ({"config": changed_config(timestep_fs="fast")}, "key 'timestep_fs'"),
        ({"config": "{"}, "'config' is not JSON"),
        ({"config": "3"}, "'config' is not a JSON object"),
        ({"licence": "CC-BY-4.0"}, "unknown metadata 'licence'"),
        ({"normalisation": '{"mean": 0, "std": -1}'}, "key 'std'"),
        ({"normalisation": '{"mean": 0, "std": 1}'}, "lacks the standard deviation of the density"),
        ({"config": changed_config(grid_shape=[8, 8, 6])}, "grid 8×8×6 does not fit"),
        ({"config": changed_config(grid_shape=[16, 8, 8])}, "'decoder.project.weight' is (32, 3)"),
        ({"config": changed_config(denoiser={"hidden": 10**15})}, "no networks"),
    ],
)
def test_other_metadata_are_refused(metadata: dict[str, str], message: str, path: Path) -> None:
    rewrite(path, **metadata)
    assert message in refusal(path)


def with_nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors["denoiser.input.weight"][0, 0] = torch.nan


def with_zero_std(tensors: dict[str, torch.Tensor]) -> None:
    tensors["latent_std"][1] = 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("latent_mean"), "missing tensor 'latent_mean'"),
        (lambda t: t.update(hidden=torch.zeros(1)), "unknown tensor 'hidden'"),
        (
            lambda t: t.update(latent_mean=torch.zeros(4)),
            "'latent_mean' is (4,) float32, the configuration asks for (3,) float32",
        ),
        (lambda t: t.update(latent_mean=torch.zeros(3, dtype=torch.float16)), "(3,) float16"),
        (with_nan, "'denoiser.input.weight' hold NaN"),
        (with_zero_std, "not positive"),
    ],
)
def test_other_tensors_are_refused(
    change: Callable[[dict[str, torch.Tensor]], object], message: str, path: Path
) -> None:
    rewrite(path, change)
    assert message in refusal(path)


def test_what_cannot_be_loaded_is_not_saved(path: Path) -> None:
    before = path.read_bytes()
    broken = networks()
    with torch.no_grad():
        broken.denoiser.output.bias.fill_(torch.inf)
    with pytest.raises(EldynError, match="hold NaN or infinite"):
        save_checkpoint(path, broken, CONFIG, NORMALISATION, {})
    with pytest.raises(EldynError, match="lacks the standard deviation"):
        save_checkpoint(path, networks(), CONFIG, LogNormalisation(mean=0.0, std=1.0), {})
    assert path.read_bytes() == before


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Let no file grow beyond a size; the system then refuses as for a full quota."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_model_that_was_there(path: Path) -> None:
    before = path.read_bytes()
    with disk_of(1000), pytest.raises(EldynError, match="no space left"):
        save_checkpoint(path, networks(), CONFIG, NORMALISATION, {"recipe": "other"})
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
