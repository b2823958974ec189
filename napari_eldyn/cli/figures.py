"""``eldyn figures``: the paper's figures and rendered volumes, for a journal."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_eldyn.cli import app
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari_eldyn.export.figures import FigureSources
    from napari_eldyn.figures.presets import FigureStyle
    from napari_eldyn.figures.published import PublishedFigure

__all__ = ["figures"]

_KINDS = "fig2, fig3, s1, s2, isosurface, volume"


@app.command()
def figures(
    rollouts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]ROLLOUT...",
            help="Generated trajectories. NAME stands in legends; by default what differs between "
            "them: model, seed, start, sampler.",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="TRAJ", help="The trajectory to compare with.", show_default=False),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="M",
            help="A model (.safetensors), once for each: its card may have the training curve of "
            "s2.",
            show_default=False,
        ),
    ] = None,
    training: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]RUN|TRAJ",
            help="A folder that eldyn-train fit wrote (for s2), or a trajectory that models were "
            "trained on (for s1; otherwise s1 shows the reference), once for each.",
            show_default=False,
        ),
    ] = None,
    training_frames: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A:B",
            help="The frames of each training trajectory that were used, in the same order.",
            show_default=False,
        ),
    ] = None,
    from_: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="SIDECAR",
            help="NAME.figure.json of a saved figure, once for each: draws it again, without "
            "trajectories or models; --preset, --width, --theme and --dpi restyle it.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the figures (.pdf, .svg, .png), tables (.csv) and sidecars "
            "(.figure.json); made if missing.",
            show_default="with --from, that of the sidecar",
        ),
    ] = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            "--figures",
            metavar="KIND,...",
            help="fig2: slices at several times. fig3: distribution and S(q). s1: log-normal fit "
            "of the data. s2: training error. isosurface, volume: renderings in 3D.",
            show_default=f"all that there are data for of {_KINDS}",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="aps, acs, aip, nature, elsevier, rsc, report, slide or poster: widths, fonts, "
            "lines.",
            show_default="aps",
        ),
    ] = None,
    width: Annotated[
        str | None,
        typer.Option(metavar="single|double", help="Columns.", show_default="single"),
    ] = None,
    theme: Annotated[
        str | None, typer.Option(metavar="light|dark", help="Colours.", show_default="light")
    ] = None,
    dpi: Annotated[
        int | None,
        typer.Option(help="Dots per inch of pictures, at least 72.", show_default="300"),
    ] = None,
    times: Annotated[
        str | None,
        typer.Option(
            metavar="FS,...",
            help="Times since the start in fs: the columns of fig2, isosurface and volume.",
            show_default="evenly over what all trajectories reach",
        ),
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(
            help="Level of the isosurface in electrons/Å³.",
            show_default="between the density in the middle of the scale and its end",
        ),
    ] = None,
    rendering: Annotated[
        str | None,
        typer.Option(
            metavar="[mip|attenuated_mip|translucent|average|additive]",
            help="How the volume is projected.",
            show_default="mip",
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="Written above the figures.")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier figures of the same names.")
    ] = False,
) -> None:
    """Draw figures for a journal: the paper's Figs. 2, 3, S1, S2, isosurfaces and volumes.

    Beside each figure lies NAME.figure.json with its data and settings, from which --from draws
    the same figure again. Renderings need OpenGL; without a screen a virtual one is used.
    """
    from napari_eldyn.export.screen import continue_on_virtual_screen, has_screen
    from napari_eldyn.figures.kinds import FIGURE_KINDS
    from napari_eldyn.figures.presets import figure_style, font_of

    restyling = {
        key: value
        for key, value in (
            ("preset", preset), ("columns", width), ("theme", theme), ("dpi", dpi),
        )
        if value is not None
    }  # fmt: skip
    if from_:
        if rollouts or reference or model or training or kinds:
            raise EldynError(
                "--from draws saved figures again: it takes no rollouts, reference, models or kinds"
            )
        _draw_again(from_, out, restyling, overwrite=overwrite)
        return
    if out is None:
        raise EldynError("a folder for the figures is missing", remedy="Give --out DIR.")
    style = figure_style(**restyling)  # type: ignore[arg-type]
    asked = None if kinds is None else [kind.strip() for kind in kinds.split(",") if kind.strip()]
    renders = any(
        FIGURE_KINDS[kind].rendered for kind in asked or FIGURE_KINDS if kind in FIGURE_KINDS
    )
    if renders and (rollouts or reference) and not has_screen():
        continue_on_virtual_screen([sys.executable, "-m", "napari_eldyn.cli", *sys.argv[1:]])
    sources = _open(rollouts or [], reference, model or [], training or [], training_frames or [])
    chosen = _possible(asked, sources)
    _check_out(out, chosen, overwrite=overwrite)
    leads = _times(times)
    rendered = [kind for kind in chosen if FIGURE_KINDS[kind].rendered]
    if replaced := font_of(style.preset)[1]:
        typer.echo(f"eldyn: {replaced}", err=True)
    from napari_eldyn.evaluation.stages import Stages
    from napari_eldyn.export.figures import collect_figure

    stages = Stages()
    for kind in chosen:
        if kind in rendered:
            continue
        options = FIGURE_KINDS[kind].options(title=title)
        figure = collect_figure(kind, sources, style, stages, options=options, times=leads)
        _save(figure, out / kind, overwrite=overwrite)
    if rendered:
        _render(rendered, sources, style, stages, out, leads, level, rendering, title, overwrite)


def _draw_again(
    sidecars: list[Path], out: Path | None, restyling: dict[str, Any], *, overwrite: bool
) -> None:
    from napari_eldyn.figures.published import open_published
    from napari_eldyn.figures.sidecar import SIDECAR_ENDING

    opened = [(path, open_published(path)) for path in sidecars]
    for path, figure in opened:
        folder = path.parent if out is None else out
        _make(folder)
        _save(
            figure.restyled(**restyling),
            folder / path.name.removesuffix(SIDECAR_ENDING),
            overwrite=overwrite,
        )


def _open(
    rollouts: list[str],
    reference: Path | None,
    models: list[Path],
    training: list[str],
    training_frames: list[str],
) -> FigureSources:
    from napari_eldyn.evaluation.inputs import Inputs, open_inputs
    from napari_eldyn.evaluation.judge import choose_normalisation
    from napari_eldyn.evaluation.stages import Stages
    from napari_eldyn.export.figures import FigureSources

    if rollouts and reference is None:
        raise EldynError("rollouts are compared with a reference", remedy="Give --reference TRAJ.")
    runs = [text for text in training if _is_run(text)]
    trajectories = [Path(text) for text in training if not _is_run(text)]
    if reference is None:
        if trajectories:
            raise EldynError(
                "training frames need the reference that they are shown with",
                remedy="Give --reference TRAJ.",
            )
        from napari_eldyn.evaluation.inputs import open_runs

        return FigureSources(runs=open_runs(runs), **_cards(models))
    inputs: Inputs = open_inputs(
        _named(rollouts),
        reference,
        training=trajectories,
        training_frames=training_frames,
        runs=runs,
    )
    return FigureSources(
        inputs.candidates,
        inputs.reference,
        choose_normalisation(inputs, Stages())[0],
        inputs.training,
        inputs.runs,
        **_cards(models),
    )


def _is_run(text: str) -> bool:
    path = Path(text) if Path(text).exists() else Path(text.partition("=")[2] or text)
    return (path / "log.jsonl").exists()


def _named(rollouts: list[str]) -> list[str]:
    """Name the rollouts that are given without a name by what differs between them."""
    from napari_eldyn.density import DensityTrajectory
    from napari_eldyn.evaluation.naming import rollout_names

    plain = [text for text in rollouts if "=" not in text or Path(text).exists()]
    names = rollout_names([DensityTrajectory.open(text) for text in plain])
    told = dict(zip(plain, names, strict=True))
    return [f"{told[text]}={text}" if text in told else text for text in rollouts]


def _cards(models: list[Path]) -> dict[str, Any]:
    if not models:
        return {}
    from napari_eldyn.emulator.checkpoint import load_checkpoint

    loaded = {path.stem: load_checkpoint(path) for path in models}
    return {
        "cards": {name: one.provenance for name, one in loaded.items()},
        "model_hashes": {name: one.sha256 for name, one in loaded.items()},
    }


def _possible(asked: list[str] | None, sources: FigureSources) -> list[str]:
    """Return the kinds asked for, or all that there are data for."""
    from napari_eldyn.export.figures import refuse_missing
    from napari_eldyn.figures.kinds import FIGURE_KINDS

    if asked is not None:
        for kind in asked:
            refuse_missing(kind, sources)
        return list(dict.fromkeys(asked))
    found = []
    for kind in FIGURE_KINDS:
        try:
            refuse_missing(kind, sources)
        except EldynError as error:
            if sources.cards or sources.reference is not None or kind != "s2":
                typer.echo(f"eldyn: {kind} is left out: {error}", err=True)
        else:
            found.append(kind)
    if not found:
        raise EldynError(
            "there is nothing to draw figures from",
            remedy="Give rollouts and --reference, or --training RUN, or --from SIDECAR.",
        )
    return found


def _check_out(out: Path, kinds: list[str], *, overwrite: bool) -> None:
    """Refuse before the work what would be refused after it."""
    from napari_eldyn.figures.sidecar import sidecar_path

    _make(out)
    taken = [kind for kind in kinds if sidecar_path(out / kind).exists()]
    if taken and not overwrite:
        raise EldynError(
            f"the folder already holds {', '.join(taken)}",
            path=out,
            remedy="Choose another folder, or give --overwrite to replace them.",
        )


def _make(out: Path) -> None:
    from napari_eldyn.density.files import writing

    if out.exists() and not out.is_dir():
        raise EldynError("this is a file, not a folder for figures", path=out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)


def _times(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return sorted({float(part) for part in text.split(",") if part.strip()})
    except ValueError as error:
        raise EldynError(
            f"--times '{text}' are not numbers", remedy="For instance --times 0,100,200 (fs)."
        ) from error


def _render(
    kinds: list[str],
    sources: FigureSources,
    style: FigureStyle,
    stages: Any,
    out: Path,
    times: list[float] | None,
    level: float | None,
    rendering: str | None,
    title: str,
    overwrite: bool,
) -> None:
    from napari_eldyn.export.figures import render_figure
    from napari_eldyn.export.look import default_look
    from napari_eldyn.export.render import finish, open_studio
    from napari_eldyn.figures.kinds import FIGURE_KINDS

    assert sources.reference is not None
    look = default_look(sources.reference[0])
    if level is not None:
        look = replace(look, level=level)
    if rendering is not None:
        look = replace(look, rendering=rendering)
    with open_studio() as studio:
        for kind in kinds:
            options = FIGURE_KINDS[kind].options(title=title)
            steps = render_figure(
                kind, sources, style, studio, look=look, options=options, times=times
            )
            with stages.stage(f"rendering {kind}") as report:
                figure = finish(steps, report)
            _save(figure, out / kind, overwrite=overwrite)


def _save(figure: PublishedFigure, base: Path, *, overwrite: bool) -> None:
    from napari_eldyn.figures.published import save_published

    files = save_published(figure, base, overwrite=overwrite)
    endings = ", ".join(path.name.removeprefix(base.name) for path in files)
    typer.echo(f"{base}: {endings}")
