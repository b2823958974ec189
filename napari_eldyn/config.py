"""Check mappings read from files against typed configurations."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_eldyn.exceptions import EldynError

__all__ = ["StrictModel", "parse_config"]

ModelT = TypeVar("ModelT", bound="StrictModel")


class StrictModel(BaseModel):
    """A frozen configuration that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_config(
    model: type[ModelT], values: Mapping[str, Any], *, path: str | Path | None = None
) -> ModelT:
    """Build a configuration from a mapping.

    Parameters
    ----------
    model : type
        The configuration class.
    values : mapping
        Keys and values as read from a file.
    path : path-like, optional
        The file, named in the error.

    Returns
    -------
    StrictModel
        The checked configuration.

    Raises
    ------
    EldynError
        If a key is unknown (the nearest known key is suggested), missing, or of a wrong type.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_describe(model, dict(detail)) for detail in error.errors(include_url=False)]
    raise EldynError("; ".join(problems), path=path, remedy="Correct the named keys.")


def _describe(model: type[BaseModel], detail: dict[str, Any]) -> str:
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        near = _nearest_key(model, location)
        return f"unknown key '{key}'" + (f" (did you mean '{near}'?)" if near else "")
    if detail["type"] == "model_type":
        return f"key '{key}': input should be a table of keys, not {detail['input']!r}"
    problem = f"key '{key}': {detail['msg'][0].lower()}{detail['msg'][1:]}"
    if detail["type"] == "literal_error":
        values = re.findall(r"'([^']*)'", str(detail["ctx"]["expected"]))
        near_values = difflib.get_close_matches(str(detail["input"]), values, n=1)
        problem += f", not {detail['input']!r}"
        if near_values:
            problem += f" (did you mean '{near_values[0]}'?)"
    return problem


def _nearest_key(model: type[BaseModel], location: list[str]) -> str | None:
    """Return the nearest key of the same section, or the same key of another section."""
    *section, name = (part for part in location if not part.isdecimal())  # items of lists
    elsewhere = [key for key in _keys(model) if key.split(".")[-1] == name]
    if elsewhere:
        return elsewhere[0]
    known = [key.split(".") for key in _keys(model)]
    siblings = [key[-1] for key in known if key[:-1] == section]
    near = difflib.get_close_matches(name, siblings, n=1, cutoff=0.0)
    return near[0] if near else None


def _keys(model: type[BaseModel], section: str = "") -> Iterator[str]:
    """List the dotted names of all keys, sections among them."""
    for name, field in model.model_fields.items():
        yield f"{section}{name}"
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _keys(part, f"{section}{name}.")
