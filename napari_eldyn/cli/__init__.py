"""The ``eldyn`` command: the same functions as the docks, without a window."""

from __future__ import annotations

import sys

import typer

from napari_eldyn.exceptions import EldynError

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
    """Run the command line; errors that users can act on end in one message and exit code 1."""
    try:
        app()
    except EldynError as error:
        print(f"eldyn: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("eldyn: interrupted", file=sys.stderr)
        sys.exit(130)


from napari_eldyn.cli import convert, evaluate, info, rollout  # noqa: E402, F401 - they register
