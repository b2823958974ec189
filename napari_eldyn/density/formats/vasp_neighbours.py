"""What the files beside a VASP volume tell: electrons, elements, and the time between frames."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_eldyn.density.formats.byte_source import open_source
from napari_eldyn.density.formats.vasp_poscar import Poscar, element_number
from napari_eldyn.exceptions import EldynError

__all__ = ["Neighbours", "read_neighbours"]

_LIMITS = {"OUTCAR": 8 << 20, "POTCAR": 32 << 20, "INCAR": 1 << 20}
"""How much of a neighbour is read [bytes]; what is wanted of an OUTCAR stands near its top."""

_NELECT = re.compile(rb"^[ \t]*NELECT[ \t]*=[ \t]*([\d.]+)", re.MULTILINE)
_NIONS = re.compile(rb"NIONS[ \t]*=[ \t]*(\d+)")
_TITLE = re.compile(rb"^[ \t]*TITEL[ \t]*=[ \t]*\S+[ \t]+(\S+)", re.MULTILINE)
_ZVAL = re.compile(rb"ZVAL[ \t]*=[ \t]*([\d.]+)")


@dataclass(frozen=True)
class Neighbours:
    """What is known from the files beside.

    Parameters
    ----------
    electrons : float, optional
        Valence electrons of the cell.
    electrons_from : str, optional
        Where they come from, in words.
    symbols : tuple of str
        Elements of the species after the POTCAR; empty if there is none that fits.
    valence : float, optional
        Sum of ZVAL of the POTCAR, electrons of the neutral cell.
    step : float, optional
        POTIM of a molecular dynamics run [fs].
    n_steps : int, optional
        Its NSW.
    """

    electrons: float | None = None
    electrons_from: str | None = None
    symbols: tuple[str, ...] = ()
    valence: float | None = None
    step: float | None = None
    n_steps: int | None = None


def read_neighbours(path: Path, name: Callable[[str], str | None], structure: Poscar) -> Neighbours:
    """Read OUTCAR, POTCAR and INCAR beside a file, if there are any that fit its structure.

    Parameters
    ----------
    path : Path
        The file of volumes.
    name : callable
        ``name("OUTCAR")``: what the neighbour is called after the file's own name, such as
        ``Si-OUTCAR`` beside ``Si-CHGCAR``; None if the name does not tell.
    structure : Poscar
        Of the file; neighbours of other numbers of atoms or species belong to another run.
    """
    symbols, valence = _fit_potcar(_facts(path, "POTCAR", name), structure)
    counted = _fit_outcar(_facts(path, "OUTCAR", name), structure)
    step, n_steps = _facts(path, "INCAR", name) or (None, None)
    if counted is not None:
        electrons, origin = counted, "NELECT of the OUTCAR beside"
    elif valence is not None:
        electrons, origin = valence, "ZVAL of the POTCAR beside, for a neutral cell"
    else:
        return Neighbours(symbols=symbols, step=step, n_steps=n_steps)
    return Neighbours(electrons, origin, symbols, valence, step, n_steps)


def _facts(path: Path, kind: str, name: Callable[[str], str | None]) -> Any:
    """Return what a neighbour says, None if there is none."""
    for candidate in dict.fromkeys((name(kind), kind)):
        for ending in ("", ".gz"):
            beside = path.with_name(f"{candidate}{ending}")
            if candidate is not None and beside.is_file():
                state = beside.stat()
                return _read_facts(beside, kind, state.st_size, state.st_mtime_ns)
    return None


@lru_cache(maxsize=16)
def _read_facts(path: Path, kind: str, size: int, changed: int) -> Any:
    """Read a neighbour once for all files of a series; `size` and `changed` tell new ones."""
    try:
        text = open_source(path).read(0, _LIMITS[kind])
    except (EldynError, OSError):
        # A damaged neighbour is as good as none: it is the volumes that were opened.
        return None
    return {"OUTCAR": _read_outcar, "POTCAR": _read_potcar, "INCAR": _read_incar}[kind](text)


def _read_outcar(text: bytes) -> tuple[int, float] | None:
    """Return the numbers of atoms and of electrons."""
    atoms, electrons = _NIONS.search(text), _NELECT.search(text)
    number = None if electrons is None else _number(electrons[1])
    return None if atoms is None or number is None else (int(atoms[1]), number)


def _fit_outcar(facts: tuple[int, float] | None, structure: Poscar) -> float | None:
    if facts is None or facts[0] != sum(structure.counts):
        return None
    return facts[1]


def _read_potcar(text: bytes) -> tuple[tuple[str, ...], list[float]] | None:
    """Return the elements of the species and their valence electrons."""
    symbols = tuple(word.decode("ascii", "replace") for word in _TITLE.findall(text))
    valences = [_number(word) for word in _ZVAL.findall(text)]
    known = [value for value in valences if value is not None]
    return (symbols, known) if len(known) == len(symbols) else None


def _fit_potcar(
    facts: tuple[tuple[str, ...], list[float]] | None, structure: Poscar
) -> tuple[tuple[str, ...], float | None]:
    if facts is None or len(facts[0]) != len(structure.counts):
        return (), None
    symbols, valences = facts
    own = [element_number(symbol) for symbol in structure.symbols]
    if own and own != [element_number(symbol) for symbol in symbols]:
        return (), None
    return symbols, float(np.dot(valences, structure.counts))


def _read_incar(text: bytes) -> tuple[float, int] | None:
    """Return POTIM [fs] and NSW of a molecular dynamics run (IBRION = 0)."""
    tags: dict[str, str] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        for statement in re.split(r"[#!]", line)[0].split(";"):
            tag, equals, value = statement.partition("=")
            if equals and value.split():
                tags[tag.strip().upper()] = value.split()[0]
    try:
        if int(tags["IBRION"]) != 0:
            return None
        step, n_steps = float(tags["POTIM"]), int(tags["NSW"])
    except (KeyError, ValueError):
        return None
    return (step, n_steps) if 0.0 < step < 1e3 and n_steps > 0 else None


def _number(word: bytes) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
