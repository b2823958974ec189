"""One number that a target asks for, and whether it is reached."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Criterion", "at_most", "below", "missing"]


@dataclass(frozen=True)
class Criterion:
    """One number that a target asks for.

    Parameters
    ----------
    target : int
        Number of the target.
    name : str
        What was measured.
    reached : float or None
        The number; None where it could not be judged.
    unit : str
        Of the number.
    bound : str or None
        What is asked for; None for a number that stands here for information only.
    met : bool or None
        None where it was not judged, or nothing is asked for.
    note : str
        What a reader must know of the number, or why it is missing.
    """

    target: int
    name: str
    reached: float | None
    unit: str = ""
    bound: str | None = None
    met: bool | None = None
    note: str = ""


def missing(target: int, name: str, reason: str) -> Criterion:
    """Say why something that is asked for could not be judged."""
    return Criterion(target, name, None, bound="asked for", note=reason)


def at_most(
    target: int, name: str, reached: float | None, bound: float, unit: str = "", note: str = ""
) -> Criterion:
    """Ask for a number up to a bound."""
    met = None if reached is None else reached <= bound
    return Criterion(target, name, reached, unit, f"≤ {bound:g}", met, note)


def below(
    target: int, name: str, reached: float | None, bound: float, unit: str = "", note: str = ""
) -> Criterion:
    """Ask for a number below a bound."""
    met = None if reached is None else reached < bound
    return Criterion(target, name, reached, unit, f"< {bound:g}", met, note)
