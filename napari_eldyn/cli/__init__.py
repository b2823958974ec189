"""The ``eldyn`` command: the same functions as the docks, without a window."""

from __future__ import annotations

import typer

from napari_eldyn.exceptions import run_command

__all__ = ["app", "main"]

app = typer.Typer(
    name="eldyn",
    help=(
        "Electron-density trajectories and generative rollouts of their dynamics.\n\n"
        "Units everywhere: lengths in Å, times in fs, densities in electrons/Å³, "
        "wavevectors in 1/Å."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    run_command(app, "eldyn")


from napari_eldyn.cli import convert, evaluate, figures, info, movie, rollout  # noqa: E402, F401 - they register
