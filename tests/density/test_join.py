from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.density.formats import open_any
from napari_eldyn.density.join import join
from napari_eldyn.exceptions import EldynError


def test_parts_in_any_order_give_the_whole(make_trajectory) -> None:
    whole = make_trajectory(n=10)
    joined = join([whole[7:], whole[:3], whole[3:7]])
    np.testing.assert_array_equal(joined.times, whole.times)
    np.testing.assert_array_equal(np.stack(list(joined)), np.stack(list(whole)))
    np.testing.assert_array_equal(joined.positions, whole.positions)
    np.testing.assert_array_equal(joined.velocities, whole.velocities)
    np.testing.assert_array_equal(joined.scalars["energy"], whole.scalars["energy"])
    np.testing.assert_array_equal(joined.extra["latents"], whole.extra["latents"])
    np.testing.assert_array_equal(joined[2:9:3].extra["latents"], whole.extra["latents"][2:9:3])
    np.testing.assert_array_equal(joined.extra["latents"][8:1:-2], whole.extra["latents"][8:1:-2])
    assert [part["frames"] for part in joined.provenance["joined_from"]] == [3, 4, 3]


def test_stores_are_joined(make_trajectory, tmp_path) -> None:
    whole = make_trajectory(n=6)
    for name, part in (("a", whole[:2]), ("b", whole[2:])):
        part.save(tmp_path / f"{name}.eldyn", encoding="float32")
    joined = open_any([tmp_path / "b.eldyn", tmp_path / "a.eldyn"])
    np.testing.assert_array_equal(np.stack(list(joined)), np.stack(list(whole)))
    joined.save(tmp_path / "ab.eldyn", encoding="float32")
    np.testing.assert_array_equal(DensityTrajectory.open(tmp_path / "ab.eldyn")[5], whole[5])


def test_gaps_and_overlaps_are_refused(make_trajectory) -> None:
    whole = make_trajectory(n=10)
    with pytest.raises(EldynError, match=r"starts 8 fs after .* 4 fs apart"):
        join([whole[:4], whole[5:]])
    with pytest.raises(EldynError, match=r"starts at 22 fs, before .* ends at 26 fs"):
        join([whole[:5], whole[3:]])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "all_electron"}, "kind of density"),
        ({"numbers": [3, 3]}, "atoms"),
        ({"velocities": None}, "velocities, which only one has"),
        ({"scalars": {"energy": np.zeros(5)}}, "temperature in one only"),
        ({"extra": {}}, "latents in one only"),
        ({"shape": (4, 4, 4)}, "grid"),
    ],
)
def test_different_trajectories_are_refused(make_trajectory, fields, message) -> None:
    later = make_trajectory(**fields)
    moved = DensityTrajectory(
        later,
        later.grid,
        later.times + 20.0,
        numbers=later.numbers,
        kind=later.kind,
        positions=later.positions,
        velocities=later.velocities,
        scalars=later.scalars,
        extra=later.extra,
    )
    with pytest.raises(EldynError, match=rf"cannot be joined.*{message}"):
        join([make_trajectory(), moved])


def test_nothing_to_join(make_trajectory) -> None:
    with pytest.raises(EldynError, match="no trajectories"):
        join([])
    with pytest.raises(EldynError, match="no frames"):
        join([make_trajectory(), make_trajectory(n=0)])
