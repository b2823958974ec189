"""Docks: thin faces of the viewer's controller and of the figures' artists."""
