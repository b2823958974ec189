"""The list of a campaign's trajectories: where each is, how it was made, how far it got."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from napari_eldyn.config import StrictModel, parse_config
from napari_eldyn.density.files import write_whole
from napari_eldyn.exceptions import EldynError

__all__ = ["MANIFEST", "Manifest", "Status", "TrajectoryRecord", "read_manifest", "write_manifest"]

MANIFEST: Final = "manifest.json"
VERSION: Final = 1

Status = Literal["waiting", "running", "finished", "failed"]


class TrajectoryRecord(StrictModel):
    """One trajectory of a campaign."""

    name: str
    store: str
    """Directory of the store, relative to the campaign's."""
    status: Status
    """``waiting``: not begun; ``running``: begun and neither finished nor given up, which
    includes trajectories whose campaign was stopped."""
    parameters: dict[str, Any]
    """What distinguishes it from its recipe, by dotted keys, such as ``seed``."""
    seed: int
    recipe: dict[str, Any]
    """The whole AIMD recipe, from which the trajectory can be run again."""
    recipe_sha256: str
    frames: int = Field(default=0, ge=0)
    """Whole frames in the store."""
    frames_wanted: int = Field(ge=0)
    attempts: int = Field(default=0, ge=0)
    """How often it was started, over all runs of the campaign."""
    started: str | None = None
    """First start, ISO 8601 with time zone."""
    ended: str | None = None
    """When it finished or was given up."""
    error: str | None = None
    """Why the last attempt that ended badly did so."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of the programs that made it, as far as known."""


class Manifest(StrictModel):
    """All trajectories of a campaign."""

    format: Literal["eldyn campaign"] = "eldyn campaign"
    version: Literal[1] = VERSION
    recipe: str
    """The AIMD recipe that the campaign varies."""
    trajectories: tuple[TrajectoryRecord, ...]

    @property
    def finished(self) -> tuple[TrajectoryRecord, ...]:
        """The trajectories that are whole."""
        return tuple(record for record in self.trajectories if record.status == "finished")


def read_manifest(directory: str | Path) -> Manifest:
    """Read the manifest of a campaign's directory.

    The stores are at ``directory / record.store``; whether they are there and sound shows when
    they are opened.

    Raises
    ------
    EldynError
        If there is no manifest, it is damaged, or of another format version.
    """
    path = Path(directory) / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EldynError(
            "no campaign in this directory: it has no manifest.json",
            path=directory,
            remedy="Make one with eldyn-train campaign.",
        ) from None
    except OSError as error:
        raise EldynError(f"cannot read: {error.strerror or error}", path=path) from error
    except ValueError as error:
        raise EldynError(f"the manifest is damaged ({error})", path=path) from error
    if not isinstance(values, dict) or values.get("format") != "eldyn campaign":
        raise EldynError("not the manifest of a campaign", path=path)
    if values.get("version") != VERSION:
        raise EldynError(
            f"the manifest has version {values.get('version')!r}; "
            f"this program reads version {VERSION}",
            path=path,
            remedy="Update napari-eldyn.",
        )
    return parse_config(Manifest, values, path=path)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest of a campaign's directory, whole or not at all.

    Raises
    ------
    EldynError
        If it cannot be written; the one before stays.
    """
    path = directory / MANIFEST
    content = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
    write_whole(path, f"{content}\n".encode())
