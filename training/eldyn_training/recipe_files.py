"""Where recipes lie, how one extends another, and in what two differ."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from napari_eldyn.exceptions import EldynError

__all__ = ["differences", "read_recipe", "shipped_recipes"]

_OTHER_KINDS = ("aimd_", "campaign_")
"""How the names of recipes that train nothing begin."""


def shipped_recipes(prefix: str = "") -> dict[str, Path]:
    """Return the recipes of one kind that come with the package, by name.

    Parameters
    ----------
    prefix : {"", "aimd_", "campaign_"}
        How their names begin; recipes for training have no prefix.
    """
    inside = Path(str(files("eldyn_training"))) / "recipes"
    beside = Path(str(files("eldyn_training"))).parent / "recipes"  # in a checkout
    directory = inside if inside.is_dir() else beside
    return {
        path.stem: path
        for path in sorted(directory.glob(f"{prefix}*.toml"))
        if prefix or not path.stem.startswith(_OTHER_KINDS)
    }


def read_recipe(name: str | Path, *, prefix: str = "") -> tuple[dict[str, Any], Path]:
    """Read a recipe's values, those of the recipes it extends included.

    Parameters
    ----------
    name : path-like
        A TOML file, or the name of a shipped recipe.
    prefix : str
        The kind of recipe, as in `shipped_recipes`.

    Returns
    -------
    values : dict
        Unchecked.
    path : Path
        The file.

    Raises
    ------
    EldynError
        If there is no such recipe, the file is not TOML, or it extends itself.
    """
    path = _find(Path(name), prefix)
    return _values(path, prefix, ()), path


def _find(path: Path, prefix: str, beside: Path | None = None) -> Path:
    """Return the file of a recipe given by path or by the name of a shipped one."""
    if beside is not None and (beside / path).is_file():
        return beside / path
    if path.is_file():
        return path
    shipped = shipped_recipes(prefix)
    if str(path) in shipped:
        return shipped[str(path)]
    for kind in ("", *_OTHER_KINDS):
        if str(path) in shipped_recipes(kind):
            command = {"": "fit"}.get(kind, kind.rstrip("_"))
            raise EldynError(
                "a recipe of another kind", path=path, remedy=f"It is for eldyn-train {command}."
            )
    raise EldynError(
        "no such recipe file",
        path=path,
        remedy=f"Give a TOML file, or one of {', '.join(shipped)}.",
    )


def _values(path: Path, prefix: str, extended_by: tuple[Path, ...]) -> dict[str, Any]:
    """Read a recipe file and all it extends."""
    if path.resolve() in extended_by:
        raise EldynError("this recipe extends itself", path=path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EldynError(f"not a TOML file ({error})", path=path) from error
    base = values.pop("extends", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise EldynError(f"extends = {base!r} is not the name of a recipe", path=path)
    found = _find(Path(base), prefix, beside=path.parent)
    return _merged(_values(found, prefix, (*extended_by, path.resolve())), values)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return two nested mappings as one; where both have a value, the second's counts."""
    result = dict(below)
    for key, own in above.items():
        inner = result.get(key)
        both = isinstance(inner, dict) and isinstance(own, dict)
        result[key] = _merged(dict(inner or {}), own) if both else own
    return result


def differences(left: Any, right: Any, key: str = "") -> list[str]:
    """Name the keys, dotted, in which two nested mappings differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        return [
            difference
            for name in sorted(left.keys() | right.keys())
            for difference in differences(
                left.get(name), right.get(name), f"{key}.{name}" if key else name
            )
        ]
    return [] if left == right else [key]
