"""AIMD recipes: everything that decides a trajectory, as one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eldyn_training.recipe_files import read_recipe
from napari_eldyn.config import StrictModel, parse_config
from napari_eldyn.exceptions import EldynError

__all__ = [
    "AimdRecipe",
    "Kind",
    "MixerRecipe",
    "ScfRecipe",
    "StageRecipe",
    "StructureRecipe",
    "ThermostatRecipe",
    "load_aimd_recipe",
]

Kind = Literal["pseudo", "pseudo_valence", "all_electron"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]


class StructureRecipe(StrictModel):
    """Where the atoms start: a file, or a crystal that is melted."""

    file: str | None = None
    """A structure that ASE reads, relative to the recipe's folder; its last image counts. Element,
    lattice and repeats then do not."""
    element: str | None = None
    """Of a built crystal, which also needs a length."""
    lattice: Literal["sc", "bcc", "fcc", "diamond"] = "fcc"
    repeats: tuple[PositiveInt, PositiveInt, PositiveInt] = (2, 2, 2)
    """Conventional cubic cells along each cell vector."""
    length: Positive | None = None
    """Length of the first cell vector [Å]; the whole cell is scaled to it."""
    displacement: NonNegative = 0.1
    """Standard deviation of random displacements [Å] that break the symmetry of a crystal."""

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.file is None and (self.element is None or self.length is None):
            raise ValueError("give a file, or the element and the length of a crystal")
        return self


class StageRecipe(StrictModel):
    """A stretch of dynamics before the first stored frame."""

    temperature: Positive
    """K."""
    steps: Count


class ThermostatRecipe(StrictModel):
    """NVT."""

    kind: Literal["langevin", "nose_hoover"] = "langevin"
    time: Positive = 100.0
    """fs. Langevin: 1/friction. Nosé-Hoover chain: characteristic time of the thermostat."""


class MixerRecipe(StrictModel):
    """Density mixing, in GPAW's terms."""

    backend: Literal["pulay", "broyden"] = "pulay"
    beta: Positive = 0.25
    history: PositiveInt = 5
    weight: Positive = 20.0


class ScfRecipe(StrictModel):
    """How GPAW finds the electrons' ground state."""

    xc: str = "PBE"
    cutoff: Positive
    """Kinetic energy cutoff of the plane waves [eV]."""
    grid: tuple[PositiveInt, PositiveInt, PositiveInt]
    """Points along the cell vectors; the stored densities lie on them."""
    kpoints: tuple[PositiveInt, PositiveInt, PositiveInt] = (1, 1, 1)
    """Monkhorst-Pack, Γ-centred."""
    smearing: Positive | None = None
    """Width of the Fermi-Dirac distribution [eV]; without it, kT of the production run."""
    bands: PositiveInt | None = None
    setups: dict[str, str] = Field(default_factory=dict)
    """PAW setups by element, such as Na = "1"."""
    mixer: MixerRecipe = MixerRecipe()
    density_tolerance: Positive = 5e-4
    """Electrons per valence electron."""
    energy_tolerance: Positive = 5e-4
    """eV per valence electron."""
    eigenstates_tolerance: Positive = 1e-3
    """eV² per valence electron."""
    max_iterations: PositiveInt = 100


class AimdRecipe(StrictModel):
    """An NVT trajectory: melting, equilibration, production."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of displacements, velocities and the Langevin noise."""
    temperature: Positive
    """Of the production run [K]."""
    frames: PositiveInt
    """Stored frames of the production run."""
    stride: PositiveInt = 1
    """MD steps from a stored frame to the next."""
    timestep: Positive = 2.0
    """Of the dynamics [fs]."""
    kinds: tuple[Kind, ...] = ("pseudo",)
    """Densities to store: the first is the store's ``density``, others are ``extra/density_KIND``
    in float32."""
    structure: StructureRecipe
    melting: StageRecipe | None = None
    """Before equilibration, hotter."""
    equilibration_steps: Count = 0
    """At the temperature of the production run, after melting."""
    thermostat: ThermostatRecipe = ThermostatRecipe()
    scf: ScfRecipe

    @model_validator(mode="after")
    def _kinds_differ(self) -> Self:
        if not self.kinds or len(set(self.kinds)) != len(self.kinds):
            raise ValueError("kinds must name at least one density, and none twice")
        return self

    @property
    def melting_steps(self) -> int:
        """MD steps of melting."""
        return 0 if self.melting is None else self.melting.steps

    @property
    def starting_temperature(self) -> float:
        """Of the first velocities [K]."""
        melts = self.melting is not None and self.melting.steps > 0
        return self.melting.temperature if melts and self.melting else self.temperature

    @property
    def first_production_step(self) -> int:
        """MD steps before the first stored frame."""
        return self.melting_steps + self.equilibration_steps

    @property
    def steps(self) -> int:
        """MD steps of all stages; the first frame is stored before the production's first step."""
        return self.first_production_step + (self.frames - 1) * self.stride


def load_aimd_recipe(name: str | Path) -> AimdRecipe:
    """Read an AIMD recipe.

    Parameters
    ----------
    name : path-like
        A TOML file, or the name of a shipped recipe such as ``aimd_li32``; ``extends`` as in
        other recipes. A structure file is looked for beside the recipe.

    Raises
    ------
    EldynError
        If there is no such recipe, it is not TOML, or a key is unknown or of a wrong type.
    """
    values, path = read_recipe(name, prefix="aimd_")
    recipe = parse_config(AimdRecipe, values, path=path)
    if recipe.structure.file is None:
        return recipe
    structure = path.parent / recipe.structure.file
    if not structure.is_file():
        raise EldynError(
            f"the structure file {recipe.structure.file} does not exist",
            path=path,
            remedy="Its path is relative to the recipe's folder.",
        )
    found = recipe.structure.model_copy(update={"file": str(structure.resolve())})
    return recipe.model_copy(update={"structure": found})
