"""An autoencoder that was trained before: checked, and used as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eldyn_training.data import Dataset
from eldyn_training.recipe_files import differences
from eldyn_training.state import TrainingState, averaged_networks
from napari_eldyn.density import LogNormalisation
from napari_eldyn.emulator.checkpoint import Checkpoint, load_checkpoint
from napari_eldyn.exceptions import EldynError

__all__ = ["AutoencoderOrigin"]


@dataclass(frozen=True, eq=False)
class AutoencoderOrigin:
    """The model whose encoder and decoder are used.

    Attributes
    ----------
    path : Path
        Its file.
    checkpoint : Checkpoint
        What the file holds.
    """

    path: Path
    checkpoint: Checkpoint

    @classmethod
    def load(cls, path: str | Path) -> AutoencoderOrigin:
        """Read the model.

        Raises
        ------
        EldynError
            If it is not a sound model.
        """
        return cls(Path(path), load_checkpoint(path))

    @property
    def normalisation(self) -> LogNormalisation:
        """What its encoder was trained with, and so what the new data are normalised with.

        Raises
        ------
        EldynError
            If it has no spread of the rate.
        """
        normalisation = self.checkpoint.normalisation
        if normalisation.rate_std is None:
            raise EldynError(
                "the normalisation of this model has no spread of the density rate, which the "
                "states of a training need",
                path=self.path,
                remedy="Give a model that eldyn-train made.",
            )
        return normalisation

    def tell_normalisation(self, dataset: Dataset) -> str | None:
        """Say whose normalisation is used, or None if the data have the same one."""
        used, own = dataset.normalisation, dataset.fitted
        theirs, mine = ((each.mean, each.std, each.rate_std or 0.0) for each in (used, own))
        if np.allclose(theirs, mine, rtol=1e-4):
            return None
        return (
            f"normalised as {self.path.name}, whose autoencoder is used: ln ρ with mean "
            f"{used.mean:.4f}, spread {used.std:.4f} and rate {used.rate_std:.4g}/fs, where the "
            f"training frames have {own.mean:.4f}, {own.std:.4f} and {own.rate_std:.4g}/fs"
        )

    def describe(self) -> dict[str, str]:
        """Name the model for the card."""
        return {"model": self.path.name, "sha256": self.checkpoint.sha256}

    def give_to(self, training: TrainingState) -> None:
        """Put its weights into fresh networks.

        Raises
        ------
        EldynError
            If its architecture, grid, cell or kind of density are not those of this training.
        """
        theirs, mine = self.checkpoint.config, training.config
        problems = [] if theirs.family == mine.family else ["the family"]
        problems += [
            f"model.autoencoder.{key}"
            for key in differences(
                theirs.autoencoder.model_dump(mode="json"), mine.autoencoder.model_dump(mode="json")
            )
        ]
        if theirs.grid_shape != mine.grid_shape:
            problems.append("the grid")
        if not np.allclose(theirs.cell, mine.cell, atol=1e-4):
            problems.append("the cell")
        if theirs.density_kind != mine.density_kind:
            problems.append(
                f"the kind of density, '{theirs.density_kind}' instead of '{mine.density_kind}'"
            )
        if problems:
            raise EldynError(
                f"the autoencoder of this model differs in {', '.join(problems)}",
                path=self.path,
                remedy="Use the [model.autoencoder] of its recipe, and data of its cell, grid and "
                "kind.",
            )
        source = self.checkpoint.networks
        for networks in (training.networks, averaged_networks(training)):
            networks.encoder.load_state_dict(source.encoder.state_dict())
            networks.decoder.load_state_dict(source.decoder.state_dict())
