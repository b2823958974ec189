from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_eldyn.cli import main
from napari_eldyn.density import DensityTrajectory, LogNormalisation, PeriodicGrid, StoreWriter
from napari_eldyn.density.cell_text import parse_cell


@pytest.fixture
def info(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run ``eldyn info``; returns exit code, {label: text} of the output, and errors."""

    def call(*arguments: object) -> tuple[int, dict[str, str], str]:
        monkeypatch.setattr(sys, "argv", ["eldyn", "info", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        lines = [line.strip().split("  ", 1) for line in out.splitlines()]
        return code, {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}, err

    return call


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three frames of 2 electrons in a tetragonal cell, every 4 fs from 8 fs on."""
    grid = PeriodicGrid(np.diag([8.0, 8.0, 10.0]), (4, 4, 5))
    values = np.ones((3, 4, 4, 5))
    values[:, 0] = 2.0
    values *= (2.0 / (values.sum(axis=(1, 2, 3)) * grid.voxel_volume))[:, None, None, None]
    trajectory = DensityTrajectory.from_array(
        values,
        grid,
        [8.0, 12.0, 16.0],
        numbers=[3, 3, 11],
        positions=np.zeros((3, 3, 3)),
        scalars={"energy": [-1.0, -2.0, -3.0]},
        extra={"latents": np.zeros((3, 32), dtype=np.float32)},
        kind="pseudo",
        provenance={"code": "GPAW 26.7", "settings": {"xc": "PBE"}},
    )
    trajectory.save(tmp_path / "t.eldyn")
    return tmp_path / "t.eldyn"


def test_a_store(info, store: Path) -> None:
    code, lines, err = info(store)
    assert (code, err) == (0, "")
    assert lines["frames"] == "3"
    assert lines["times"] == "8 to 16 fs, every 4 fs"
    assert lines["grid"] == "4 × 4 × 5 points"
    assert lines["cell c"].split() == ["0.00000", "0.00000", "10.00000", "Å"]
    assert lines["volume"] == "640.000 Å³ (orthogonal)"
    assert lines["density"] == "pseudo, electrons/Å³"
    low = 2.0 / (1.25 * 640)
    assert lines["first frame"] == (f"2.0000 electrons, {low:.6g} to {2 * low:.6g} electrons/Å³")
    assert lines["format"] == ".eldyn store (directory)"
    assert lines["atoms"] == "2 Li, 1 Na; with positions"
    assert lines["energy"] == "-3 to -1, mean -2 eV"
    assert lines["latents"] == "array of 32 per frame, float32"
    assert lines["provenance · code"] == "GPAW 26.7"
    assert lines["provenance · settings · xc"] == "PBE"
    # ln 2 over 65534 levels, half a level, and float32.
    assert lines["encoding"] == f"log16, relative error at most {np.log(2) / 131068 + 1.2e-7:.1e}"
    n_files = sum(path.is_file() for path in store.rglob("*"))
    assert lines["size on disk"].endswith(f"in {n_files} files")


def test_only_the_first_frame_is_read(info, store: Path) -> None:
    (store / "density" / "c.1.0.0.0").unlink()
    assert info(store)[0] == 0
    code, lines, err = info(store, "--scan")
    assert code == 1
    assert "1 of 3 frames are bad: frame 1 is missing" in err
    assert lines["electrons"].startswith("2.0000 on average")


def test_a_scan_of_whole_data(info, store: Path) -> None:
    code, lines, _ = info(store, "--scan")
    assert code == 0
    assert lines["not positive"] == "0 values"
    assert lines["all frames"].endswith("electrons/Å³")


def test_a_scan_counts_values_that_are_not_positive(info, tmp_path: Path) -> None:
    grid = PeriodicGrid(np.eye(3), (2, 2, 2))
    values = np.ones((2, 2, 2, 2))
    values[1, 0, 0] = [0.0, -1.0]
    path = tmp_path / "n.eldyn"
    DensityTrajectory.from_array(values, grid, [0, 1]).save(path, encoding="float32")
    _, lines, _ = info(path, "--scan")
    assert lines["not positive"] == "2 values"
    assert lines["all frames"] == "-1 to 1 electrons/Å³"
    assert lines["encoding"] == "float32, lossless"


def test_unequal_steps_and_no_frames(info, tmp_path: Path) -> None:
    grid = PeriodicGrid(np.eye(3), (2, 2, 2))
    path = tmp_path / "u.eldyn"
    with StoreWriter.create(path, grid) as writer:
        _, lines, _ = info(path)
        assert (lines["frames"], lines["times"]) == ("0", "none")
        for time in (0.0, 1.0, 3.0):
            writer.append(np.ones((2, 2, 2)), time)
    _, lines, _ = info(path)
    assert "not equally spaced" in lines["times"]
    assert lines["atoms"] == "not known"
    assert lines["provenance"] == "none recorded"


def test_npz_chunks(info, tmp_path: Path) -> None:
    path = tmp_path / "frames_000000.npz"
    np.savez(
        path,
        lnrho=np.zeros((2, 2, 2, 2), dtype=np.uint16),
        lnrho_range=np.array([-7.0, -1.0]),
        frame=np.arange(2),
        cell=np.eye(3) * 8.0,
        numbers=np.array([3]),
        timestep_fs=np.array(4.0),
    )
    for target in (path, tmp_path):
        code, lines, _ = info(target)
        assert code == 0
        assert lines["frames"] == "2"
        assert "relative error at most 4.6e-05" in lines["encoding"]
        assert lines["size on disk"].endswith("in 1 file")


CELL = np.array([[4.0, 0.0, 0.0], [0.0, 5.0, 0.0], [1.0, 0.0, 6.0]])


def test_further_channels_origin_and_expected_electrons(info, tmp_path: Path) -> None:
    """Of a density of 10 electrons, where 8 are expected, and 2 of them unpaired."""
    path = tmp_path / "x.npz"
    density = np.full((4, 5, 6), 10.0 / 120.0)
    np.savez(
        path,
        density=density,
        density_spin=density / 5.0,
        cell=CELL,
        origin=[0.5, 0.0, -1.0],
        unit="electrons/Å³",
        kind="valence",
        expected_electrons=8.0,
    )
    code, lines, err = info(path)
    assert (code, err) == (0, "")
    assert "NPZ" in lines["format"]
    assert lines["times"] == "a single frame, without a time"
    assert lines["origin"].split() == ["0.50000", "0.00000", "-1.00000", "Å"]
    assert lines["volume"] == "120.000 Å³ (not orthogonal)"
    assert lines["density"] == "valence, electrons/Å³"
    assert lines["first frame"].startswith("10.0000 electrons, 0.0833")
    assert lines["expected"] == "8 electrons; the first frame has 2.0000 more (+25.00%)"
    assert lines["density_spin"].startswith("Spin density, ")
    assert lines["density_spin"].endswith(" electrons/Å³, 2.0000 electrons in the first frame")
    assert lines["encoding"] == "as in the files"


def test_what_is_no_density_has_its_own_unit_and_no_electrons(info, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, potential=np.linspace(-1, 1, 120).reshape(4, 5, 6), cell=CELL, unit="eV")
    _, lines, _ = info(path, "--scan")
    assert lines["quantity"] == "Local potential, eV"
    assert lines["first frame"] == "-1 to 1 eV"
    assert lines["all frames"] == "-1 to 1 eV"
    assert "expected" not in lines
    assert "electrons" not in lines


def test_what_the_files_leave_open(info, tmp_path: Path) -> None:
    """Each answer leads to the next question."""
    for index in range(3):
        np.save(tmp_path / f"x_{index}.npy", np.ones((4, 5, 6)))
    files = sorted(tmp_path.iterdir())
    code, _, err = info(*files)
    assert code == 1
    assert "x_0.npy: the file holds no cell. Give it with --cell" in err
    code, _, err = info(*files, "--cell", "4 5 6")
    assert "Give it with --unit (one of e/Å³, e/bohr³)" in err
    given = ("--cell", "4 5 6", "--unit", "e/A3", "--kind", "valence")
    code, lines, err = info(*files, *given)
    assert (code, err) == (0, "")
    assert lines["frames"] == "3"
    assert lines["times"] == "not in the files (give --timestep); frames are counted"
    assert lines["density"] == "valence, electrons/Å³"
    assert lines["expected"] == "not known; the nearest whole number is 120"
    assert lines["size on disk"].endswith("in 3 files")
    _, lines, _ = info(*files, *given[:-1], "pseudo")
    assert lines["expected"].startswith("no whole number: a pseudo density")
    _, lines, _ = info(tmp_path / "x_*.npy", *given, "--timestep", "0.5")
    assert lines["times"] == "0 to 1 fs, every 0.5 fs"


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--cell", "4 5", "'4 5' is not a cell"),
        ("--cell", "4 5 x", "'4 5 x' is not a cell"),
        ("--cell", "1 0 0 2 0 0 0 0 1", "has no volume"),
        ("--cell", "0", "has no volume"),
        ("--unit", "eV", "'eV' is not known"),
        ("--kind", "charge", "'charge' is not known"),
        ("--timestep", "-1", "not positive"),
        ("--dataset", "rho", "no one field called 'rho'"),
    ],
)
def test_answers_that_cannot_be_meant(info, tmp_path: Path, option, text, message) -> None:
    np.save(tmp_path / "x.npy", np.ones((4, 5, 6)))
    code, _, err = info(tmp_path / "x.npy", option, text)
    assert code == 1
    assert message in err


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("4", np.diag([4.0, 4.0, 4.0])),
        ("4, 5, 6", np.diag([4.0, 5.0, 6.0])),
        ("4 0 0; 0 5 0; 1 0 6", CELL),
        ("4 4 6 90 90 120", [[4, 0, 0], [-2, 4 * np.sin(np.pi / 3), 0], [0, 0, 6]]),
    ],
)
def test_cells_as_people_type_them(text: str, cell) -> None:
    np.testing.assert_allclose(parse_cell(text), cell, atol=1e-12)


def test_the_place_of_the_cache(
    info, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    np.savez(tmp_path / "x.npz", density=np.ones((4, 5, 6)), cell=CELL, unit="e/Å³")
    _, lines, _ = info(tmp_path / "x.npz", "--cache", "beside")
    assert lines["cache"] == f"{tmp_path / 'x.npz.eldyn-cache'}, 480 B in 1 file"
    _, lines, _ = info(tmp_path / "x.npz", "--cache", "user")
    assert lines["cache"].startswith(f"{tmp_path / 'home' / 'napari-eldyn' / 'x.npz-'}")
    _, lines, _ = info(store, "--cache", "user")
    assert lines["cache"] == "none: the frames need no parsing"
    _, lines, _ = info(tmp_path / "x.npz")
    assert "cache" not in lines


def test_a_model(info, tmp_path: Path) -> None:
    from napari_eldyn.emulator.checkpoint import save_checkpoint
    from napari_eldyn.emulator.config import AutoencoderConfig, DenoiserConfig, PooledConfig
    from napari_eldyn.emulator.networks import build_networks

    config = PooledConfig(
        grid_shape=(8, 8, 8),
        cell=((8.66, 0, 0), (0, 8.66, 0), (0, 0, 8.66)),
        timestep_fs=8.0,
        autoencoder=AutoencoderConfig(latent_dim=6, channels=(4, 8), decoder_channels=(8, 4)),
        denoiser=DenoiserConfig(hidden=16, layers=2, time_embedding=8),
    )
    torch.manual_seed(0)
    networks = build_networks(config)
    path = tmp_path / "m.safetensors"
    sha256 = save_checkpoint(
        path,
        networks,
        config,
        LogNormalisation(mean=-2.911, std=0.271, rate_std=0.04, n_frames=140),
        {"trained_on": "li32", "recipe": {"epochs": 3}},
    )
    code, lines, err = info(path)
    assert (code, err) == (0, "")
    assert lines["family"] == "pooled"
    assert lines["grid"] == "8 × 8 × 8 points"
    assert lines["cell"] == "cube of 8.66 Å"
    assert lines["time step Δτ"] == "8 fs"
    assert lines["autoencoder"].startswith("latent_dim 6, channels [4, 8]")
    assert lines["normalisation"].startswith("ln ρ: mean -2.911, spread 0.271 (ρ in electrons/Å³)")
    assert lines["rate"] == "spread 0.04 1/fs"
    assert lines["trained_on"] == "li32"
    assert lines["epochs"] == "3"
    assert lines["sha256"] == sha256
    assert lines["latent"] == "6 numbers for the whole frame, no places"
    assert lines["compression"] == "170.7 × (1,024 values of the state to 6)"
    assert lines["sampling"].startswith("ddim, 20 evaluations per frame; or ddpm 1000, ")
    assert lines["schedule"].startswith("steps 1000")
    n_denoiser = sum(weight.numel() for weight in networks.denoiser.parameters())
    assert lines["parameters"].endswith(f"denoiser {n_denoiser:,}")


def test_a_spatial_model(info, spatial_model_path: Path) -> None:
    code, lines, err = info(spatial_model_path)
    assert (code, err) == (0, "")
    assert lines["family"] == "spatial"
    assert lines["latent"] == "4 × 4 × 4 cells of 4³ points, 2 channels in each"
    assert lines["state"] == "one frame"
    assert lines["compression"] == "64 × (8,192 values of the state to 128)"
    assert lines["sampling"] == "dpmpp_2m, 8 evaluations per frame; or heun 8"
    assert lines["diffusion"].startswith("sigma_min 0.03, sigma_max 20")
    # Cells of 4 × 5/16 Å.
    assert lines["receptive field"] == (
        "encoder 3 cells (3.75 Å), decoder 5 cells (6.25 Å), denoiser 5 cells (6.25 Å)"
    )


def test_receptive_fields_are_what_the_networks_depend_on(spatial_model_path: Path) -> None:
    """The same three by differentiating the networks on a grid that they do not fill."""
    from napari_eldyn.emulator.checkpoint import load_checkpoint

    networks = load_checkpoint(spatial_model_path).networks

    def edge(output: torch.Tensor, source: torch.Tensor) -> int:
        (gradient,) = torch.autograd.grad(output, source)
        touched = gradient.abs().sum(dim=(0, 1, 2, 3)).numpy() > 0
        return int(touched.sum())

    states = torch.randn(1, 2, 4, 4, 60, requires_grad=True)
    assert edge(networks.encoder(states)[0, :, :, :, 7].sum(), states) == 4 * 3
    latents = torch.randn(1, 2, 1, 1, 15, requires_grad=True)
    for voxel in (28, 31):
        assert edge(networks.decoder(latents)[0, :, :, :, voxel].sum(), latents) == 5
    context = torch.randn(1, 2, 1, 1, 15)
    cleaned = networks.denoiser(latents, torch.ones(1), context)
    assert edge(cleaned[0, :, :, :, 7].sum(), latents) == 5


def test_the_card_of_the_sample_model(info) -> None:
    """Written before cards had sections: what it holds is shown, and lines stay readable."""
    path = Path(__file__).parents[2] / "sample_data" / "models" / "pooled_li32.safetensors"
    code, lines, _ = info(path)
    assert code == 0
    assert lines["fingerprint"].startswith("3c9785ed5919")
    assert lines["reconstruction sJSD"] == "2.713e-05 (training states)"
    assert lines["device"] == "cpu (2 threads)"
    assert "torch 2.13.0" in lines["versions"]
    assert lines["objective"].startswith("denoising_weight 0.1, sjsd_weight 10")
    assert len(lines) < 60


@pytest.mark.parametrize("name", ["x.eldyn", "x.npz", "x.safetensors", "x.cube", "x"])
def test_paths_that_do_not_exist(info, tmp_path: Path, name: str) -> None:
    code, lines, err = info(tmp_path / name)
    assert code == 1
    assert not lines
    assert err.startswith(f"eldyn: {tmp_path / name}: ")


@pytest.mark.parametrize("name", ["x.eldyn", "frames_x.npz", "x.safetensors", "x.cube"])
def test_files_of_random_bytes(info, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(5000))
    code, _, err = info(tmp_path / name)
    assert code == 1
    assert f"{tmp_path / name}: " in err
    assert "Traceback" not in err
