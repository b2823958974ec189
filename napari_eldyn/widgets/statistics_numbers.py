"""The numbers of the Statistics dock: a headline, and the scores with their levels."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy

from napari_eldyn.figures.structure_factor_plot import Convention
from napari_eldyn.figures.style import DARK, Palette
from napari_eldyn.observables.levels import Level, ReferenceLevels
from napari_eldyn.observables.rollout_history import JSD_PER_SJSD, RolloutHistory
from napari_eldyn.observables.statistics import FrameStatistics, RunningStatistics
from napari_eldyn.widgets.statistics_table import (
    DASH,
    NumberTable,
    format_divergence,
    format_percent,
)

__all__ = ["StatisticsNumbers"]

_FRAME, _MEAN = "This frame", "Mean"
_REAL, _NOISE, _PERSISTENCE, _FIELD = (
    "Reference frame",
    "Half against half",
    "Persistence",
    "Trajectory mean",
)
_SCORE_HELP = {
    _FRAME: "The generated frame being looked at, against the whole reference",
    _MEAN: "All generated frames pooled, against the whole reference",
    _REAL: "Median over single frames of the reference, each against the whole of it:\n"
    "what a perfect single frame scores",
    _NOISE: "First half of the reference against its second half: its own sampling noise,\n"
    "which a perfect emulator reaches with as many frames",
    _PERSISTENCE: "The start frame repeated for ever",
    _FIELD: "The mean density of the reference at every time",
}


class StatisticsNumbers:
    """Headline label and a table, filled together.

    Attributes
    ----------
    headline : QLabel
        The frame looked at and its score, always in sight.
    scores : NumberTable
        sJSD, JSD and S(q) difference, of the frame, the mean, and the reference levels.
    """

    def __init__(self) -> None:
        self.headline = QLabel()
        self.headline.setMargin(4)
        self.headline.setTextFormat(Qt.TextFormat.RichText)
        self.headline.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self.scores = NumberTable(["", "sJSD", "JSD\n(nats)", "ΔS(q)"], list(_SCORE_HELP))
        self.scores.setToolTip(
            "sJSD: scaled Jensen-Shannon divergence of the values, 0 (equal) to 2 (disjoint)\n"
            "ΔS(q): Σ|S − S_reference| / Σ S_reference over the shells"
        )
        for row, text in _SCORE_HELP.items():
            self.scores.set_row_help(row, text)
        self.set_palette(DARK)

    def set_palette(self, palette: Palette) -> None:
        """Mark the rows with the colours of their lines."""
        self._palette = palette
        self.scores.set_heading_colour(palette.muted)
        self._colours = {
            _FRAME: palette.generated[0],
            _MEAN: palette.generated[0],
            _REAL: palette.reference_fill,
            _NOISE: palette.reference,
            _PERSISTENCE: palette.persistence,
            _FIELD: palette.mean_field,
        }

    def show_reference(
        self, reference: RunningStatistics, levels: ReferenceLevels | None, convention: Convention
    ) -> None:
        """Fill in what does not change with the generated frames.

        Parameters
        ----------
        reference : RunningStatistics
            All reference frames pooled.
        levels : ReferenceLevels or None
            Scores of trivial predictions.
        convention : {"amplitude", "intensity"}
            Of S(q).
        """
        self._reference = reference
        for row, name in ((_NOISE, "noise"), (_PERSISTENCE, "persistence"), (_FIELD, "mean_field")):
            self._show_score(row, getattr(levels, name, None), convention)
        single = None if levels is None else float(np.median(levels.frame_sjsd))
        self.scores.set_row(
            _REAL,
            format_divergence(single),
            format_divergence(None if single is None else single * JSD_PER_SJSD),
            DASH,
            name=self._marked(_REAL),
        )
        self._noise = None if levels is None else levels.noise.sjsd

    def show_generated(
        self,
        history: RolloutHistory,
        index: int | None,
        frame: FrameStatistics | None,
        convention: Convention,
    ) -> None:
        """Fill in the frame looked at and the mean so far; the table only while it is seen.

        Parameters
        ----------
        history : RolloutHistory
            The frames so far.
        index : int or None
            Index of the frame looked at in the rollout.
        frame : FrameStatistics or None
            Its statistics.
        convention : {"amplitude", "intensity"}
            Of S(q).
        """
        self._show_headline(history, index)
        if not self.scores.isVisible():
            return
        running = history.running if history.n else None
        self._show_score(
            _FRAME, None if frame is None else Level.of(frame, self._reference), convention
        )
        self._show_score(
            _MEAN,
            None if running is None else Level.of(running, self._reference),
            convention,
            f"Mean of {history.n}",
        )

    def _show_score(
        self, row: str, level: Level | None, convention: Convention, text: str | None = None
    ) -> None:
        name = self._marked(row, text)
        if level is None:
            self.scores.set_row(row, DASH, DASH, DASH, name=name)
            return
        amplitude = convention == "amplitude"
        difference = level.amplitude_error if amplitude else level.intensity_error
        self.scores.set_row(
            row,
            format_divergence(level.sjsd),
            format_divergence(level.jsd),
            format_percent(difference),
            name=name,
        )

    def _show_headline(self, history: RolloutHistory, index: int | None) -> None:
        if not history.n:
            # Two lines as later on, so that the plots do not move.
            self.headline.setText("No frame generated yet.<br>The reference is shown.")
            return
        place = None if index is None else history.position_of(index)
        where = ""
        if index is not None and place is not None:
            score = format_divergence(float(history.frame_sjsd[place]))
            where = f"frame {index + 1} · {history.times[place]:g} fs · sJSD <b>{score}</b><br>"
        noise = "" if self._noise is None else f" · noise {format_divergence(self._noise)}"
        counted = f"{history.n} frame{_s(history.n)}"
        mean = format_divergence(float(history.running_sjsd[-1]))
        text = f"{where}{counted} · sJSD <b>{mean}</b>{noise}"
        running = history.running
        if running.n_clipped:
            values, count = running.n_clipped, history.n_clipped_frames
            text += (
                f'<br><span style="color:{self._palette.warning}">{values:,d} clipped '
                f"value{_s(values)} in {count} frame{_s(count)}</span>"
            )
        outside = running.n_below + running.n_above
        if outside:
            text += (
                f'<br><span style="color:{self._palette.muted}">{outside:,d} value{_s(outside)} '
                "beyond the histogram (end bins)</span>"
            )
        if text != self.headline.text():
            self.headline.setText(text)

    def _marked(self, row: str, text: str | None = None) -> str:
        return f'<span style="color:{self._colours[row]}">■</span> {text or row}'


def _s(count: int) -> str:
    return "" if count == 1 else "s"
