"""The last choices of the Rollout dock: kept from one window to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject

from napari_eldyn.viewer.controller import RolloutController
from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.viewer.rollout_settings import RolloutSettings

__all__ = ["RolloutChoices"]

_GROUP = "rollout"
_MOST_FRAMES = 1_000_000
_MOST_SEED = 2**31 - 1


class RolloutChoices(QObject):
    """Remembers model, device, sampler, evaluations, frames and seed; not the start frame.

    Parameters
    ----------
    parent : QObject
        Owner.
    control : RolloutController
        Whose choices.
    """

    def __init__(self, parent: QObject, control: RolloutController) -> None:
        super().__init__(parent)
        self._control = control
        self._last = remembered(_GROUP)
        control.model_changed.connect(self._model_loaded)
        control.settings_changed.connect(self._settings_changed)

    @property
    def device(self) -> str:
        """The device chosen last, or ``auto``."""
        device = self._last.get("device")
        return device if isinstance(device, str) and device else "auto"

    def note_device(self, device: str) -> None:
        """Remember the device asked for."""
        remember(_GROUP, device=device)

    def restore(self) -> None:
        """Take the last choices over, if nothing has been chosen in this window yet.

        The model is loaded only if its file is still there.
        """
        control, last = self._control, self._last
        if control.model is not None or control.is_busy or control.settings != RolloutSettings():
            return
        fitting = {
            "n_frames": _number(last.get("n_frames"), 1, _MOST_FRAMES),
            "seed": _number(last.get("seed"), 0, _MOST_SEED),
        }
        control.configure(**{name: value for name, value in fitting.items() if value is not None})
        path = self._model_path()
        if path is not None:
            control.set_model(path, self.device)

    def _model_path(self) -> Path | None:
        path = self._last.get("model")
        return Path(path) if isinstance(path, str) and path and Path(path).is_file() else None

    def _model_loaded(self, model: LoadedModel | None) -> None:
        """Take sampler and evaluations over for the model that they were chosen for."""
        if model is None:
            return
        last, self._last = self._last, {}
        control = self._control
        if last.get("model") == str(model.path) and not control.settings.sampler:
            sampler = last.get("sampler")
            evaluations = _number(last.get("evaluations"), 1, model.most_evaluations)
            if sampler in model.samplers and evaluations is not None:
                control.configure(sampler=sampler, evaluations=evaluations)
        remember(_GROUP, model=str(model.path))

    def _settings_changed(self, settings: RolloutSettings) -> None:
        choices: dict[str, Any] = {"n_frames": settings.n_frames, "seed": settings.seed}
        if settings.sampler:
            choices |= {"sampler": settings.sampler, "evaluations": settings.evaluations}
        remember(_GROUP, **choices)


def _number(value: object, low: int, high: int) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and low <= value <= high else None  # type: ignore[operator, return-value]
