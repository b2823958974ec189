"""The Figures dock: the paper's figures and rendered volumes of this window, for a journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.evaluation.logs import TrainingLog, read_training_log
from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.figures import FigureSources
from napari_eldyn.export.window_sources import window_look, window_sources
from napari_eldyn.figures.kinds import FIGURE_KINDS
from napari_eldyn.figures.presets import font_of
from napari_eldyn.figures.published import PublishedFigure, open_published
from napari_eldyn.figures.sidecar import SIDECAR_ENDING
from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.closing import ClosingWatch
from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.docking import place_dock
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.widgets.figure_form import FigureForm
from napari_eldyn.widgets.figure_maker import FigureMaker
from napari_eldyn.widgets.figure_picture import FigurePicture
from napari_eldyn.widgets.messages import MessageArea
from napari_eldyn.widgets.parts import least_size, row, scrolling

if TYPE_CHECKING:
    import napari


__all__ = ["FigureDock"]

_GROUP = "figures"
_SETTLE_MS = 400  # after the last change of style
_FORMATS = {
    "PDF, SVG, PNG": ("pdf", "png", "svg"),
    "PDF": ("pdf",),
    "SVG": ("svg",),
    "PNG": ("png",),
}


class FigureDock(QWidget):
    """Figures of a window: choose, look, save; a saved figure can be drawn again.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.controller = controller_of(napari_viewer)
        self.maker = FigureMaker(self)
        self.figure: PublishedFigure | None = None
        """What the picture shows."""
        self._drawn_for: Any = None
        self._from_sidecar = False
        self._runs: dict[str, TrainingLog] = {}
        self._save_next: Path | None = None
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._build()
        self.restore_session_state(remembered(_GROUP))
        self._connect()
        self._update_enabled()
        window = main_window(unwrap(napari_viewer))
        if window is not None:
            ClosingWatch(window, self.maker.close)
        self.destroyed.connect(self.maker.close)
        place_dock(napari_viewer, self, "left")

    # -- widgets ------------------------------------------------------------------------------

    def _build(self) -> None:
        self.form = FigureForm(self.controller)
        self.draw = QPushButton("Draw")
        self.draw.setToolTip("Take the frames, camera and contrast of now, and draw the figure")
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Give up what is under way")
        self.bar = QProgressBar()
        self.bar.setFixedHeight(16)
        self.bar.setToolTip("What is under way")
        self.picture = FigurePicture()
        self.formats = QComboBox()
        self.formats.addItems(list(_FORMATS))
        self.formats.setToolTip(
            "What Save writes; beside it the data as CSV, where it makes sense, and the sidecar "
            f"(NAME{SIDECAR_ENDING}) from which the figure is drawn again"
        )
        self.save = QPushButton("Save …")
        self.save.setToolTip("Save the figure, with data, settings, seeds and versions beside it")
        self.copy = QPushButton("Copy picture")
        self.copy.setToolTip("Put the picture on the clipboard, 1000 pixels wide")
        self.redraw = QPushButton("Redraw sidecar …")
        self.redraw.setToolTip(
            "Draw a saved figure again, in the style chosen above; needs no trajectory or model"
        )
        self.messages = MessageArea()
        self._lay_out()

    def _lay_out(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        column.addWidget(self.form)
        column.addWidget(row(self.draw, self.cancel))
        column.addWidget(self.bar)
        column.addWidget(row(self.save, self.formats))
        column.addWidget(row(self.redraw, self.copy))
        column.addWidget(self.picture)
        column.addStretch(1)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(scrolling(inside), 1)
        outside.addWidget(self.messages)
        self._inside = inside
        for button in (self.draw, self.cancel, self.save):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Never cut the content at the side; it may be scrolled."""
        return least_size(self._inside)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for the height of the content."""
        return self._inside.sizeHint() + QSize(0, self.messages.sizeHint().height())

    # -- wiring -------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.form.kind_changed.connect(self._choose_kind)
        self.form.restyled.connect(self._restyle)
        self.form.changed.connect(self._remember)
        self.form.rollouts.changed.connect(self._update_enabled)
        self.form.run.clicked.connect(self._choose_run)
        self.formats.currentIndexChanged.connect(self._remember)
        self.draw.clicked.connect(self.draw_now)
        self.cancel.clicked.connect(self.maker.cancel)
        self.save.clicked.connect(self._ask_and_save)
        self.copy.clicked.connect(self.copy_picture)
        self.redraw.clicked.connect(self._ask_and_redraw)
        self._settle.timeout.connect(self._draw_restyled)
        self.maker.made.connect(self._show_figure)
        self.maker.saved.connect(self._tell_saved)
        self.maker.failed.connect(self._fail)
        self.maker.progressed.connect(self._show_progress)
        self.maker.ended.connect(self._work_ended)
        self.controller.state_changed.connect(self._update_enabled)
        self.controller.reference_changed.connect(self._update_enabled)

    # -- choices ------------------------------------------------------------------------------

    def session_state(self) -> dict[str, Any]:
        """Return what is chosen, for a saved session."""
        return {**self.form.choices(), "formats": self.formats.currentText()}

    def restore_session_state(self, choices: dict[str, Any]) -> None:
        """Take up what was chosen, as far as it is still possible."""
        self.form.choose(choices)
        known, value = list(_FORMATS), choices.get("formats")
        self.formats.setCurrentIndex(known.index(value) if value in known else 0)

    def _remember(self) -> None:
        remember(_GROUP, **self.session_state())

    def _choose_kind(self) -> None:
        self._remember()
        self._from_sidecar = False
        self.figure = None
        self.picture.clear_picture("Draw shows the figure here.")
        self._update_enabled()

    # -- drawing ------------------------------------------------------------------------------

    def draw_now(self) -> None:
        """Take the frames, camera and contrast of now, and draw the figure."""
        self.messages.clear()
        self._settle.stop()
        kind, style = self.form.chosen_kind, self.form.style_chosen
        try:
            times = self.form.times_chosen
            sources = self._sources()
            look = window_look(self.viewer, self.controller)
        except EldynError as error:
            self._fail(str(error))
            return
        options = FIGURE_KINDS[kind].options(title=self.form.title_chosen)
        self._from_sidecar = False
        self._drawn_for = self._size_key()
        if FIGURE_KINDS[kind].rendered:
            if look is not None and self.form.level.value() > 0:
                look = replace(look, level=self.form.level.value())
            self.maker.render(kind, sources, style, look, options=options, times=times)
        else:
            self.maker.collect(kind, sources, style, options=options, times=times)
        self._update_enabled()

    def _sources(self) -> FigureSources:
        runs = self._runs if self.form.chosen_kind == "s2" else {}
        return window_sources(self.controller, self.form.rollouts.chosen, runs)

    def _size_key(self) -> Any:
        """Return what the pixels of rendered volumes depend on."""
        style = self.form.style_chosen
        return style.preset, style.columns, style.dpi, self.form.title_chosen != ""

    def _restyle(self) -> None:
        self._remember()
        self._update_enabled()
        if self.figure is not None:
            self._settle.start()

    def _draw_restyled(self) -> None:
        """Draw the data that are there in the style of now."""
        if self.figure is None or self.maker.is_busy:
            return
        self.messages.clear()
        self.maker.draw(self._restyled(self.figure))
        self._update_enabled()

    def _restyled(self, figure: PublishedFigure) -> PublishedFigure:
        options = figure.options or figure.description.options()
        if not self._from_sidecar:
            options = options.model_copy(update={"title": self.form.title_chosen})
        return replace(figure, style=self.form.style_chosen, options=options)

    @property
    def needs_rendering(self) -> bool:
        """Whether the renderings have other pixels than the style chosen asks for."""
        figure = self.figure
        return (
            figure is not None
            and figure.description.rendered
            and not self._from_sidecar
            and self._drawn_for != self._size_key()
        )

    def _show_figure(self, figure: PublishedFigure, png: bytes) -> None:
        self.figure = figure
        style = figure.style
        self.picture.show_picture(png, f"{25.4 * style.width:.0f} mm wide")
        hints = [font_of(style.preset)[1]]
        if self.needs_rendering:
            hints.append("The volumes are scaled: Draw renders them in the new size (Save does).")
        self.messages.set_hint("\n".join(hint for hint in hints if hint))
        if self._save_next is not None:
            base, self._save_next = self._save_next, None
            QTimer.singleShot(0, lambda: self.save_as(base))

    # -- saving -------------------------------------------------------------------------------

    def save_as(self, base: Path) -> None:
        """Save what the picture shows; renderings of another size are drawn anew first.

        Parameters
        ----------
        base : Path
            Final name without ending.
        """
        if self.figure is None or self.maker.is_busy:
            return
        if self.needs_rendering:
            self.draw_now()
            if self.maker.is_busy:
                self._save_next = base
            return
        formats = _FORMATS[self.formats.currentText()]
        self.maker.save(self._restyled(self.figure), base, formats)
        self._update_enabled()

    def copy_picture(self) -> None:
        """Put the picture on the clipboard."""
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None and not self.picture.image.isNull():
            clipboard.setImage(self.picture.image)
            size = self.picture.image.size()
            self.messages.inform(f"Picture copied ({size.width()} × {size.height()} pixels).")

    def redraw_from(self, path: Path) -> None:
        """Draw a saved figure again, in the style chosen."""
        self.messages.clear()
        try:
            figure = open_published(path)
        except EldynError as error:
            self._fail(str(error))
            return
        self.form.show_as(figure.kind)
        self._from_sidecar = True
        self.maker.draw(self._restyled(figure))
        self._update_enabled()

    def _ask_and_save(self) -> None:
        folder = Path(str(remembered(_GROUP).get("folder") or "."))
        name, _ = QFileDialog.getSaveFileName(
            self,
            "Save the figure",
            str(folder / self.form.chosen_kind),
            "Figures (*.pdf *.svg *.png)",
        )
        if name:
            base = Path(name)
            if base.suffix.lower() in (".pdf", ".svg", ".png"):
                base = base.with_suffix("")
            remember(_GROUP, folder=str(base.parent))
            self.messages.clear()
            self.save_as(base)

    def _ask_and_redraw(self) -> None:
        folder = str(remembered(_GROUP).get("folder") or ".")
        name, _ = QFileDialog.getOpenFileName(
            self, "Draw a saved figure again", folder, f"Sidecars (*{SIDECAR_ENDING})"
        )
        if name:
            self.redraw_from(Path(name))

    def _choose_run(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a training run")
        if folder:
            self.add_run(Path(folder))

    def add_run(self, folder: Path) -> None:
        """Take up the log of a training run."""
        self.messages.clear()
        try:
            self._runs[folder.name] = read_training_log(folder)
        except EldynError as error:
            self._fail(str(error))
            return
        self.form.run.setText(f"Training runs: {len(self._runs)} …")
        self._update_enabled()

    # -- what happens -------------------------------------------------------------------------

    def _show_progress(self, what: str, done: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.bar.setFormat(what)
        self.bar.setTextVisible(True)

    def _tell_saved(self, files: tuple[Path, ...]) -> None:
        names = ", ".join(path.name for path in files)
        self.messages.inform(f"Saved in {files[0].parent}: {names}")

    def _fail(self, text: str) -> None:
        self._save_next = None
        self.messages.complain(text)
        self._update_enabled()

    def _work_ended(self) -> None:
        self._update_enabled()
        figure = self.figure
        if figure is not None and figure.style != self.form.style_chosen:
            self._settle.start()  # another style was chosen meanwhile

    def _update_enabled(self, *_: Any) -> None:
        busy = self.maker.is_busy
        # A live run and a rendering would take each other's time on the window's thread.
        running = self.controller.state in ("running", "members", "loading", "stopping")
        self.draw.setEnabled(not busy and not running)
        self.cancel.setEnabled(busy)
        self.bar.setVisible(busy)
        for button in (self.save, self.copy):
            button.setEnabled(self.figure is not None and not busy)
        self.redraw.setEnabled(not busy)
        self.form.run.setEnabled(not busy)
