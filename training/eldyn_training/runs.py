"""The directory of a training run: what is trained, the log, and checkpoints to resume from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from eldyn_training.recipe import Recipe, parse_recipe
from eldyn_training.recipe_files import differences
from napari_eldyn.density.files import acquire, write_whole, writing
from napari_eldyn.exceptions import EldynError

__all__ = ["RunDirectory"]

_IDENTITY = "run.json"
_CHECKPOINT = "checkpoint.safetensors"
_LOG = "log.jsonl"


@dataclass(frozen=True)
class RunDirectory:
    """A run on disk: ``run.json``, ``log.jsonl``, ``checkpoint.safetensors``, the model.

    Open it with :meth:`claim`, which refuses the directory of another run.
    """

    path: Path
    lock: int | None

    @classmethod
    def claim(
        cls, path: Path, recipe: Recipe, data_sha256: str, autoencoder_sha256: str | None = None
    ) -> RunDirectory:
        """Make the directory, or take up a run of the same recipe, data and autoencoder.

        Raises
        ------
        EldynError
            If it holds another run, other files, or another process is training in it.
        """
        identity = {
            "recipe": recipe.model_dump(mode="json"),
            "data_sha256": data_sha256,
            "autoencoder_sha256": autoencoder_sha256,
        }
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
        lock = acquire(path)
        try:
            _check_identity(path, identity)
            write_whole(path / _IDENTITY, json.dumps(identity, indent=1).encode())
        except EldynError:
            os.close(lock)
            raise
        return cls(path, lock)

    @classmethod
    def beside(cls, path: Path) -> RunDirectory:
        """Look into a directory that another process of the same run has claimed."""
        return cls(path, None)

    def close(self) -> None:
        """Let other processes use the directory."""
        if self.lock is not None:
            os.close(self.lock)

    @property
    def model(self) -> Path:
        """Where the trained model is written."""
        return self.path / "model.safetensors"

    @property
    def best(self) -> Path:
        """Where the weights that validate best are written, if they are not the model's."""
        return self.path / "best.safetensors"

    def save(self, step: int, tensors: Mapping[str, Tensor], extra: Mapping[str, Any]) -> None:
        """Write a checkpoint, whole or not at all; the one before stays until then."""
        path = self.path / _CHECKPOINT
        values = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        metadata = {"step": str(step), "extra": json.dumps(dict(extra))}
        write_whole(path, safetensors.torch.save(values, metadata))

    def load(self) -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
        """Return step, tensors and extra values of the checkpoint, or None if there is none.

        Raises
        ------
        EldynError
            If the checkpoint is damaged.
        """
        path = self.path / _CHECKPOINT
        if not path.exists():
            return None
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return int(metadata["step"]), tensors, json.loads(metadata["extra"])
        except (safetensors.SafetensorError, KeyError, ValueError, OSError) as error:
            raise EldynError(
                f"the checkpoint is damaged ({error})",
                path=path,
                remedy="Delete it to train from the start.",
            ) from error

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append one line to the log."""
        path = self.path / _LOG
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(entry)) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """Return the entries of the log."""
        path = self.path / _LOG
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def rewind_log(self, step: int) -> None:
        """Drop log lines after a step, as a run resumed there writes them again."""
        path = self.path / _LOG
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (json.JSONDecodeError, KeyError, TypeError):
                continue  # the line a killed process did not finish
        write_whole(path, "".join(f"{line}\n" for line in kept).encode())


def _check_identity(path: Path, identity: Mapping[str, Any]) -> None:
    file = path / _IDENTITY
    if not file.exists():
        if any(path.iterdir()):
            raise EldynError(
                "the directory holds other files, not a training run",
                path=path,
                remedy="Choose an empty or new directory.",
            )
        return
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        recipe, data = _with_defaults(found["recipe"]), found["data_sha256"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise EldynError(f"the run's description is damaged ({error})", path=file) from error
    differing = differences(recipe, identity["recipe"])
    if differing:
        raise EldynError(
            f"the directory holds a run of another recipe; it differs in {', '.join(differing)}",
            path=path,
            remedy="Choose another directory, or use that run's recipe to go on with it.",
        )
    if data != identity["data_sha256"]:
        raise EldynError(
            "the directory holds a run of this recipe on other data",
            path=path,
            remedy="Choose another directory, or give the data that run was started with.",
        )
    if found.get("autoencoder_sha256") != identity["autoencoder_sha256"]:
        raise EldynError(
            "the directory holds a run of this recipe with another autoencoder",
            path=path,
            remedy="Choose another directory, or give the --autoencoder that run was started with.",
        )


def _with_defaults(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Add the keys that recipes have gained since a run was started."""
    try:
        return parse_recipe(dict(recipe)).model_dump(mode="json")
    except EldynError:
        return dict(recipe)
