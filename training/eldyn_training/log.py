"""The log of a run: one JSON object per line, and TensorBoard if asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from eldyn_training.distributed import Processes
from eldyn_training.runs import RunDirectory
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["Log"]


class Log:
    """Writes entries, in the first process only; open it with :meth:`open`."""

    def __init__(self, run: RunDirectory | None, board: SummaryWriter | None) -> None:
        self._run, self._board = run, board

    @classmethod
    @contextmanager
    def open(
        cls, run: RunDirectory, step: int, processes: Processes, *, tensorboard: bool
    ) -> Iterator[Log]:
        """Go on with a run's log after a step; what was logged later is dropped.

        Raises
        ------
        EldynError
            If TensorBoard is asked for and not installed.
        """

        def rewind() -> None:
            if tensorboard:
                _summary_writer()
            run.rewind_log(step)

        processes.first(rewind)
        if not processes.is_first:
            yield cls(None, None)
            return
        board = None
        if tensorboard:
            board = _summary_writer()(str(run.path / "tensorboard"), purge_step=step + 1)
        try:
            yield cls(run, board)
        finally:
            if board is not None:
                board.close()

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append an entry with ``step`` and ``stage``."""
        if self._run is not None:
            self._run.log(entry)
        if self._board is not None:
            for name, value in entry.items():
                if name != "step" and isinstance(value, float):
                    self._board.add_scalar(f"{entry['stage']}/{name}", value, entry["step"])


def _summary_writer() -> type[SummaryWriter]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise EldynError(
            "TensorBoard is not installed",
            remedy="pip install tensorboard, or leave --tensorboard away: log.jsonl has it all.",
        ) from error
    return SummaryWriter
