"""Versions of the programs that made a result."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["installed_versions"]


def installed_versions(*packages: str) -> dict[str, str]:
    """Return the versions of those packages that are installed, by name."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
