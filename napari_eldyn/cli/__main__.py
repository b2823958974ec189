"""``python -m napari_eldyn.cli`` is ``eldyn``."""

from napari_eldyn.cli import main

main()
