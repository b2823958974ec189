"""The numbers of the Statistics dock: a headline, the scores with their levels, the extremes."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy

from napari_eldyn.figures.structure_factor_plot import Convention
from napari_eldyn.figures.style import DARK, Palette
from napari_eldyn.observables.levels import Level, ReferenceLevels
from napari_eldyn.observables.statistics import FrameStatistics, RunningStatistics
from napari_eldyn.widgets.statistics_history import RolloutHistory
from napari_eldyn.widgets.statistics_table import (
    DASH,
    NumberTable,
    format_count,
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
_ELECTRONS, _MINIMUM, _MAXIMUM, _CLIPPED, _OUTSIDE = (
    "Electrons",
    "Min ρ (e/Å³)",
    "Max ρ (e/Å³)",
    "Clipped values",
    "Outside bins",
)

#: JSD in nats of an sJSD of 1, with the constant scale Z = ½ ln 2 (eq. S14).
JSD_PER_SJSD = 0.5 * float(np.log(2.0))

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
_EXTREME_HELP = {
    _ELECTRONS: "Integral of the density over the cell",
    _CLIPPED: "Values that were not positive and were clipped before the logarithm, per frame\n"
    "and over all frames",
    _OUTSIDE: "Values of the normalised density beyond the range of the histogram; they count in\n"
    "its end bins",
}


class StatisticsNumbers:
    """Headline label and two tables, filled together.

    Attributes
    ----------
    headline : QLabel
        The frame looked at and its score, always in sight.
    scores : NumberTable
        sJSD, JSD and S(q) difference, of the frame, the mean, and the reference levels.
    extremes : NumberTable
        Electron count, extremes, clipped values.
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
        self.extremes = NumberTable(
            ["", "frame", "all", "reference"],
            [_ELECTRONS, _MINIMUM, _MAXIMUM, _CLIPPED, _OUTSIDE],
        )
        for table, texts in ((self.scores, _SCORE_HELP), (self.extremes, _EXTREME_HELP)):
            for row, text in texts.items():
                table.set_row_help(row, text)
        self.set_palette(DARK)

    def set_palette(self, palette: Palette) -> None:
        """Mark the rows with the colours of their lines."""
        self._palette = palette
        for table in (self.scores, self.extremes):
            table.set_heading_colour(palette.muted)
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
        """Fill in the frame looked at and the mean so far.

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
        running = history.running if history.n else None
        this = None if frame is None else Level.of(frame, self._reference)
        mean = None if running is None else Level.of(running, self._reference)
        self._show_score(_FRAME, this, convention)
        counted = f"Mean of {history.n}"
        self._show_score(_MEAN, mean, convention, counted)
        self._show_extremes(frame, running)
        self._show_headline(history, index, this, mean)

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

    def _show_extremes(
        self, frame: FrameStatistics | None, running: RunningStatistics | None
    ) -> None:
        columns = (frame, running, self._reference)
        for row, attribute, form in (
            (_ELECTRONS, "electrons", ".2f"),
            (_MINIMUM, "minimum", ".3g"),
            (_MAXIMUM, "maximum", ".3g"),
        ):
            self.extremes.set_row(
                row, *(DASH if c is None else format(getattr(c, attribute), form) for c in columns)
            )
        clipped = [None if c is None else c.n_clipped for c in columns]
        self.extremes.set_row(_CLIPPED, *(format_count(n) for n in clipped))
        self.extremes.set_warning(_CLIPPED, self._palette.warning, [bool(n) for n in clipped])
        outside = [None if c is None else c.n_below + c.n_above for c in columns]
        self.extremes.set_row(_OUTSIDE, *(format_count(n) for n in outside))

    def _show_headline(
        self, history: RolloutHistory, index: int | None, this: Level | None, mean: Level | None
    ) -> None:
        if mean is None:
            self.headline.setText("No frame generated yet; the reference is shown.")
            return
        time = None if index is None else history.time_of(index)
        where = "" if index is None or time is None else f"frame {index + 1} · {time:g} fs · "
        now = "" if this is None else f"sJSD <b>{format_divergence(this.sjsd)}</b>"
        noise = "" if self._noise is None else f" · noise {format_divergence(self._noise)}"
        counted = f"{history.n} frame{_s(history.n)}"
        text = f"{where}{now}<br>{counted} · sJSD <b>{format_divergence(mean.sjsd)}</b>{noise}"
        if history.running.n_clipped:
            values, count = history.running.n_clipped, history.n_clipped_frames
            text += (
                f'<br><span style="color:{self._palette.warning}">{values:,d} clipped '
                f"value{_s(values)} in {count} frame{_s(count)}</span>"
            )
        if text != self.headline.text():
            self.headline.setText(text)

    def _marked(self, row: str, text: str | None = None) -> str:
        return f'<span style="color:{self._colours[row]}">■</span> {text or row}'


def _s(count: int) -> str:
    return "" if count == 1 else "s"
