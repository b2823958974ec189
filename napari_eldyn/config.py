"""Check mappings read from files against typed configurations."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

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
    if detail["type"] != "extra_forbidden":
        return f"key '{key}': {detail['msg'][0].lower()}{detail['msg'][1:]}"
    known = list(_fields_at(model, location[:-1]))
    near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.0)
    return f"unknown key '{key}'" + (f" (did you mean '{near[0]}'?)" if near else "")


def _fields_at(model: type[BaseModel], location: list[str]) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = model.model_fields
    for part in location:
        field = fields.get(part)
        annotation = None if field is None else field.annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return {}
        fields = annotation.model_fields
    return fields
