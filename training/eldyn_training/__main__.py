"""``python -m eldyn_training``: the ``eldyn-train`` command, as MPI needs it."""

from eldyn_training.cli import main

main()
