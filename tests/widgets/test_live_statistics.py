"""The Statistics dock of a real viewer beside a real rollout."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_eldyn.observables.scattering import intermediate_scattering
from napari_eldyn.observables.scattering.modes import density_modes
from napari_eldyn.viewer.preferences import remembered
from napari_eldyn.widgets.live_statistics import LiveStatistics


@pytest.fixture
def window_shown():
    return True


@pytest.fixture
def dock(live):
    return open_dock(live)


def open_dock(live):
    widget = LiveStatistics(live.viewer)
    live.viewer.window.add_dock_widget(widget, name="Statistics", area="right")
    live.wait(lambda: widget.isVisible() and widget.plots is not None)
    return widget


def test_a_rollout_is_followed_and_its_origin_goes_into_files(live, dock):
    dock.restore_session_state({"open": ["correlation", "electrons"]})
    QApplication.processEvents()
    live.run_to_end()
    live.wait(lambda: dock.n_frames == 6)
    dock.draw_now()
    session = live.control.session
    table = dock.plots.source("electrons").table()
    assert table["time (fs)"].tolist() == [session.pairing.time(k) for k in range(1, 7)]
    counts = [
        session.rollout[k].sum() * session.pairing.trajectory.grid.voxel_volume for k in range(6)
    ]
    np.testing.assert_allclose(table["electrons"], counts, rtol=1e-5)
    reference = intermediate_scattering(density_modes(session.pairing.trajectory), 500.0)
    waves = session.statistics_settings.waves
    correlation = dock.plots.source("correlation").table()
    shell = dock.plots.canvases["correlation"].plot._shells[0]
    np.testing.assert_allclose(
        correlation[f"reference F(q,t)/F(q,0) at q = {waves.q[shell]:.4f} 1/Å"],
        reference.normalised[shell],
        atol=1e-5,
    )
    story = dock.plots.source("electrons").provenance()
    assert story["generated frames"] == 6
    assert story["seed"] == session.settings.seed
    assert story["sampler"] == session.settings.sampler
    assert story["model_sha256"] == live.control.model.emulator.sha256
    assert story["start"]["frame"] == 2
    assert "napari_eldyn" in story["versions"]
    assert "start_latent" not in story
    assert not live.failures


def test_choices_are_remembered_and_a_closed_dock_is_let_go(live):
    dock = open_dock(live)
    dock._sections["quantiles"].header.click()
    dock._sections["divergence"].header.click()
    dock.choices.ratio.setChecked(True)
    state = dock.session_state()
    assert remembered("statistics") == state
    live.viewer.window.remove_dock_widget(dock)
    gone = weakref.ref(dock)
    dock.deleteLater()
    del dock

    def is_gone():
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
        return gone() is None

    live.wait(is_gone, 10)
    again = open_dock(live)
    assert again.session_state() == state
    assert again._sections["quantiles"].content.isVisible()
    assert not again._sections["divergence"].content.isVisible()
