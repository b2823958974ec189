"""What VASP's files of volumes hold, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_eldyn.density.formats.vasp_index import grid_line
from napari_eldyn.density.formats.vasp_poscar import LineReader, read_poscar
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.density.trajectory import DensityKind
from napari_eldyn.exceptions import EldynError

__all__ = [
    "CONTENTS",
    "PATTERNS",
    "Content",
    "accepts",
    "content_name",
    "neighbour_name",
    "sibling_name",
]


@dataclass(frozen=True)
class Content:
    """What one of VASP's files holds.

    Parameters
    ----------
    quantity : str
    kind : str
        Of a density.
    spin, vector : tuple of str
        Names of the further volumes of a spin-polarised and of a non-collinear calculation.
    """

    quantity: str = "density"
    kind: DensityKind = "unknown"
    spin: tuple[str, ...] = ("density_spin",)
    vector: tuple[str, ...] = ("density_spin_x", "density_spin_y", "density_spin_z")


CONTENTS = {
    "CHGCAR": Content(kind="valence"),
    "CHG": Content(kind="valence"),
    "PARCHG": Content(),
    "AECCAR0": Content(kind="core"),
    "AECCAR1": Content(),
    "AECCAR2": Content(kind="valence"),
    "LOCPOT": Content(
        "potential",
        spin=("potential_down",),
        vector=("potential_b1", "potential_b2", "potential_b3"),
    ),
    "ELFCAR": Content(
        "localisation",
        spin=("localisation_down",),
        vector=("localisation_2", "localisation_3", "localisation_4"),
    ),
}
"""By VASP's name of the file. https://vasp.at/wiki/CHGCAR, LOCPOT and ELFCAR: the volumes of a
spin-polarised CHGCAR are ρ↑+ρ↓ and ρ↑−ρ↓; of a LOCPOT and an ELFCAR, those of spin up and down."""

_NAMES = re.compile(
    r"AECCAR[012]|CHGCAR|PARCHG|LOCPOT|ELFCAR|(?<![A-Za-z])CHG(?![A-Za-z])", re.IGNORECASE
)
_OWN_NAME = re.compile(
    r"(.*[-_. ])?(AECCAR[012]|CHGCAR|PARCHG|LOCPOT|ELFCAR|CHG)(\.vasp)?(\.gz)?", re.IGNORECASE
)

PATTERNS = (
    *("*CHGCAR*", "*CHG", "*CHG.gz", "*PARCHG*", "*AECCAR*", "*LOCPOT*", "*ELFCAR*"),
    *("*.chgcar", "*.vasp"),
)

_LONG = 60 * 1024


def content_name(path: Path, options: OpenOptions) -> tuple[str, bool]:
    """Return VASP's name of a file's content, and whether its name or the user tells."""
    if options.dataset is not None:
        name = options.dataset.upper()
        if name not in CONTENTS:
            known = ", ".join(CONTENTS)
            raise EldynError(
                f"'{options.dataset}' is none of VASP's files of volumes: {known}", path=path
            )
        return name, True
    found = _NAMES.findall(path.name)
    return (found[-1].upper(), True) if found else ("CHGCAR", False)


def neighbour_name(name: str, kind: str) -> str | None:
    """Return what the neighbour `kind` of a file is called: ``Si-OUTCAR`` of ``Si-CHGCAR.gz``."""
    found = list(_NAMES.finditer(name))
    return name[: found[-1].start()] + kind if found else None


def sibling_name(name: str, kind: str) -> str | None:
    """Return the name of the same run's volume `kind`: ``AECCAR2.gz`` of ``AECCAR0.gz``."""
    found = list(_NAMES.finditer(name))
    return name[: found[-1].start()] + kind + name[found[-1].end() :] if found else None


def accepts(path: Path, head: bytes) -> bool:
    """Return whether a file has VASP's name, or starts with a structure and a grid."""
    if _OWN_NAME.fullmatch(path.name):
        return b"\0" not in head
    lines = LineReader(_lines_of(head), path, lambda _: 0)
    try:
        read_poscar(lines)
        lines.skip_blank()
        shape = grid_line(lines.take("the counts of grid points"))
        numbers = lines.skip_blank()
    except EldynError:
        shape = numbers = None
    if numbers is None and len(head) >= _LONG and lines.peek() is None:
        # Of very many atoms, the head of the file ends before its grid.
        return bool(_NAMES.search(path.name))
    return shape is not None and _starts_with_number(numbers)


def _lines_of(head: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for line in head.split(b"\n"):
        yield offset, line
        offset += len(line) + 1


def _starts_with_number(line: bytes | None) -> bool:
    try:
        float((line or b"").split()[0])
    except (ValueError, IndexError):
        return False
    return True
