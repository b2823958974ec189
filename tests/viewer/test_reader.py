from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pytest
from liquid import gaussian_liquid
from napari.utils.notifications import Notification, notification_manager

from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.reader import get_reader
from napari_eldyn.viewer.samples import sample_models, sample_trajectory

MakeViewer = Callable[..., napari.Viewer]


def write_chunk(path: Path, first: int, n_frames: int) -> Path:
    trajectory = gaussian_liquid(first + n_frames)
    logarithm = np.log(np.stack([trajectory[first + i] for i in range(n_frames)]))
    low, high = float(logarithm.min()), float(logarithm.max())
    np.savez(
        path,
        lnrho=np.rint((logarithm - low) / (high - low) * 65535).astype(np.uint16),
        lnrho_range=np.array([low, high]),
        frame=np.arange(first, first + n_frames),
        cell=trajectory.grid.cell,
        numbers=np.full(8, 3),
        timestep_fs=4.0,
    )
    return path


def shown_messages(since: int) -> list[str]:
    records: list[Notification] = notification_manager.records[since:]
    return [record.message for record in records]


@pytest.mark.parametrize(
    "name", ["a.eldyn", "frames_000100.npz", "/some/where/B.ELDYN", "/missing/frames_1.npz"]
)
def test_claims_its_own(name: str) -> None:
    assert get_reader(name) is not None


@pytest.mark.parametrize("name", ["a.npz", "a.zarr", "frames_x.npz", "", "\0"])
def test_leaves_the_rest_to_others(name: str) -> None:
    assert get_reader(name) is None


def test_claims_a_directory_only_with_chunks(tmp_path: Path) -> None:
    assert get_reader(str(tmp_path)) is None
    write_chunk(tmp_path / "frames_000000.npz", 0, 2)
    assert get_reader(str(tmp_path)) is not None
    assert get_reader([]) is None


def test_a_dropped_chunk_opens(make_napari_viewer: MakeViewer, tmp_path: Path) -> None:
    path = write_chunk(tmp_path / "frames_000000.npz", 0, 3)
    viewer = make_napari_viewer()
    controller_of(viewer)  # the plugin has been used
    (layer,) = viewer.open(path, plugin=None)  # as a drop does: napari chooses, or asks
    assert layer.data.shape == (3, 16, 16, 16)
    np.testing.assert_allclose(layer.data[2], gaussian_liquid(3)[2], rtol=1e-4)


def test_several_chunks_make_one_trajectory(make_napari_viewer: MakeViewer, tmp_path: Path) -> None:
    paths = [write_chunk(tmp_path / f"frames_00000{i}.npz", i, 3) for i in (0, 3)]
    viewer = make_napari_viewer()
    (layer,) = viewer.open([str(path) for path in paths], stack=True, plugin="napari-eldyn")
    assert layer.data.shape[0] == 6


def test_after_a_first_use_a_dropped_store_opens_without_a_chooser(
    make_napari_viewer: MakeViewer, liquid_path: Path
) -> None:
    viewer = make_napari_viewer()
    viewer.open(liquid_path, plugin="napari-eldyn")
    (layer,) = viewer.open(liquid_path, plugin=None)  # as a drop does
    assert layer.data.shape == (12, 16, 16, 16)


def damage_metadata(store: Path) -> None:
    (store / "zarr.json").write_text("{")


def remove_density(store: Path) -> None:
    (store / "density" / "zarr.json").unlink()


@pytest.mark.parametrize("damage", [damage_metadata, remove_density])
def test_a_damaged_store_is_explained_in_the_window(
    make_napari_viewer: MakeViewer, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "broken.eldyn"
    gaussian_liquid(2).save(path)
    damage(path)
    viewer = make_napari_viewer()
    before = len(notification_manager.records)
    assert viewer.open(path, plugin="napari-eldyn") == []
    assert any("broken.eldyn" in message for message in shown_messages(before))
    assert len(viewer.layers) == 0


def test_a_foreign_and_a_truncated_chunk_are_explained(
    make_napari_viewer: MakeViewer, tmp_path: Path
) -> None:
    foreign = tmp_path / "frames_000000.npz"
    np.savez(foreign, something=np.arange(3))
    whole = write_chunk(tmp_path / "frames_000001.npz", 0, 3)
    truncated = tmp_path / "frames_000002.npz"
    truncated.write_bytes(whole.read_bytes()[:2000])
    viewer = make_napari_viewer()
    for path in (foreign, truncated):
        before = len(notification_manager.records)
        assert viewer.open(path, plugin="napari-eldyn") == []
        assert any(path.name in message for message in shown_messages(before))


def test_the_sample_opens_from_the_menu(make_napari_viewer: MakeViewer) -> None:
    viewer = make_napari_viewer()
    (layer,) = viewer.open_sample("napari-eldyn", "li32")
    assert layer.name == sample_trajectory().stem
    assert layer.data.shape[1:] == (32, 32, 32)
    assert len(sample_models()) > 0


def test_opening_loads_no_torch(liquid_path: Path) -> None:
    code = (
        "import sys\n"
        "import napari\n"
        "from napari_eldyn.viewer.reader import get_reader\n"
        "import napari_eldyn.widgets.rollout_dock, napari_eldyn.widgets.live_statistics\n"
        f"layers = get_reader({str(liquid_path)!r})({str(liquid_path)!r})\n"
        "assert len(layers[0]) == 3, layers\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, timeout=120)
    assert done.returncode == 0
