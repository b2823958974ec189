"""Train the emulators of napari-eldyn."""
