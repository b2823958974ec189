"""An autoencoder that was trained before: checked, and used as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eldyn_training.recipe_files import differences
from eldyn_training.state import TrainingState, averaged_networks
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

    def describe(self) -> dict[str, str]:
        """Name the model for the card."""
        return {"model": self.path.name, "sha256": self.checkpoint.sha256}

    def give_to(self, training: TrainingState) -> None:
        """Put its weights into fresh networks.

        Raises
        ------
        EldynError
            If its architecture, grid, cell or normalisation are not those of this training.
        """
        theirs, mine = self.checkpoint.config, training.config
        problems = [
            f"model.autoencoder.{key}"
            for key in differences(
                theirs.autoencoder.model_dump(mode="json"), mine.autoencoder.model_dump(mode="json")
            )
        ]
        if theirs.grid_shape != mine.grid_shape:
            problems.append("the grid")
        if not np.allclose(theirs.cell, mine.cell, atol=1e-4):
            problems.append("the cell")
        old, new = self.checkpoint.normalisation, training.dataset.normalisation
        if not np.allclose(
            (old.mean, old.std, old.rate_std or 0.0),
            (new.mean, new.std, new.rate_std or 0.0),
            rtol=1e-4,
        ):
            problems.append("the normalisation, which follows from the training frames")
        if problems:
            raise EldynError(
                f"the autoencoder of this model differs in {', '.join(problems)}",
                path=self.path,
                remedy="Use the recipe's [model.autoencoder] and the training data it was made "
                "with.",
            )
        source = self.checkpoint.networks
        for networks in (training.networks, averaged_networks(training)):
            networks.encoder.load_state_dict(source.encoder.state_dict())
            networks.decoder.load_state_dict(source.decoder.state_dict())
