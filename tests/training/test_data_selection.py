"""Several trajectories as one training set: what goes together, what is held back, what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from eldyn_training.campaign.manifest import Manifest, TrajectoryRecord, write_manifest
from eldyn_training.data import Part, load_dataset, open_data
from eldyn_training.recipe import DataRecipe
from liquid import gaussian_liquid
from pydantic import ValidationError

from napari_eldyn.density import DensityTrajectory, PeriodicGrid, resample
from napari_eldyn.exceptions import EldynError


def random_trajectory(
    n: int = 12,
    *,
    seed: int = 0,
    path: str | None = None,
    cell: float = 4.0,
    points: int = 4,
    step: float = 2.0,
    **fields: Any,
) -> DensityTrajectory:
    values = np.random.default_rng(seed).uniform(0.1, 1.0, (n, points, points, points))
    grid = PeriodicGrid(np.eye(3) * cell, (points, points, points))
    fields = {"kind": "pseudo", **fields}
    return DensityTrajectory.from_array(values, grid, np.arange(n) * step, path=path, **fields)


def frames_of(part: Part) -> set[int]:
    """All frames that a part's states are made of: each with both neighbours."""
    middles = part.states[:, 0].tolist()
    return {frame + offset for frame in middles for offset in (-1, 0, 1)}


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("gap", [None, 9])
def test_a_split_by_time_shares_no_frame(stride: int, gap: int | None) -> None:
    recipe = DataRecipe(
        stride=stride, validation_frames=10, validation_gap=gap, time_reversal=True,
        reflect_ends=True,
    )  # fmt: skip
    parts = [random_trajectory(40), random_trajectory(50, seed=1)]
    dataset = load_dataset(recipe, parts)
    training, validation = frames_of(dataset.training), frames_of(dataset.validation)
    width = stride + 2 if gap is None else gap
    assert training == {*range(30 - width), *range(40, 80 - width)}
    assert validation == {*range(30, 40), *range(80, 90)}
    # Validation runs forward in time, as it happened.
    assert set(dataset.validation.states[:, 1].tolist()) == {1}
    assert [source.validation for source in dataset.sources] == [range(30, 40), range(80, 90)]


def test_a_fraction_of_each_trajectory_validates() -> None:
    parts = [random_trajectory(40), random_trajectory(50, seed=1)]
    dataset = load_dataset(DataRecipe(validation_fraction=0.2), parts)
    assert [len(source.validation) for source in dataset.sources] == [8, 10]
    assert [len(source.training) for source in dataset.sources] == [29, 37]


@pytest.mark.parametrize("chosen", [1, ("c",)])
def test_whole_trajectories_validate(chosen: int | tuple[str, ...]) -> None:
    parts = [
        random_trajectory(10, seed=seed, path=f"{name}.eldyn") for seed, name in enumerate("abc")
    ]
    dataset = load_dataset(DataRecipe(validation_trajectories=chosen), parts)
    assert frames_of(dataset.training) == set(range(20))
    assert frames_of(dataset.validation) == set(range(20, 30))
    assert [source.name for source in dataset.sources] == ["a", "b", "c"]


def test_nothing_validates_unless_asked() -> None:
    dataset = load_dataset(DataRecipe(), [random_trajectory()])
    assert dataset.validation.pairs.shape == (0, 2, 2)
    assert dataset.validation.states.shape == (0, 2)


def test_normalisation_is_that_of_the_training_frames() -> None:
    """The validation trajectory is brighter by far, and leaves no trace."""
    parts = [random_trajectory(10, seed=seed) for seed in (0, 1)]
    bright = DensityTrajectory.from_array(
        np.stack([frame * 100 for frame in random_trajectory(10, seed=2)]),
        parts[0].grid, parts[0].times, kind="pseudo",
    )  # fmt: skip
    dataset = load_dataset(DataRecipe(validation_trajectories=1), [*parts, bright])
    logs = np.log(np.array([list(part) for part in parts], np.float64))
    assert dataset.normalisation.mean == pytest.approx(logs.mean(), rel=1e-6)
    assert dataset.normalisation.std == pytest.approx(logs.std(), rel=1e-6)
    rate = (logs[:, 2:] - logs[:, :-2]) / (2 * 2.0) / logs.std()
    assert dataset.normalisation.rate_std == pytest.approx(rate.std(), rel=1e-6)
    assert dataset.report.n_values == logs.size
    assert dataset.limits == pytest.approx(
        ((logs.min() - logs.mean()) / logs.std(), (logs.max() - logs.mean()) / logs.std()),
        abs=1e-5,
    )
    assert float(dataset.density[20:].mean()) > 5.0


def test_trajectories_of_one_name_are_told_apart_by_their_directories() -> None:
    places = ["runs/a/li.eldyn", "runs/b/li.eldyn", "runs/b/na.eldyn"]
    parts = [random_trajectory(seed=seed, path=path) for seed, path in enumerate(places)]
    dataset = load_dataset(DataRecipe(validation_trajectories=("b/li",)), parts)
    assert [source.name for source in dataset.sources] == ["a/li", "b/li", "na"]
    assert not len(dataset.sources[1].training)


MIXED: list[tuple[dict[str, Any], str]] = [
    ({"cell": 4.1}, r"\[4\.1.*but .*first\.eldyn has .*\[4\.0"),
    ({"points": 6}, r"6 × 6 × 6 grid points, but .*first\.eldyn has 4 × 4 × 4"),
    ({"kind": "all_electron"}, r"'all_electron', but .*first\.eldyn holds 'pseudo'"),
    ({"step": 4.0}, r"4 fs apart, but .*first\.eldyn has 2 fs"),
    ({"numbers": [3, 11]}, r"atoms LiNa, but .*first\.eldyn holds Li2"),
]


@pytest.mark.parametrize(("change", "message"), MIXED)
def test_mixed_trajectories_are_refused_with_both_files(
    change: dict[str, Any], message: str
) -> None:
    first = random_trajectory(path="first.eldyn", numbers=[3, 3])
    other = random_trajectory(seed=1, path="other.eldyn", **{"numbers": [3, 3], **change})
    with pytest.raises(EldynError, match=message) as error:
        load_dataset(DataRecipe(), [first, other])
    assert str(error.value.path) == "other.eldyn"


def test_other_cells_train_beside_the_model_s_own() -> None:
    """Cell, normalisation, histogram limits and validation are the first trajectory's."""
    own = [random_trajectory(20, seed=seed) for seed in (0, 1)]
    dense = DensityTrajectory.from_array(
        np.stack([3.0 * frame for frame in random_trajectory(12, seed=2)]),
        PeriodicGrid(np.eye(3) * 3.8, (4, 4, 4)), np.arange(12) * 2.0, kind="pseudo",
    )  # fmt: skip
    split: dict[str, Any] = {"stride": 2, "validation_frames": 6}
    alone = load_dataset(DataRecipe(**split), own)
    both = load_dataset(DataRecipe(**split, other_cells=True), [own[0], dense, own[1]])
    np.testing.assert_array_equal(both.grid.cell, np.eye(3) * 4.0)
    assert (both.normalisation, both.limits) == (alone.normalisation, alone.limits)
    assert both.report == alone.report
    # The other cell's frames, 20 … 31, all train, and none validates.
    assert frames_of(both.training) == {*range(10), *range(20, 32), *range(32, 42)}
    assert frames_of(both.validation) == {*range(14, 20), *range(46, 52)}
    log = np.log(3.0 * random_trajectory(12, seed=2)[4].astype(np.float64))
    expected = (log - both.normalisation.mean) / both.normalisation.std
    np.testing.assert_allclose(both.density[24], expected, rtol=1e-4, atol=1e-4)
    named = [source.cell for source in both.sources]
    assert named[0] is None
    assert named[2] is None
    np.testing.assert_array_equal(named[1], np.eye(3) * 3.8)


def test_the_last_trajectories_that_validate_are_in_the_model_s_cell() -> None:
    parts = [
        random_trajectory(10, seed=seed, cell=cell, path=f"{name}.eldyn")
        for seed, (name, cell) in enumerate((("a", 4.0), ("b", 4.0), ("c", 3.8)))
    ]
    recipe = DataRecipe(other_cells=True, validation_trajectories=1)
    assert [len(source.validation) for source in load_dataset(recipe, parts).sources] == [0, 10, 0]
    for wanted, message in (
        (("c",), "names 'c', whose cell is not that of a"),
        (2, "= 2 of 2 in the model's cell leaves none to train on"),
        (("a", "b"), "all trajectories in the model's cell"),
    ):
        recipe = DataRecipe(other_cells=True, validation_trajectories=wanted)
        with pytest.raises(EldynError, match=message):
            load_dataset(recipe, parts)


@pytest.mark.parametrize("allowed", [False, True])
def test_cells_of_another_shape_are_refused(allowed: bool) -> None:
    first = random_trajectory(path="first.eldyn")
    longer = DensityTrajectory.from_array(
        np.stack(list(random_trajectory(seed=1))),
        PeriodicGrid(np.diag([4.0, 4.0, 4.4]), (4, 4, 4)), first.times,
        kind="pseudo", path="longer.eldyn",
    )  # fmt: skip
    message = "is not that of .*first.eldyn scaled" if allowed else "a model holds one"
    with pytest.raises(EldynError, match=r"has the cell .*4\.4") as error:
        load_dataset(DataRecipe(other_cells=allowed), [first, longer])
    assert error.match(message)
    with pytest.raises(EldynError, match=r"data\.other_cells = true"):
        load_dataset(DataRecipe(), [first, random_trajectory(cell=3.8, seed=1)])


def test_mixed_grids_go_together_on_the_grid_of_the_recipe() -> None:
    parts = [gaussian_liquid(8, points=16), gaussian_liquid(8, points=12, seed=1)]
    dataset = load_dataset(DataRecipe(grid=(12, 12, 12)), parts)
    for frame, expected in ((2, resample(parts[0][2], (12, 12, 12))), (10, parts[1][2])):
        np.testing.assert_array_equal(
            dataset.density[frame], dataset.normalisation.normalise(expected)[0]
        )


def test_a_bad_frame_is_named_by_file_and_number() -> None:
    values = np.random.default_rng(0).uniform(0.1, 1.0, (12, 4, 4, 4)).astype(np.float32)
    values[7, 1, 2, 3] = np.inf
    bad = DensityTrajectory.from_array(
        values, PeriodicGrid(np.eye(3) * 4.0, (4, 4, 4)), np.arange(12) * 2.0,
        kind="pseudo", path="bad.eldyn",
    )  # fmt: skip
    # The number is that in the file, not in the selection.
    with pytest.raises(EldynError, match="frame 7 has 1 values") as error:
        load_dataset(DataRecipe(frames="3:"), [random_trajectory(seed=1), bad])
    assert str(error.value.path) == "bad.eldyn"


def test_the_same_trajectory_twice_is_refused() -> None:
    first = random_trajectory(path="first.eldyn")
    copy = random_trajectory(path="copy.eldyn")
    with pytest.raises(EldynError, match=r"shares 12 of 12 frames with first\.eldyn") as error:
        load_dataset(DataRecipe(), [first, copy])
    assert str(error.value.path) == "copy.eldyn"


def test_a_stretch_of_another_trajectory_is_refused_but_a_common_start_is_not() -> None:
    whole = random_trajectory(12, path="whole.eldyn")
    with pytest.raises(EldynError, match="frame 0 is its frame 4"):
        load_dataset(DataRecipe(), [whole, whole[4:10]])
    frames = [whole[0], *random_trajectory(11, seed=5)]
    branch = DensityTrajectory.from_array(
        np.stack(frames), whole.grid, whole.times, kind="pseudo", path="branch.eldyn"
    )
    assert len(load_dataset(DataRecipe(), [whole, branch]).density) == 24


def test_the_fingerprint_of_a_set_depends_on_all_and_on_their_use() -> None:
    parts = [random_trajectory(seed=seed, path=f"{seed}.eldyn") for seed in range(3)]

    def fingerprint(recipe: DataRecipe, *chosen: int) -> str:
        return load_dataset(recipe, [parts[index] for index in chosen]).fingerprint

    plain = DataRecipe()
    held_back = DataRecipe(validation_trajectories=1)
    found = [
        fingerprint(plain, 0), fingerprint(plain, 0, 1), fingerprint(plain, 0, 2),
        fingerprint(plain, 1, 0), fingerprint(held_back, 0, 1),
    ]  # fmt: skip
    assert len(set(found)) == len(found)
    sources = load_dataset(plain, parts[:2]).sources
    assert sources[0].sha256 == found[0]


@pytest.mark.parametrize(
    ("recipe", "n", "message"),
    [
        (DataRecipe(validation_frames=10), 14, "of 14 frames, 1 are left for training and 10"),
        (DataRecipe(validation_frames=3), 14, "8 are left for training and 3 for validation"),
        (DataRecipe(validation_frames=20), 14, "0 are left for training"),
        (DataRecipe(validation_fraction=0.1), 14, "1 for validation"),
        (DataRecipe(validation_trajectories=1), 14, "leaves none to train on"),
        (DataRecipe(validation_trajectories=("trajectory",)), 14, "leaves none to train on"),
        (DataRecipe(validation_trajectories=("b",)), 14, "names 'b', which is not given"),
    ],
)
def test_splits_that_leave_too_little_are_refused(recipe: DataRecipe, n: int, message: str) -> None:
    with pytest.raises(EldynError, match=message):
        load_dataset(recipe, [random_trajectory(n)])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"validation_frames": 5, "validation_fraction": 0.1}, "exclude each other"),
        ({"validation_gap": 3, "stride": 2}, r"at least stride \+ 2 = 4"),
        ({"validation_fraction": 1.0}, "less than 1"),
        ({"validation_trajectories": -1}, "greater than or equal to 0"),
    ],
)
def test_contradictory_keys_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataRecipe.model_validate(keys)


def record(name: str, status: Any, frames: int) -> TrajectoryRecord:
    return TrajectoryRecord(
        name=name, store=f"{name}/density.eldyn", status=status, parameters={}, seed=0,
        recipe={}, recipe_sha256="", frames=frames, frames_wanted=8,
    )  # fmt: skip


def test_a_campaign_gives_its_finished_trajectories(tmp_path: Path) -> None:
    for seed, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        gaussian_liquid(8, seed=seed).save(tmp_path / name / "density.eldyn")
    gaussian_liquid(8, seed=7).save(tmp_path / "extra.eldyn")
    records = (record("one", "finished", 8), record("two", "finished", 8))
    running = record("three", "running", 3)
    write_manifest(tmp_path, Manifest(recipe="tiny", trajectories=(*records, running)))
    said: list[str] = []
    found = open_data([tmp_path, tmp_path / "extra.eldyn"], said.append)
    assert [len(part) for part in found] == [8, 8, 8]
    assert len(said) == 1
    assert "2 of 3 trajectories are finished" in said[0]
    assert "three (running, 3 of 8 frames)" in said[0]
    dataset = load_dataset(DataRecipe(validation_trajectories=1), found)
    names = [source.name for source in dataset.sources]
    assert names == ["one/density", "two/density", "extra"]
    assert torch.isfinite(dataset.batch(dataset.validation.states)).all()


def test_a_campaign_without_a_finished_trajectory_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, Manifest(recipe="tiny", trajectories=(record("one", "failed", 2),)))
    with pytest.raises(EldynError, match=r"one \(failed, 2 of 8 frames\)") as error:
        open_data([tmp_path], print)
    assert error.value.path == tmp_path
