"""Rendered volumes: drawn as in the window, and what is written on them lies where it should."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import napari
import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.isosurface import isosurface
from napari_eldyn.export.look import Look, default_look, fitted_scale, projection_of
from napari_eldyn.export.render import Studio, finish, render_panels
from napari_eldyn.figures.presets import figure_style
from napari_eldyn.figures.render_figure import (
    RenderOptions,
    cell_corners,
    draw_render,
    pixels_per_length,
    project,
)

PIXELS = 240
CUBE = PeriodicGrid(8.0 * np.eye(3), (16, 16, 16))
SKEW = PeriodicGrid([[8.0, 0, 0], [2.0, 7.0, 0], [1.0, -1.0, 6.0]], (16, 14, 12))


def blob(grid, place):
    """A narrow Gaussian at a grid point on a flat floor, electrons/Å³."""
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    distances = np.linalg.norm((indices - place) @ grid.voxel_vectors, axis=-1)
    return (0.05 + np.exp(-((distances / 0.6) ** 2))).astype(np.float32)


def centre_of_light(picture):
    light = picture[..., :3].astype(float).sum(axis=-1) * (picture[..., 3] > 0)
    light = np.where(light > 0.5 * light.max(), light, 0)
    rows, columns = np.indices(light.shape)
    return np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum() + 0.5


@pytest.fixture
def studio(make_napari_viewer: Callable[..., napari.Viewer]):
    one = Studio(make_napari_viewer(show=True))
    yield one
    one.close()


@pytest.mark.parametrize("grid", [CUBE, SKEW], ids=["cube", "skew"])
def test_points_lie_where_they_are_drawn(studio, grid):
    look = Look(
        limits=(0.3, 1.0), level=0.5, colormap="gray",
        view=(-1.0, -0.45, -0.35), centre=(4.5, 3.0, 2.5), scale=0.07,
    )  # fmt: skip
    for place, perspective in product(((3, 4, 9), (12, 10, 3)), (0.0, 30.0)):
        look = replace(look, perspective=perspective)
        picture = studio.picture(blob(grid, place), grid, look, "volume", PIXELS)
        projection = projection_of(look, grid, 0.07, PIXELS, studio.right_handed)
        expected = project(projection, np.array([place]) @ grid.voxel_vectors)[0]
        np.testing.assert_allclose(centre_of_light(picture), expected, atol=1.5)


def test_isosurfaces_lie_where_volumes_do(studio):
    look = replace(default_look(blob(CUBE, (5, 9, 6))), level=0.5, limits=(0.3, 1.0))
    picture = studio.picture(blob(CUBE, (5, 9, 6)), CUBE, look, "isosurface", PIXELS, "#ffffff")
    covered = np.argwhere(picture[..., 3] > 128).mean(axis=0)[::-1] + 0.5
    scale = fitted_scale(look, CUBE, studio.right_handed)
    projection = projection_of(look, CUBE, scale, PIXELS, studio.right_handed)
    expected = project(projection, np.array([[5, 9, 6]]) @ CUBE.voxel_vectors)[0]
    np.testing.assert_allclose(covered, expected, atol=1.5)


def test_the_cell_fills_the_panel_and_no_more(studio):
    look = default_look(blob(SKEW, (3, 3, 3)))
    scale = fitted_scale(look, SKEW, studio.right_handed)
    origin = -0.5 * SKEW.voxel_vectors.sum(axis=0)
    corners = project(
        projection_of(look, SKEW, scale, 100, studio.right_handed),
        cell_corners(SKEW.cell, origin),
    )
    assert np.abs(corners - 50).max() == pytest.approx(48, abs=0.1)


def test_an_isosurface_is_closed_and_at_its_level():
    density = blob(CUBE, (0, 8, 8))  # cut by the cell's face
    vertices, faces = isosurface(density, CUBE, 0.55)
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    # exp(−(r/0.6)²) = 0.5 at r = 0.5 Å, but for the flat caps on the faces of the cell.
    inside = (vertices[:, 0] > 0) & (vertices[:, 0] < 4)
    radii = np.linalg.norm(vertices[inside] - [0, 4.0, 4.0], axis=1)
    np.testing.assert_allclose(radii, 0.6 * np.sqrt(np.log(2)), atol=0.06)
    assert vertices.min() >= -0.26
    assert isosurface(density, CUBE, 5.0) is None


def trajectory(n, start=0.0):
    frames = [blob(CUBE, (4 + k, 8, 8)) for k in range(n)]
    return DensityTrajectory.from_array(frames, CUBE, start + 4.0 * np.arange(n))


def test_pictures_have_the_pixels_of_their_size_in_print(studio):
    style = figure_style("aps", "single", dpi=300)
    clocks = {"reference": (trajectory(5), 0.0), "short": (trajectory(2), 0.0)}
    look = default_look(trajectory(1)[0])
    steps = render_panels(studio, "volume", clocks, (0.0, 8.0), look, style, RenderOptions())
    counted = []
    data = finish(steps, lambda done, total: counted.append((done, total)))
    assert counted == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert data.pictures[1][1] is None  # the short one has no frame there
    figure = draw_render(data, style, RenderOptions())
    shown = [axes for axes in figure.axes if axes.images and len(axes.images[0].get_array())]
    inches = shown[0].get_position().width * figure.get_size_inches()[0]
    assert data.size[0] == pytest.approx(300 * inches, abs=0.51)
    assert data.pictures[0][0][0, 0, 3] == 0  # transparent beside the cell
    label = figure.axes[-1].get_xlabel()
    assert "electrons/Å³" in label
    # Without perspective a length is the same everywhere.
    flat = replace(look, perspective=0.0, scale=0.1)
    steps = render_panels(studio, "volume", clocks, (0.0,), flat, style, RenderOptions())
    data = finish(steps, lambda done, total: None)
    assert pixels_per_length(data) == pytest.approx(0.1 * data.size[0], rel=1e-3)


def test_what_cannot_be_rendered_is_refused(studio):
    style, options = figure_style(), RenderOptions()
    clocks = {"reference": (trajectory(2), 0.0)}
    look = default_look(trajectory(1)[0])
    with pytest.raises(EldynError, match="no trajectory has a frame 400 fs after the start"):
        finish(render_panels(studio, "volume", clocks, (400.0,), look, style, options), print)
    high = replace(look, level=9.0)
    with pytest.raises(EldynError, match="no frame reaches the level 9 of the isosurface"):
        finish(render_panels(studio, "isosurface", clocks, (0.0,), high, style, options), print)
    clocks["other"] = (DensityTrajectory.from_array([blob(SKEW, (3, 3, 3))], SKEW, [0.0]), 0.0)
    with pytest.raises(EldynError, match="“other” lies in another cell"):
        finish(render_panels(studio, "volume", clocks, (0.0,), look, style, options), print)


def test_another_process_draws_what_the_window_shows() -> None:
    # In a process of its own: a window that another test rendered in would stand in the way.
    script = Path(__file__).with_name("window_and_apart.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    different, covered = map(float, done.stdout.split()[-2:])
    assert different < 0.01
    assert covered > 0.1
