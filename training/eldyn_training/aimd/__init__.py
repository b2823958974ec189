"""Ab-initio molecular dynamics with GPAW, written frame by frame into an ``.eldyn`` store."""

from eldyn_training.aimd.recipe import AimdRecipe, load_aimd_recipe
from eldyn_training.aimd.run import AimdResult, run_aimd

__all__ = ["AimdRecipe", "AimdResult", "load_aimd_recipe", "run_aimd"]
