"""Several rollouts in one window: kept, named, coloured, brought back, run as an ensemble."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from live_session import Live

from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.rollout import Rollout
from napari_eldyn.viewer.ensemble import EnsembleVolumes

ROUNDING = {"rtol": 1e-4, "atol": 1e-4}


def labels(live: Live) -> list[str]:
    return [rollout.label for rollout in live.control.shelf.rollouts]


def reset(live: Live) -> None:
    live.control.reset()
    live.wait_state("ready")


def test_a_kept_rollout_stays_when_settings_make_another(live: Live) -> None:
    control, shelf = live.control, live.control.shelf
    changes: list[int] = []
    shelf.changed.connect(lambda: changes.append(len(shelf.rollouts)))
    assert shelf.rollouts == ()
    live.run_to_end()
    assert changes[-1] == 1
    (first,) = shelf.rollouts
    assert first.is_current
    assert first.colour == 0
    before = [s.counts.copy() for s in first.statistics]
    control.keep()
    assert control.frames_to_lose == 0
    control.configure(seed=1)  # nothing to lose: takes effect by itself
    live.wait(lambda: control.session is not first.session and control.state == "ready")
    assert not first.is_current
    live.run_to_end()
    second, kept = shelf.rollouts
    assert kept is first
    assert (second.colour, first.colour) == (1, 0), "a colour stays with its rollout"
    assert labels(live) == ["seed 1", "seed 0"]
    for counts, statistics in zip(before, first.statistics, strict=True):
        np.testing.assert_array_equal(counts, statistics.counts)
    shelf.remove(first)
    assert shelf.rollouts == (second,)
    assert labels(live) == ["random"], "one alone is named by its model"


def test_labels_name_what_differs_and_are_unique(live: Live, strided_model_path: Path) -> None:
    control = live.control
    for changes in (
        {},
        {"sampler": "ddpm"},
        {"sampler": "ddpm", "evaluations": 4},
        {"start_frame": 4},
    ):
        control.configure(n_frames=1, **changes)
        live.wait(lambda: not control.needs_reset and control.state == "ready")
        live.run_to_end()
        control.keep()
    reset(live)
    live.run_to_end()
    control.keep()
    assert labels(live) == [
        "ddpm 4 · from frame 4 (116 fs) (1)",
        "ddim 5 · from frame 2 (108 fs)",
        "ddpm 5 · from frame 2 (108 fs)",
        "ddpm 4 · from frame 2 (108 fs)",
        "ddpm 4 · from frame 4 (116 fs) (2)",
    ]
    control.set_model(strided_model_path, "cpu")
    live.wait(lambda: control.model is not None and control.model.path == strided_model_path)
    live.wait_state("ready")
    live.run_to_end()
    assert all(("strided" if n == 0 else "random") in text for n, text in enumerate(labels(live)))


def test_choosing_another_model_keeps_frames_and_says_so(
    live: Live, strided_model_path: Path
) -> None:
    control = live.control
    live.run_to_end()
    control.set_model(strided_model_path, "cpu")
    live.wait(lambda: control.model is not None and control.model.path == strided_model_path)
    live.wait_state("ready")
    assert [len(rollout.statistics) for rollout in control.shelf.rollouts] == [6]
    assert any("(6 frames) is kept" in message for message in live.messages)


def test_discarded_frames_come_back(live: Live) -> None:
    control = live.control
    live.run_to_end()
    assert control.comparison is not None
    volume = np.array(control.comparison.layers["generated"].data[6])
    assert control.frames_to_lose == 6
    reset(live)
    assert not control.has_frames
    assert control.shelf.rollouts == ()
    control.bring_back()
    live.wait(lambda: control.has_frames)
    assert control.shelf.discarded is None
    assert len(control.generated_statistics) == 6
    control.comparison.go_to(6)
    live.wait(lambda: bool(np.any(control.comparison.layers["generated"].data[6])))
    np.testing.assert_array_equal(control.comparison.layers["generated"].data[6], volume)


def test_taking_up_a_kept_rollout_goes_on_as_if_never_left(live: Live, model_path: Path) -> None:
    control, shelf = live.control, live.control.shelf
    live.run_to_end()
    control.keep()
    control.configure(seed=5, n_frames=3)
    live.wait(lambda: not control.needs_reset and control.state == "ready")
    live.run_to_end()
    control.take_up(shelf.kept[0])
    live.wait(lambda: control.settings.seed == 0)
    assert [(x.is_current, len(x.statistics)) for x in shelf.rollouts] == [(True, 6), (False, 3)]
    live.run_to_end()
    assert live.n_frames == 9
    expected = Rollout(
        Emulator.load(model_path), control.session.pairing.trajectory, 2, "ddim", 5, 0
    )
    expected.advance(9)
    np.testing.assert_allclose(control.session.rollout.latents, expected.latents, **ROUNDING)


def test_members_differ_in_the_seed_and_give_mean_and_deviation(live: Live) -> None:
    control, shelf = live.control, live.control.shelf
    live.run_to_end()
    progress: list[tuple[int, int, str]] = []
    control.progressed.connect(lambda p: progress.append((p.done, p.total, p.what)))
    control.run_members(3)
    assert control.state == "members"
    live.wait_state("ready")
    assert [member.session.settings.seed for member in shelf.members] == [0, 1, 2, 3]
    assert labels(live) == ["seed 0", "seed 1", "seed 2", "seed 3"]
    assert progress[-1][:2] == (18, 18)
    assert progress[0] == (0, 18, "member 1 of 3")
    ensemble = shelf.ensemble
    assert shelf.ensemble is ensemble, "volumes are kept as long as the members are the same"
    assert (ensemble.n_members, ensemble.n_frames) == (4, 6)
    volumes = np.array([member.session.rollout[4] for member in shelf.members], dtype=float)
    assert ensemble.next_to_make("mean", 5) == 5
    ensemble.make("mean", 5)
    np.testing.assert_allclose(ensemble.get("mean", 5), volumes.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(
        ensemble.get("std", 5), volumes.std(axis=0, ddof=1), rtol=1e-5, atol=1e-9
    )
    ensemble.make(2, 5)
    np.testing.assert_array_equal(ensemble.get(2, 5), volumes[2].astype(np.float32))
    assert ensemble.describe("mean", 5) == "mean of 4 members"
    assert ensemble.next_to_make("mean", 5) == 6, "it looks ahead"
    assert ensemble.next_to_make("mean", 7) is None
    assert "ends at 132 fs" in ensemble.describe("std", 7)
    assert "two members" in EnsembleVolumes([control.session]).describe("mean", 1)


def test_stopping_keeps_members_that_are_whole(live: Live) -> None:
    control, shelf = live.control, live.control.shelf
    live.run_to_end()
    control.run_members(500)
    live.wait(lambda: len(shelf.members) >= 3)
    control.stop()
    live.wait_state("ready")
    assert 3 <= len(shelf.members) < 500
    assert {len(member.statistics) for member in shelf.members} == {6}
    assert not live.failures


def test_kept_rollouts_hold_few_volumes(live: Live) -> None:
    control, shelf = live.control, live.control.shelf
    control.configure(n_frames=600)  # 16³ floats each: 10 MB
    live.run_to_end()
    session = control.session
    assert len(session.cache) == 601
    control.keep()
    control.configure(seed=1)
    live.wait(lambda: not control.needs_reset and control.state == "ready")
    assert len(session.cache) == 2**20 // (4 * 16**3)
    assert len(shelf.rollouts[0].statistics) == 600


def test_a_full_shelf_lets_the_oldest_go_and_says_so(live: Live) -> None:
    control, shelf = live.control, live.control.shelf
    control.configure(n_frames=1)
    live.run_to_end()
    control.run_members(40)
    live.wait_state("ready")
    assert len(shelf.kept) == 32
    assert shelf.rollouts[0].is_current
    assert any("The shelf is full: “seed 1” had to go" in message for message in live.messages)
    colours = [rollout.colour for rollout in shelf.rollouts]
    assert len(set(colours)) == len(colours)
