"""What a user does: each action is one thing done at the window, if it can be done now."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path

from npe2 import PluginManager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QDialog, QPushButton
from user import BUSY, User, turn

from napari_eldyn.viewer.docking import DOCKS, close_dock, find_docks, open_dock, open_workbench
from napari_eldyn.viewer.layers import layer_trajectory
from napari_eldyn.viewer.menu import density_menu
from napari_eldyn.viewer.panel_kinds import PANELS
from napari_eldyn.viewer.samples import sample_models, sample_trajectory
from napari_eldyn.viewer.workspace import load_into_window, save_workspace

__all__ = ["ACTIONS", "Act", "begin"]

Act = Callable[[User], str | None]
"""Does something and says what; None if it cannot be done now."""

ACTIONS: list[tuple[float, Act]] = []
"""Actions with their weights."""

PLUGIN = "napari-eldyn"
MOST_FRAMES = 25  # of a run: what takes longer tells nothing more
MOST_KEPT = 3  # rollouts on the shelf, or memory would grow as it should
MOST_TRAJECTORIES = 2  # beside the reference; more are only slow to draw
_ALT, _SHIFT = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ShiftModifier


def action(weight: float) -> Callable[[Act], Act]:
    """Add a function to `ACTIONS`."""

    def add(act: Act) -> Act:
        ACTIONS.append((weight, act))
        return act

    return add


def docks_there_are() -> list[str]:
    """Names of the docks in the manifest."""
    widgets = PluginManager.instance().get_manifest(PLUGIN).contributions.widgets or []
    titles = {widget.display_name for widget in widgets}
    return [name for name in DOCKS if name in titles]


def n_trajectories(user: User) -> int:
    """Count the trajectories in the window."""
    return sum(layer_trajectory(layer) is not None for layer in user.viewer.layers)


def begin(user: User) -> None:
    """Open the sample session, as the demo does."""
    user.viewer.open_sample(PLUGIN, "li32_paper")
    turn(0.2)
    user.rest()
    open_workbench(user.viewer)
    user.control.configure(n_frames=8)


# -- running ----------------------------------------------------------------------------------


@action(6)
def run(user: User) -> str | None:
    """Press Run, with few frames."""
    if user.control.settings.n_frames > MOST_FRAMES:
        user.control.configure(n_frames=user.random.randint(2, MOST_FRAMES))
    how = user.random.choice(["button", "space"])
    if how == "space":
        user.press(Qt.Key.Key_Space)
    elif not user.click_button("Run"):
        return None
    turn(user.random.random())
    return f"run ({how}): {user.control.state}"


@action(3)
def step(user: User) -> str | None:
    """Generate one frame."""
    if user.random.random() < 0.5:
        user.press(Qt.Key.Key_S)
        return "step (key)"
    return "step" if user.click_button("Step") else None


@action(3)
def pause(user: User) -> str | None:
    """Pause a run."""
    return "pause" if user.control.state == "running" and user.click_button("Pause") else None


@action(2)
def stop(user: User) -> str | None:
    """Stop whatever is going on."""
    if user.control.state not in BUSY:
        return None
    if user.random.random() < 0.5:
        user.press(Qt.Key.Key_Escape)
        return "stop (key)"
    return "stop" if user.click_button("Stop") else None


@action(2)
def reset(user: User) -> str | None:
    """Start over."""
    return "reset" if user.click_button("Reset") else None


@action(3)
def let_it_finish(user: User) -> str | None:
    """Wait for the end of a run."""
    if user.control.state not in BUSY:
        return None
    user.rest(20.0)
    return f"wait: {user.control.state}"


@action(2)
def save_and_open(user: User) -> str | None:
    """Save the rollout, and take up the file."""
    control = user.control
    if not control.has_frames or control.state not in ("ready", "paused"):
        return None
    path = user.folder / f"rollout{user.random.randint(0, 2)}.eldyn"
    control.save(path, overwrite=True)
    user.rest()
    if user.random.random() < 0.6:
        control.open_rollout(path)
        turn(user.random.random())
        return f"save and open {path.name}"
    return f"save {path.name}"


@action(1)
def session(user: User) -> str | None:
    """Save the session, or open one that was saved."""
    path = user.folder / f"session{user.random.randint(0, 1)}.eldynsession"
    if path.exists() and user.random.random() < 0.5:
        load_into_window(user.viewer, path)
        turn(0.5)
        user.rest(20.0)
        return f"open {path.name}"
    if user.control.reference_layer is None or user.control.state in BUSY:
        return None
    save_workspace(user.viewer, path, overwrite=True)
    return f"save {path.name}"


# -- several rollouts -------------------------------------------------------------------------


@action(3)
def keep(user: User) -> str | None:
    """Keep the rollout; no more than a few."""
    if not user.control.has_frames:
        return None
    shelf = user.control.shelf
    user.control.keep()
    while len(shelf.kept) > MOST_KEPT:
        shelf.remove(shelf.kept[0])
    return f"keep: {len(shelf.kept)} on the shelf"


@action(2)
def members(user: User) -> str | None:
    """Run one or two more members."""
    control = user.control
    if not control.has_frames or control.state != "ready":
        return None
    if control.session is None or control.session.n_generated > 12:
        return None
    while len(control.shelf.kept) > 1:
        control.shelf.remove(control.shelf.kept[0])
    n = user.random.randint(1, 2)
    control.run_members(n)
    turn(user.random.random())
    return f"run {n} members"


@action(2)
def take_up(user: User) -> str | None:
    """Go on with another rollout, or with the one thrown away."""
    control = user.control
    others = [rollout for rollout in control.shelf.kept if not rollout.is_current]
    if others and user.random.random() < 0.7:
        control.take_up(user.random.choice(others))
        return "take up a rollout"
    if control.shelf.discarded is None:
        return None
    control.bring_back()
    return "bring back the rollout"


@action(2)
def let_go(user: User) -> str | None:
    """Remove a rollout from the shelf."""
    shelf = user.control.shelf
    if not shelf.kept:
        return None
    shelf.remove(user.random.choice(shelf.kept))
    return "remove a rollout"


# -- what a rollout is made of ----------------------------------------------------------------


@action(2)
def choose_model(user: User) -> str | None:
    """Take another sample model."""
    path = user.random.choice(sample_models())
    user.control.set_model(path)
    turn(0.3 * user.random.random())
    return f"model {path.stem}"


@action(3)
def settings(user: User) -> str | None:
    """Another sampler, seed, start frame or number of evaluations."""
    control = user.control
    which = user.random.choice(["sampler", "seed", "start_frame", "evaluations", "n_frames"])
    if which == "sampler" and control.model is not None:
        name = user.random.choice([name for name in control.model.samplers if name != "ddpm"])
        control.configure(sampler=name, evaluations=control.model.samplers[name])
        return f"sampler {name}"
    number = {
        "seed": user.random.randint(0, 3),
        "start_frame": user.random.randint(0, 40),
        "evaluations": user.random.choice([4, 8, 10]),
        "n_frames": user.random.randint(2, MOST_FRAMES),
    }.get(which, 0)
    if which == "sampler":
        return None
    control.configure(**{which: number})
    return f"{which} {number}"


@action(1)
def other_trajectory(user: User) -> str | None:
    """Open, or drop into the window, another trajectory, and take it as the reference."""
    path = sample_trajectory()
    n_layers = len(user.viewer.layers)
    if n_trajectories(user) > MOST_TRAJECTORIES:
        return None
    if user.random.random() < 0.5:
        user.viewer.open(path, plugin=PLUGIN)
        how = "open"
    else:
        user.drop(path)
        how = "drop"
    user.wait(lambda: len(user.viewer.layers) > n_layers, 5.0)
    user.control.set_reference(user.viewer.layers[-1])
    turn(0.2)
    return f"{how} a trajectory: {len(user.viewer.layers)} layers"


@action(0.5)
def sample(user: User) -> str | None:
    """Open a sample from the menu."""
    if n_trajectories(user) > MOST_TRAJECTORIES:
        return None
    key = user.random.choice(["li32", "li32_spatial", "li32_paper"])
    user.viewer.open_sample(PLUGIN, key)
    turn(0.5)
    return f"sample {key}"


@action(0.5)
def broken_file(user: User) -> str | None:
    """Open what cannot be opened."""
    path = user.folder / "broken.eldyn"
    path.mkdir(exist_ok=True)
    (path / "zarr.json").write_text("{")
    user.faults.expect(r"broken\.eldyn")
    user.viewer.open(path, plugin=PLUGIN)
    return "open a broken file"


@action(1)
def delete_layer(user: User) -> str | None:
    """Delete a layer with the button of the layer list, or all of them."""
    layers = user.viewer.layers
    if not layers:
        return None
    if user.random.random() < 0.1:
        layers.clear()
        what = "all layers"
    else:
        layer = user.random.choice(list(layers))
        layers.selection = [layer]
        what = layer.name
        layers.remove_selected()
    turn(0.3)
    return f"delete {what}"


@action(3)
def come_back(user: User) -> str | None:
    """Open the sample again where nothing is left to run."""
    control = user.control
    if control.session is not None or control.state == "loading":
        return None
    if not any(layer_trajectory(layer) for layer in user.viewer.layers):
        user.viewer.open_sample(PLUGIN, "li32")
    if control.reference_layer is None:
        layer = next(x for x in user.viewer.layers if layer_trajectory(x) is not None)
        control.set_reference(layer)
    if control.model is None:
        control.set_model(sample_models()[0])
    user.rest(20.0)
    if control.session is None:
        user.click_button("Reset")  # its start was stopped
        user.rest(20.0)
    return f"come back: {control.state}"


# -- looking ----------------------------------------------------------------------------------


@action(6)
def scrub(user: User) -> str | None:
    """Move through time, also while it runs."""
    viewer = user.viewer
    if viewer.dims.ndim < 4:
        return None
    how = user.random.choice(["slider", "arrows", "leap", "ends", "drag"])
    if how == "slider":
        viewer.dims.set_current_step(0, user.random.randrange(viewer.dims.nsteps[0]))
    elif how == "arrows":
        for _ in range(user.random.randint(1, 6)):
            user.press(user.random.choice([Qt.Key.Key_Left, Qt.Key.Key_Right]))
    elif how == "leap":
        user.press(user.random.choice([Qt.Key.Key_Left, Qt.Key.Key_Right]), _SHIFT)
    elif how == "ends":
        user.press(user.random.choice([Qt.Key.Key_Home, Qt.Key.Key_End]))
    else:
        for _ in range(5):
            viewer.dims.set_current_step(0, user.random.randrange(viewer.dims.nsteps[0]))
            turn(0.03)
    return f"scrub ({how}) to {viewer.dims.current_step[0]}"


@action(1)
def follow(user: User) -> str | None:
    """Follow live again."""
    user.press(Qt.Key.Key_L)
    return "follow live"


@action(3)
def panel(user: User) -> str | None:
    """Show or hide a panel."""
    place = user.random.randrange(len(PANELS))
    panels = user.control.panels
    if user.random.random() < 0.3:
        user.press(Qt.Key(Qt.Key.Key_1.value + place), _ALT)
    else:
        panels.set_shown(PANELS[place], not panels.is_shown(PANELS[place]))
    return f"panel {PANELS[place]}: {panels.is_shown(PANELS[place])}"


@action(1)
def offset(user: User) -> str | None:
    """Shift the reference in time."""
    user.control.panels.offset = user.random.randint(-3, 3)
    return f"offset {user.control.panels.offset}"


@action(1)
def two_dimensional(user: User) -> str | None:
    """2D or 3D."""
    user.viewer.dims.ndisplay = 5 - user.viewer.dims.ndisplay
    return f"{user.viewer.dims.ndisplay}D"


@action(1)
def camera(user: User) -> str | None:
    """Turn, fit, or look from the default direction."""
    how = user.random.choice(["turn", "fit", "default"])
    if how == "turn":
        user.viewer.scene.camera.angles = tuple(user.random.uniform(-180, 180) for _ in range(3))
    else:
        user.press(Qt.Key.Key_F if how == "fit" else Qt.Key.Key_D)
    return f"camera: {how}"


@action(1)
def theme(user: User) -> str | None:
    """Dark or light."""
    user.viewer.theme = "light" if user.viewer.theme == "dark" else "dark"
    return f"{user.viewer.theme} theme"


@action(1)
def resize(user: User) -> str | None:
    """Another size of the window."""
    width, height = user.random.choice([(1280, 800), (1100, 700), (1500, 950), (1024, 768)])
    user.viewer.window.resize(width, height)
    return f"window {width} × {height}"


# -- docks ------------------------------------------------------------------------------------


@action(3)
def dock(user: User) -> str | None:
    """Show, hide, raise or close a dock."""
    name = user.random.choice(docks_there_are())
    there = find_docks(user.viewer)
    if name not in there:
        open_dock(user.viewer, name)
        return f"open dock {name}"
    how = user.random.choice(["close", "hide", "hide", "raise", "float"])
    if how == "close":
        user.closed.append((name, weakref.ref(user.docks()[name])))
        close_dock(user.viewer, name)
    elif how == "hide":
        there[name].setVisible(there[name].isHidden())
    elif how == "raise":
        there[name].show()
        there[name].raise_()
    else:
        there[name].setFloating(not there[name].isFloating())
    return f"{how} dock {name}"


@action(1)
def workbench(user: User) -> str | None:
    """Open all docks."""
    open_workbench(user.viewer, user.random.choice(docks_there_are()))
    return "open the workbench"


@action(2)
def menu(user: User) -> str | None:
    """An entry of our menu."""
    found = density_menu(user.viewer)
    if found is None:
        return None
    found.aboutToShow.emit()
    entries = [a for a in found.actions() if a.isEnabled() and a.menu() is None and a.text()]
    missing = set(DOCKS) - set(docks_there_are())
    entries = [a for a in entries if a.text() not in missing]
    entry = user.random.choice(entries)
    entry.trigger()
    turn(0.2)
    return f"menu: {entry.text()}"


@action(12)
def any_control(user: User) -> str | None:
    """Use any control of a dock that is in sight."""
    shown = {name: content for name, content in user.docks().items() if content.isVisible()}
    if not shown:
        return None
    name = user.random.choice(list(shown))
    controls = user.controls(shown[name])
    if not controls:
        return None
    what = user.use(user.random.choice(controls))
    if user.control.settings.n_frames > MOST_FRAMES:
        user.control.configure(n_frames=MOST_FRAMES)
    return f"{name}: {what}"


@action(1)
def close_windows(user: User) -> str | None:
    """Close dialogs beside the window (model card, help)."""
    dialogs = [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog)]
    dialogs = [w for w in dialogs if w.isVisible()]
    for dialog in dialogs:
        buttons = dialog.findChildren(QPushButton)
        if not (buttons and user.click(buttons[-1])):
            dialog.close()
    return f"close {len(dialogs)} dialogs" if dialogs else None


@action(2)
def movie(user: User) -> str | None:
    """Export a short movie with the button of the dock, or cancel one."""
    content = user.docks().get("Movie")
    if content is None or user.control.state in BUSY:
        return None
    texts = {button.text() for button in content.findChildren(QPushButton) if button.isEnabled()}
    for text in ("Cancel", "Stop"):
        if text in texts and user.random.random() < 0.7 and user.click_button(text):
            return f"movie: {text}"
    for text in sorted(texts):
        if text.startswith(("Record", "Export", "Save")) and user.click_button(text):
            turn(user.random.choice([0.2, 1.0, 4.0]))
            return f"movie: {text}"
    return None


@action(1)
def figure(user: User) -> str | None:
    """Draw or save a figure with a button of the dock."""
    content = user.docks().get("Figures")
    if content is None:
        return None
    buttons = [b for b in content.findChildren(QPushButton) if b.isEnabled() and b.text()]
    if not buttons:
        return None
    button = user.random.choice(buttons)
    text = button.text()
    if not user.click(button):
        return None
    turn(user.random.choice([0.2, 1.0, 3.0]))
    return f"figures: {text}"


def partial_files(folder: Path) -> list[str]:
    """Names of half-written files."""
    return sorted(path.name for path in folder.iterdir() if ".partial" in path.name)
