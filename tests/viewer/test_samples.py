"""File > Open Sample, and the names that sample models go by."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_session import Live

from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer import samples
from napari_eldyn.viewer.samples import sample_models, sample_title


def test_a_sample_opens_with_its_model_ready_to_run(bare: Live) -> None:
    bare.viewer.open_sample("napari-eldyn", "li32_paper")
    bare.wait(lambda: bare.control.state == "ready" and bare.control.measured is not None)
    model, session = bare.control.model, bare.control.session
    assert model is not None
    assert session is not None
    assert model.path.stem == "pooled_li32"
    assert session.pairing.trajectory.name == "li32_800K"
    docks = " ".join(bare.viewer.window.dock_widgets)
    assert "Rollout" in docks
    assert "Statistics" in docks
    assert not bare.failures


def test_the_flagship_is_offered_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    for name in ("pooled_li32", "another", "spatial_li32"):
        (tmp_path / "models" / f"{name}.safetensors").touch()
    monkeypatch.setattr(samples, "sample_directory", lambda: tmp_path)
    titles = [sample_title(path) for path in sample_models()]
    assert titles == ["Spatial (flagship)", "Paper (pooled)", "another"]
    assert sample_title(tmp_path / "spatial_li32.safetensors") == "spatial_li32", "not ours"


def test_a_missing_sample_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(samples, "sample_directory", lambda: tmp_path)
    with pytest.raises(EldynError, match=r"spatial_li32\.safetensors: this sample model"):
        samples.li32_spatial()
