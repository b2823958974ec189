"""The work of the docks in Python: first without a window, then in one.

    python examples/workbench.py [--frames 20] [--out workbench_output]

The first half needs no screen. The second opens napari; where there is no screen, it runs on a
virtual one (Xvfb). Everything is written into the output folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.emulator.live import live_rollout
from napari_eldyn.evaluation.inputs import Candidate, Start
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.export.figures import FigureSources, collect_figure
from napari_eldyn.export.screen import continue_on_virtual_screen, has_screen
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.published import save_published
from napari_eldyn.figures.rollout_plots import PlotChoices, ShownFrame, Yardstick, build_plot
from napari_eldyn.figures.style import LIGHT, context
from napari_eldyn.observables.levels import reference_levels
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.observables.statistics import default_settings
from napari_eldyn.viewer.samples import sample_directory, sample_trajectory


def without_a_window(frames: int, out: Path) -> None:
    """Open, roll out, an ensemble, statistics, a figure: no Qt, no napari."""
    # Open: frames are read when looked at; densities are in electrons/Å³, times in fs.
    trajectory = DensityTrajectory.open(sample_trajectory())
    model = Emulator.load(sample_directory() / "models" / "spatial_li32.safetensors", device="cpu")
    print(f"{trajectory.name}: {len(trajectory)} frames on {trajectory.grid.shape} points")

    # Roll out: one model step is one frame. Each frame comes decoded, with its statistics, which
    # are counted in the reference's bins and shells.
    settings = default_settings(trajectory, model.normalisation)
    levels = reference_levels(trajectory, settings, start_frame=6)
    history = RolloutHistory(settings, levels.reference)
    rollout = Rollout(model, start=trajectory, frame=6, seed=0)
    for update in live_rollout(rollout, frames, settings):
        history.add(update.index, update.time, update.statistics)
    print(f"sJSD of the last frame {history.frame_sjsd[-1]:.2e}")
    rollout.save(out / "rollout.eldyn", overwrite=True)  # latents and densities

    # An ensemble differs in the noise alone: other seeds from the same start.
    members = [rollout]
    for seed in (1, 2):
        members.append(Rollout(model, start=trajectory, frame=6, seed=seed))
        members[-1].advance(frames)
    spread = np.std([member[frames - 1] for member in members], axis=0, ddof=1)
    print(f"spread after {frames} frames: {spread.mean():.2e} electrons/Å³ on average")

    # Statistics: the plots of the dock, as vector graphics.
    yardstick = Yardstick(settings, levels.reference, levels)
    with context(LIGHT):
        for name in ("distribution", "divergence", "structure_factor"):
            figure = Figure(figsize=(3.5, 2.6))
            axes = figure.add_axes((0.17, 0.18, 0.8, 0.77))
            plot = build_plot(name, axes, LIGHT, yardstick, PlotChoices())
            plot.show(history, ShownFrame(None, None, None))
            figure.savefig(out / f"{name}.pdf")

    # A figure of the paper in a journal's style, with its data and everything it was made with
    # beside it: "eldyn figures --from fig3.json" draws it again.
    sources = FigureSources(
        candidates=(Candidate("generated", rollout, Start(6, True, "this example"), model),),
        reference=trajectory,
        normalisation=model.normalisation,
    )
    published = collect_figure("fig3", sources, FigureStyle("aps"), Stages(show=False))
    files = save_published(published, out / "fig3", overwrite=True)
    print(f"figure: {', '.join(path.name for path in files)}")


def in_a_window(frames: int, out: Path) -> None:
    """Do the same in napari, where the docks show every step, then a movie and the session."""
    import napari

    from napari_eldyn.demo import open_session, wait_until
    from napari_eldyn.export.movie import record_movie
    from napari_eldyn.export.movie_settings import MovieSettings
    from napari_eldyn.viewer.workspace import save_workspace

    # Open: trajectory, docks and model. Work is done on threads; `wait` runs the event loop.
    viewer = napari.Viewer()
    control = open_session(viewer, frames).controller
    problems: list[str] = []
    control.failed.connect(problems.append)

    def wait(state: str = "ready") -> None:
        wait_until(
            lambda: control.state == state and control.measured is not None,
            problems,
            lambda: (control.state, len(control.generated_statistics)),
        )

    wait()

    # Roll out, with the difference to the reference as a third panel; then two more seeds.
    control.panels.set_shown("difference", True)
    control.run()
    wait()
    control.run_members(2)
    wait()
    print(f"ensemble: {', '.join(rollout.label for rollout in control.shelf.members)}")

    # A movie of volumes and plots, every frame of the rollout once, while the cell turns.
    settings = MovieSettings(
        size=(960, 540), fps=10, camera="turntable", turns=0.25, plots=("divergence",)
    )
    record_movie(viewer, out / "rollout.mp4", settings, overwrite=True)

    # The session: File > Open brings window, rollouts and docks back as they are now.
    save_workspace(viewer, out / "workbench.eldynsession", overwrite=True)
    viewer.close()


def main() -> None:
    """Do both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=20, help="frames to generate")
    parser.add_argument("--out", type=Path, default=Path("workbench_output"), help="output folder")
    parser.add_argument("--window-only", action="store_true", help="the second half alone")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.window_only:
        without_a_window(arguments.frames, arguments.out)
    if not has_screen():
        command = [sys.executable, __file__, "--window-only", "--frames", str(arguments.frames)]
        continue_on_virtual_screen([*command, "--out", str(arguments.out)])
    in_a_window(arguments.frames, arguments.out)


if __name__ == "__main__":
    main()
