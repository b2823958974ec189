"""How density waves live and die: ρ_q of the lowest modes, F(q,t), relaxation times, S(q,ω)."""

from napari_eldyn.observables.scattering.correlation import (
    DynamicStructureFactor,
    IntermediateScattering,
    dynamic_structure_factor,
    intermediate_scattering,
)
from napari_eldyn.observables.scattering.modes import DensityModes, density_modes, ion_modes

__all__ = [
    "DensityModes",
    "DynamicStructureFactor",
    "IntermediateScattering",
    "density_modes",
    "dynamic_structure_factor",
    "intermediate_scattering",
    "ion_modes",
]
