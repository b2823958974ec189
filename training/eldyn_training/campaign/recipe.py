"""Which trajectories a campaign consists of, as one TOML file."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, field_validator

from eldyn_training.campaign.engine import whole_values
from eldyn_training.recipe_files import shipped_recipes
from napari_eldyn.config import StrictModel, parse_config
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from eldyn_training.aimd import AimdRecipe

__all__ = [
    "Campaign",
    "CampaignRecipe",
    "PlannedTrajectory",
    "TrajectoryRecipe",
    "load_campaign",
    "plan",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Overrides = dict[str, Any]

CELL_KEY: Final = "structure.length"
"""Of the AIMD recipe: the length that `cells` varies."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


class TrajectoryRecipe(StrictModel):
    """One trajectory listed by itself; what is not given is as in the AIMD recipe."""

    name: str | None = None
    """Of its store; made of temperature, cell and seed if not given."""
    seed: Seed | None = None
    temperature: Positive | None = None
    """K."""
    cell: Positive | None = None
    """Length of the cell's first vector, to which the whole cell is scaled [Å]."""
    overrides: Overrides = Field(default_factory=dict)
    """Further keys of the AIMD recipe, dotted or as tables."""

    @field_validator("name")
    @classmethod
    def _name_is_a_file_name(cls, value: str | None) -> str | None:
        if value is not None and _NAME.fullmatch(value) is None:
            raise ValueError(f"'{value}' is no name of letters, digits and . _ + -")
        return value


class CampaignRecipe(StrictModel):
    """All products of seeds, temperatures and cells, and the trajectories listed one by one."""

    recipe: str
    """The AIMD recipe to vary: a shipped one, or a file beside this one."""
    retries: Annotated[int, Field(ge=0)] = 2
    """A trajectory is given up when more attempts than this failed without adding a frame."""
    seeds: tuple[Seed, ...] = ()
    temperatures: tuple[Positive, ...] = ()
    """K."""
    cells: tuple[Positive, ...] = ()
    """Lengths of the cell's first vector, to which the whole cell is scaled [Å]."""
    overrides: Overrides = Field(default_factory=dict)
    """Further keys of the AIMD recipe, dotted or as tables, for all trajectories."""
    trajectories: tuple[TrajectoryRecipe, ...] = ()

    @field_validator("seeds", "temperatures", "cells")
    @classmethod
    def _no_value_twice(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        twice = [value for value, count in Counter(values).items() if count > 1]
        if twice:
            raise ValueError(f"{', '.join(f'{value:g}' for value in twice)} is there twice")
        return values


@dataclass(frozen=True)
class PlannedTrajectory:
    """A trajectory to run."""

    name: str
    parameters: Mapping[str, Any]
    """Its values of the AIMD recipe's keys that the campaign varies, by dotted keys."""
    recipe: AimdRecipe

    @property
    def values(self) -> dict[str, Any]:
        """The recipe as plain values."""
        return self.recipe.model_dump(mode="json")

    @property
    def frames(self) -> int:
        """Frames that the whole trajectory has."""
        return self.recipe.frames

    @property
    def sha256(self) -> str:
        """Hash of the recipe."""
        return hashlib.sha256(json.dumps(self.values, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Campaign:
    """A campaign whose trajectories are all worked out."""

    recipe: str
    retries: int
    trajectories: tuple[PlannedTrajectory, ...]


def load_campaign(name: str | Path) -> Campaign:
    """Read a campaign file and work out its trajectories.

    Parameters
    ----------
    name : path-like
        A TOML file, or the name of a shipped campaign such as ``campaign_li32``.

    Raises
    ------
    EldynError
        If there is no such file, it is not TOML, a key of it or of the AIMD recipe is unknown or
        of a wrong type, or two trajectories have the same name.
    """
    from eldyn_training.aimd import load_aimd_recipe

    path = Path(name)
    shipped = shipped_recipes("campaign_")
    if not path.is_file():
        if str(name) not in shipped:
            raise EldynError(
                "no such campaign file",
                path=path,
                remedy=f"Give a TOML file, or one of {', '.join(shipped)}.",
            )
        path = shipped[str(name)]
    campaign = parse_config(CampaignRecipe, whole_values(path), path=path)
    beside = path.parent / campaign.recipe
    return plan(
        campaign, load_aimd_recipe(beside if beside.is_file() else campaign.recipe), path=path
    )


def plan(campaign: CampaignRecipe, base: AimdRecipe, *, path: Path | None = None) -> Campaign:
    """Work out the trajectories of a campaign.

    Parameters
    ----------
    campaign : CampaignRecipe
        What to vary.
    base : AimdRecipe
        The recipe that is varied.
    path : Path, optional
        The campaign's file, for messages.

    Raises
    ------
    EldynError
        If a trajectory's recipe is not valid, or two have the same name.
    """
    planned = [_planned(campaign, entry, base, path) for entry in _entries(campaign)]
    for name, count in Counter(trajectory.name for trajectory in planned).items():
        if count > 1:
            raise EldynError(
                f"{count} trajectories have the name {name}",
                path=path,
                remedy='Give the listed ones a name of their own, as in name = "long".',
            )
    return Campaign(campaign.recipe, campaign.retries, tuple(planned))


def _entries(campaign: CampaignRecipe) -> Iterator[TrajectoryRecipe]:
    axes = (campaign.seeds, campaign.temperatures, campaign.cells)
    if any(axes) or not campaign.trajectories:
        for temperature, cell, seed in itertools.product(
            campaign.temperatures or (None,), campaign.cells or (None,), campaign.seeds or (None,)
        ):
            yield TrajectoryRecipe(seed=seed, temperature=temperature, cell=cell)
    yield from campaign.trajectories


def _planned(
    campaign: CampaignRecipe, entry: TrajectoryRecipe, base: AimdRecipe, path: Path | None
) -> PlannedTrajectory:
    from eldyn_training.aimd import AimdRecipe

    named = {"seed": entry.seed, "temperature": entry.temperature, CELL_KEY: entry.cell}
    parameters = {
        **_dotted(campaign.overrides),
        **_dotted(entry.overrides),
        **{key: value for key, value in named.items() if value is not None},
    }
    values = base.model_dump(mode="json")
    for key, value in parameters.items():
        _put(values, key, value)
    try:
        recipe = parse_config(AimdRecipe, values)
    except EldynError as error:
        shown = entry.name or ", ".join(f"{key} = {value}" for key, value in parameters.items())
        raise EldynError(
            f"the AIMD recipe {campaign.recipe} with {shown}: {error.problem}",
            path=path,
            remedy=error.remedy,
        ) from error
    return PlannedTrajectory(entry.name or _name(recipe), parameters, recipe)


def _dotted(overrides: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one with dotted keys."""
    result: dict[str, Any] = {}
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            result |= _dotted(value, f"{prefix}{key}.")
        else:
            result[prefix + key] = value
    return result


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        inner = values.get(section)
        values[section] = dict(inner) if isinstance(inner, Mapping) else {}
        values = values[section]
    values[last] = value


def _name(recipe: AimdRecipe) -> str:
    """Make a name that stays the same whatever else is added to the campaign."""
    temperature = f"{recipe.temperature:04.0f}"
    if not recipe.temperature.is_integer():
        temperature = f"{recipe.temperature:g}"
    cell = ""
    if recipe.structure.length is not None:
        length = f"{recipe.structure.length:.2f}"
        if abs(float(length) - recipe.structure.length) > 1e-9:
            length = f"{recipe.structure.length:g}"
        cell = f"_L{length}"
    return f"T{temperature}{cell}_s{recipe.seed:03d}"
