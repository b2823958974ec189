"""The napari side: layers, the side-by-side view, and the controller of a live rollout."""
