"""Units of densities by the many names that people and files have for them."""

from __future__ import annotations

import ase.units

from napari_eldyn.density.formats.volume_file import Unit

__all__ = ["TO_ELECTRONS_PER_CUBIC_ANGSTROM", "UNITS", "unit_named"]

UNITS: tuple[Unit, ...] = ("e/Å³", "e/bohr³")

TO_ELECTRONS_PER_CUBIC_ANGSTROM: dict[Unit, float] = {
    "e/Å³": 1.0,
    "e/bohr³": float(ase.units.Bohr) ** -3,
}

_LENGTHS: dict[Unit, tuple[str, ...]] = {
    "e/Å³": ("å", "a", "ang", "angstrom", "angstroms", "ångström", "ångstrom"),
    "e/bohr³": ("bohr", "bohrs", "a0", "a_0"),
}


def unit_named(text: str) -> Unit | None:
    """Return the unit that a text such as ``electrons/Å³`` or ``e bohr^-3`` means, if any."""
    # The Ångström sign of its own, U+212B, is written as the letter.
    plain = text.strip().lower().replace("\u212b", "å").replace("³", "3").replace("⁻", "-")
    plain = plain.replace("**", "").replace("^", "")
    for character in " ()[]{}":
        plain = plain.replace(character, "")
    for word in ("electrons", "electron", "e", "1"):
        if plain.startswith(word):
            plain = plain.removeprefix(word)
            break
    for unit, names in _LENGTHS.items():
        for name in names:
            if plain in (f"/{name}3", f"{name}-3", f"*{name}-3", f"per{name}3"):
                return unit
    return None
