"""What our own writer says in the first line of a VASP file, which VASP's format has no place for.

Such as ``li32: electron density (pseudo), i = 3, time = 12.000000; no PAW occupancies``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast, get_args

from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.density.trajectory import DensityKind

__all__ = ["Comment", "read_comment"]

_COMMENT = re.compile(
    r".*: (?P<title>[^:(]+?)( \((?P<kind>\w+)\))?, i = \d+(, time = (?P<time>-?\d+\.\d+))?; "
    r"no PAW occupancies"
)


@dataclass(frozen=True)
class Comment:
    """What a comment line tells.

    Parameters
    ----------
    quantity : str
    kind : str
    time : float, optional
        [fs].
    """

    quantity: str
    kind: DensityKind
    time: float | None


def read_comment(line: str) -> Comment | None:
    """Return what the comment line of a file of ours tells; None of a file of anybody else's."""
    match = _COMMENT.fullmatch(line)
    if match is None:
        return None
    titles = {quantity.title.lower(): name for name, quantity in QUANTITIES.items()}
    kind = match["kind"] or "unknown"
    if match["title"] not in titles or kind not in get_args(DensityKind):
        return None
    time = None if match["time"] is None else float(match["time"])
    return Comment(titles[match["title"]], cast("DensityKind", kind), time)
