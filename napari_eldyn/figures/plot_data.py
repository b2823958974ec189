"""The numbers of a plot as text: CSV files with their origin, columns for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["csv_text", "tsv_text"]


def csv_text(table: Mapping[str, ArrayLike], provenance: Mapping[str, Any], title: str = "") -> str:
    """Write columns as comma-separated values.

    Parameters
    ----------
    table : mapping of str to array_like
        Columns by name; the shorter ones end early.
    provenance : mapping
        Where the numbers come from; written as comments (``# key: value``, values as JSON).
    title : str
        First comment.

    Returns
    -------
    str
        Comments, one line of column names, then the rows; ``pandas.read_csv(path, comment="#")``
        reads it.
    """
    lines = [f"# {title}"] if title else []
    for key, value in provenance.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        lines.append(f"# {key}: {' '.join(text.split())}")
    return "\n".join([*lines, _columns(table, ",")])


def tsv_text(table: Mapping[str, ArrayLike]) -> str:
    """Write columns as tab-separated values under their names, which spreadsheets paste."""
    return _columns(table, "\t")


def _columns(table: Mapping[str, ArrayLike], delimiter: str) -> str:
    columns = [np.asarray(values, dtype=np.float64) for values in table.values()]
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    writer.writerow(table)
    for row in range(max((len(column) for column in columns), default=0)):
        writer.writerow([_number(column, row) for column in columns])
    return buffer.getvalue()


def _number(column: np.ndarray[Any, np.dtype[np.float64]], row: int) -> str:
    if row >= len(column) or not np.isfinite(column[row]):
        return ""
    return f"{column[row]:.10g}"
