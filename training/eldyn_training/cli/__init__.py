"""The ``eldyn-train`` command, one module for each subcommand."""

from __future__ import annotations

import typer

from napari_eldyn.exceptions import run_command

__all__ = ["app", "main"]

app = typer.Typer(
    name="eldyn-train",
    help="From AIMD to trained emulators of electron-density dynamics. Lengths in Å, times in fs, "
    "energies in eV, densities in electrons/Å³.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _commands() -> None:
    """Keep a lone command a subcommand."""


def main() -> None:
    """Run the command line."""
    run_command(app, "eldyn-train")


from eldyn_training.cli import aimd, campaign, fit  # noqa: E402, F401 - it registers
