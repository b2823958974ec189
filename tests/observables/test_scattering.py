"""F(q,t), relaxation times and S(q,ω) against analytic cases and dynasor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from dynasor import Trajectory, compute_dynamic_structure_factors
from dynasor.tools.acfs import psd_from_acf_2d

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.scattering import (
    density_modes,
    dynamic_structure_factor,
    intermediate_scattering,
    ion_modes,
)
from napari_eldyn.observables.structure_factor import shells, structure_factor

SAMPLE = Path(__file__).parents[2] / "sample_data" / "li32_800K.eldyn"
CUBE = PeriodicGrid(9.0 * np.eye(3), (12, 12, 12))
TRICLINIC = PeriodicGrid(np.array([[9.0, 0, 0], [1.0, 10.0, 0], [0, 2.0, 11.0]]), (12, 13, 14))


def plane_waves(grid, waves, times, amplitude=0.05, mean=0.05):
    """Density mean·(1 + amplitude·Σ cos(q·r − ωt)) with ω of each wave h."""
    fractional = np.stack(
        np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1
    )
    phases = {h: 2 * np.pi * fractional @ np.array(h) for h in waves}
    return np.array(
        [
            mean * (1 + amplitude * sum(np.cos(phases[h] - w * t) for h, w in waves.items()))
            for t in times
        ]
    )


def half_sphere(grid, q_max):
    """One of each pair ±h with 0 < |q| ≤ q_max, and |q|, by brute force."""
    axis = np.arange(-6, 7)
    every = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(2 * np.pi * every @ np.linalg.inv(grid.cell).T, axis=1)
    near = {tuple(h): q for h, q in zip(every.tolist(), lengths, strict=True) if 0 < q <= q_max}
    return {h: q for h, q in near.items() if h > tuple(-x for x in h)}


def wandering_modes(n_frames, timestep, relaxation, seed):
    """Stationary complex Ornstein-Uhlenbeck processes of unit variance, on the modes of CUBE."""
    frame = DensityTrajectory.from_array(np.full((2, 12, 12, 12), 0.05), CUBE, [0.0, timestep])
    modes = density_modes(frame, q_max=1.3)
    rng = np.random.default_rng(seed)
    shape = (n_frames, len(modes.q))
    noise = (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)
    decay = np.exp(-timestep / relaxation)
    values = np.empty(shape, dtype=np.complex128)
    values[0] = noise[0]
    for i in range(1, n_frames):
        values[i] = decay * values[i - 1] + np.sqrt(1 - decay**2) * noise[i]
    return replace(modes, values=values, electrons=2.0)


@pytest.fixture(scope="module")
def sample():
    return DensityTrajectory.open(SAMPLE)


@pytest.mark.parametrize("grid", [CUBE, TRICLINIC], ids=["cubic", "triclinic"])
def test_modes_are_one_of_each_pair_and_equal_the_sum_over_the_grid(grid):
    rng = np.random.default_rng(0)
    frames = rng.uniform(0.01, 0.1, size=(3, *grid.shape)).astype(np.float32)
    modes = density_modes(DensityTrajectory.from_array(frames, grid, [0.0, 2.0, 4.0]), q_max=1.5)
    expected = half_sphere(grid, 1.5)
    found = [max(tuple(h), tuple(-x for x in h)) for h in modes.h.tolist()]
    assert sorted(found) == sorted(expected)
    np.testing.assert_allclose(modes.q, [expected[h] for h in found])
    assert np.all(np.diff(modes.q) > -1e-9)
    fractional = np.stack(
        np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    phases = np.exp(-2j * np.pi * fractional @ modes.h.T)
    direct = frames.reshape(3, -1).astype(float) @ phases * grid.voxel_volume
    np.testing.assert_allclose(modes.values, direct, atol=1e-5)
    electrons = frames.astype(float).sum(axis=(1, 2, 3)).mean() * grid.voxel_volume
    assert modes.electrons == pytest.approx(electrons, rel=1e-5)
    assert modes.timestep == 2.0


@pytest.mark.parametrize("grid", [CUBE, TRICLINIC], ids=["cubic", "triclinic"])
def test_moving_plane_waves_correlate_as_cosines(grid):
    lengths = half_sphere(grid, 1.0)
    waves = {h: 2 * np.pi / (60.0 + 3 * i) for i, h in enumerate(lengths)}
    times = 4.0 * np.arange(250)
    trajectory = DensityTrajectory.from_array(plane_waves(grid, waves, times), grid, times)
    modes = density_modes(trajectory, q_max=1.0)
    scattering = intermediate_scattering(modes, max_lag_fs=200.0)
    np.testing.assert_allclose(scattering.lag, 4.0 * np.arange(51))
    assert scattering.counts.sum() == 2 * len(waves)
    # Shells are equal |h|² in the cube, and elsewhere the nearest multiple of π/V^(1/3).
    width = np.pi / grid.volume ** (1 / 3)
    shell_of = {
        h: int(np.dot(h, h)) if grid is CUBE else round(q / width) for h, q in lengths.items()
    }
    numbers = sorted(set(shell_of.values()))
    assert len(scattering.q) == len(numbers)
    # A wave of amplitude a has |ρ_q| = N_e a / 2.
    first = (0.05 / 2) ** 2 * modes.electrons
    for i, q in enumerate(scattering.q):
        inside = [h for h in lengths if shell_of[h] == numbers[i]]
        members = [waves[h] for h in inside]
        assert scattering.counts[i] == 2 * len(members)
        assert q == pytest.approx(np.mean([lengths[h] for h in inside]))
        cosine = np.mean([np.cos(w * scattering.lag) for w in members], axis=0)
        np.testing.assert_allclose(scattering.values[i], first * cosine, atol=1e-4 * first)
        np.testing.assert_allclose(scattering.normalised[i], cosine, atol=1e-4)
        at_fall = np.mean(np.cos(np.array(members) * scattering.relaxation_time[i]))
        assert at_fall == pytest.approx(np.exp(-1.0), abs=0.01)


def test_the_spectrum_of_a_moving_plane_wave_peaks_at_its_frequency():
    frequency, times = 2 * np.pi / 80.0, 4.0 * np.arange(400)
    waves = {(0, 0, 1): frequency, (0, 1, 0): frequency, (1, 0, 0): frequency}
    trajectory = DensityTrajectory.from_array(plane_waves(CUBE, waves, times), CUBE, times)
    scattering = intermediate_scattering(density_modes(trajectory, q_max=0.8), max_lag_fs=480.0)
    spectrum = dynamic_structure_factor(scattering)
    peak = spectrum.frequency[np.argmax(spectrum.values[0])]
    assert peak == pytest.approx(frequency, abs=spectrum.frequency[1])


def test_wandering_modes_decay_exponentially_within_the_stated_error():
    tau = 40.0
    runs = [
        intermediate_scattering(wandering_modes(2500, 4.0, tau, seed), max_lag_fs=300.0)
        for seed in range(12)
    ]
    assert np.array_equal(runs[0].counts, [6, 12, 8])
    mean = np.mean([run.normalised for run in runs], axis=0)
    exact = np.exp(-runs[0].lag / tau)
    # 12 runs of 10 ps: about 1500 independent times for each of at least three modes.
    np.testing.assert_allclose(mean, np.tile(exact, (3, 1)), atol=0.04)
    np.testing.assert_allclose(np.mean([run.values[:, 0] for run in runs], axis=0), 0.5, rtol=0.05)
    times = np.array([run.relaxation_time for run in runs])
    errors = np.array([run.relaxation_error for run in runs])
    deviation = (times - tau) / errors
    assert np.all(np.abs(times.mean(axis=0) - tau) < 4 * times.std(axis=0) / np.sqrt(12))
    curve = np.array([run.normalised_error for run in runs])[:, :, 5]
    scatter = np.array([run.normalised for run in runs])[:, :, 5].std(axis=0, ddof=1)
    assert np.all(curve.mean(axis=0) < 2 * scatter)
    assert np.all(curve.mean(axis=0) > scatter / 2)
    # The stated error is the scatter between runs, not a fraction or a multiple of it.
    assert 0.7 < np.sqrt(np.mean(deviation**2)) < 1.5


def test_shuffled_frames_show_no_memory():
    modes = wandering_modes(1000, 4.0, 40.0, seed=3)
    order = np.random.default_rng(0).permutation(1000)
    shuffled = replace(modes, values=modes.values[order])
    kept, lost = intermediate_scattering(modes), intermediate_scattering(shuffled)
    np.testing.assert_allclose(lost.values[:, 0], kept.values[:, 0])
    assert np.all(lost.relaxation_time < 4.0)
    assert np.all(kept.relaxation_time > 25.0)


def test_the_correlation_equals_its_definition_at_every_lag():
    """Also where blocks meet, and at lags with few pairs."""
    modes = wandering_modes(130, 4.0, 40.0, seed=5)
    scattering = intermediate_scattering(modes, max_lag_fs=4.0 * 129)
    shell = np.isclose(modes.q, modes.q[0])
    for lag in range(130):
        pairs = modes.values[lag:, shell] * modes.values[: 130 - lag, shell].conj()
        assert scattering.values[0, lag] == pytest.approx(pairs.real.mean() / 2.0, abs=1e-12)


def test_the_integral_of_the_spectrum_is_the_structure_factor():
    scattering = intermediate_scattering(wandering_modes(600, 4.0, 40.0, seed=7))
    spectrum = dynamic_structure_factor(scattering)
    step = spectrum.frequency[1] - spectrum.frequency[0]
    integral = (2 * spectrum.values.sum(axis=1) - spectrum.values[:, 0]) * step / (2 * np.pi)
    np.testing.assert_allclose(integral, scattering.values[:, 0], rtol=1e-12)


def test_the_first_value_is_the_structure_factor_of_the_density(sample):
    scattering = intermediate_scattering(density_modes(sample))
    static = shells(sample.grid, exact=True)
    intensity = np.mean([structure_factor(frame, static)[1] for frame in sample], axis=0)
    n = len(scattering.q)
    np.testing.assert_allclose(scattering.q, static.q[:n])
    assert np.array_equal(scattering.counts, static.counts[:n])
    np.testing.assert_allclose(scattering.values[:, 0], intensity[:n], rtol=1e-4)


def test_ions_equal_dynasor(sample, tmp_path):
    path = tmp_path / "ions.traj"
    frames = [
        ase.Atoms(numbers=sample.numbers, positions=at, cell=sample.grid.cell, pbc=True)
        for at in sample.positions
    ]
    ase.io.write(path, frames)
    modes = ion_modes(sample)
    assert modes.electrons == 32
    lags, timestep = 20, 4.0
    oracle = compute_dynamic_structure_factors(
        Trajectory(str(path), trajectory_format="ase"),
        modes.h @ sample.grid.reciprocal_vectors,
        dt=timestep,
        window_size=lags,
    )
    scattering = intermediate_scattering(modes, max_lag_fs=lags * timestep)
    np.testing.assert_allclose(oracle["time"], scattering.lag)
    labels = np.abs(modes.q[:, None] - scattering.q).argmin(axis=1)
    expected = np.array(
        [oracle["Fqt_coh"][labels == i].mean(axis=0) for i in range(labels[-1] + 1)]
    )
    np.testing.assert_allclose(scattering.values, expected, rtol=1e-6, atol=1e-9)
    # dynasor has no window; its transform of the windowed correlation is ours.
    window = np.cos(0.5 * np.pi * np.arange(lags + 1) / (lags + 1)) ** 2
    frequency, values = psd_from_acf_2d(expected * window, timestep)
    spectrum = dynamic_structure_factor(scattering)
    np.testing.assert_allclose(spectrum.frequency, frequency)
    np.testing.assert_allclose(spectrum.frequency, oracle["omega"])
    np.testing.assert_allclose(spectrum.values, values, rtol=1e-6, atol=1e-9)


def test_real_lithium_relaxes_in_tens_of_femtoseconds(sample):
    scattering = intermediate_scattering(density_modes(sample))
    assert sample.timestep * len(sample) == 240.0
    long_waves = scattering.q < 2.0
    assert np.all((scattering.relaxation_time > 15.0)[long_waves])
    assert np.all((scattering.relaxation_time < 80.0)[long_waves])
    assert scattering.relaxation_error is None, "240 fs hold no four blocks of 200 fs"


def test_what_does_not_relax_has_no_time():
    frames = np.repeat(plane_waves(CUBE, {(1, 0, 0): 0.0}, [0.0]), 30, axis=0)
    modes = density_modes(DensityTrajectory.from_array(frames, CUBE, 4.0 * np.arange(30)), 0.8)
    scattering = intermediate_scattering(modes)
    np.testing.assert_allclose(scattering.normalised, 1.0)
    np.testing.assert_allclose(scattering.elastic, 1.0)
    assert np.all(np.isnan(scattering.relaxation_time))


def test_progress_reports_every_frame_and_may_stop_the_pass(sample):
    seen = []
    density_modes(sample[:5], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        density_modes(sample[:5], progress=stop)


def test_bad_input_is_refused():
    frames = np.full((4, 12, 12, 12), 0.05)
    with pytest.raises(EldynError, match="at least two frames"):
        density_modes(DensityTrajectory.from_array(frames[:1], CUBE, [0.0]))
    with pytest.raises(EldynError, match="not equally spaced"):
        density_modes(DensityTrajectory.from_array(frames, CUBE, [0.0, 4.0, 8.0, 20.0]))
    with pytest.raises(EldynError, match="wave number"):
        density_modes(DensityTrajectory.from_array(frames, CUBE, [0.0, 1.0, 2.0, 3.0]), q_max=0.5)
    with pytest.raises(EldynError, match="electrons"):
        density_modes(DensityTrajectory.from_array(-frames, CUBE, [0.0, 1.0, 2.0, 3.0]))
    spoilt = frames.copy()
    spoilt[2, 0, 0, 0] = np.nan
    with pytest.raises(EldynError):
        density_modes(DensityTrajectory.from_array(spoilt, CUBE, [0.0, 1.0, 2.0, 3.0]))
    modes = wandering_modes(50, 4.0, 40.0, seed=1)
    with pytest.raises(EldynError, match="longest lag"):
        intermediate_scattering(modes, max_lag_fs=0.0)
    with pytest.raises(EldynError, match="two frames"):
        intermediate_scattering(replace(modes, values=modes.values[:1]))
    with pytest.raises(EldynError, match="zero in every frame"):
        intermediate_scattering(replace(modes, values=0 * modes.values))
    bare = DensityTrajectory.from_array(frames, CUBE, [0.0, 1.0, 2.0, 3.0])
    with pytest.raises(EldynError, match="positions"):
        ion_modes(bare)
