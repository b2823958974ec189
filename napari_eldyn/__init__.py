"""Electron-density trajectories and generative rollouts of their dynamics, in napari."""

__version__ = "0.1.0"
