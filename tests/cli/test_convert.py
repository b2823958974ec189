from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import ase.units
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_eldyn.cli import main
from napari_eldyn.cli.convert import parse_frames
from napari_eldyn.density import DensityTrajectory, PeriodicGrid, store_encoding
from napari_eldyn.exceptions import EldynError


def write_chunk(folder: Path, first: int, n: int = 5) -> Path:
    rng = np.random.default_rng(first)
    path = folder / f"frames_{first:06d}.npz"
    np.savez_compressed(
        path,
        lnrho=rng.integers(20_000, 50_000, (n, 6, 6, 6), dtype=np.uint16),
        lnrho_range=np.array([-7.0, -1.0]),
        positions=rng.normal(size=(n, 2, 3)),
        velocities=rng.normal(size=(n, 2, 3)),
        energy=rng.normal(size=n),
        temperature=rng.uniform(700, 900, n),
        frame=np.arange(first, first + n),
        cell=np.eye(3) * 8.66,
        numbers=np.array([3, 3]),
        timestep_fs=np.array(4.0),
    )
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    write_chunk(folder, 0)
    write_chunk(folder, 5)
    return folder


@pytest.fixture
def eldyn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command as the terminal would; returns exit code, output and errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["eldyn", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_the_installed_command(run: Path, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("eldyn")
    out = tmp_path / "out.eldyn"
    done = subprocess.run(
        [command, "convert", run, out, "--frames", "2:9:3"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "3 frames on 6 × 6 × 6 points, log16, relative error at most" in done.stdout
    stored, source = DensityTrajectory.open(out), DensityTrajectory.open(run)
    np.testing.assert_array_equal(stored.times, [8.0, 20.0, 32.0])
    np.testing.assert_allclose(stored[2], source[8], rtol=5e-5)
    assert stored.velocities is not None
    raw = np.load(run / "frames_000005.npz")["velocities"][3]
    np.testing.assert_allclose(stored.velocities[2], raw * ase.units.fs)
    assert stored.provenance["conversions"] == [{"from": ["run"], "frames": "2:9:3"}]


def test_other_grid_and_encoding(eldyn, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.eldyn"
    code, _, err = eldyn("convert", run, out, "--grid", 9, 8, 7, "--encoding", "float32")
    assert code == 0, err
    stored, source = DensityTrajectory.open(out), DensityTrajectory.open(run)
    assert stored.grid.shape == (9, 8, 7)
    assert store_encoding(out).name == "float32"
    assert stored.electrons(4) == pytest.approx(source.electrons(4), rel=1e-6)
    np.testing.assert_array_equal(stored[4], source.resampled((9, 8, 7))[4])


def test_stores_and_chunks_are_joined(eldyn, run: Path, tmp_path: Path) -> None:
    first, second, both = (tmp_path / f"{name}.eldyn" for name in ("a", "b", "ab"))
    assert eldyn("convert", run, first, "--frames", ":4")[0] == 0
    assert eldyn("convert", run, second, "--frames", "4:")[0] == 0
    code, out, err = eldyn("convert", second, first, both)
    assert code == 0, err
    assert "10 frames" in out
    np.testing.assert_array_equal(
        DensityTrajectory.open(both).times, DensityTrajectory.open(run).times
    )
    chunks = sorted(run.glob("*.npz"))
    assert "10 frames" in eldyn("convert", *chunks, both, "--overwrite")[1]


def test_an_existing_store_is_kept_unless_told(eldyn, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.eldyn"
    assert eldyn("convert", run, out)[0] == 0
    code, _, err = eldyn("convert", run, out, "--frames", ":3")
    assert code == 1
    assert f"eldyn: {out}: the path exists already" in err
    assert len(DensityTrajectory.open(out)) == 10
    assert eldyn("convert", run, out, "--frames", ":3", "--overwrite")[0] == 0
    assert len(DensityTrajectory.open(out)) == 3


def test_a_damaged_input_leaves_no_output(eldyn, run: Path, tmp_path: Path) -> None:
    path = run / "frames_000005.npz"
    path.write_bytes(path.read_bytes()[:3000])
    code, _, err = eldyn("convert", run, tmp_path / "out.eldyn")
    assert code == 1
    assert f"{path}: the file is damaged" in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("encoding", ["log16", "float32"])
def test_nan_in_one_frame_is_named(eldyn, tmp_path: Path, encoding: str) -> None:
    """A store of another program may hold NaN; good frames can be taken out of it."""
    import zarr

    grid = PeriodicGrid(np.eye(3), (4, 4, 4))
    source = tmp_path / "in.eldyn"
    values = np.random.default_rng(0).uniform(0.01, 0.1, (4, 4, 4, 4))
    DensityTrajectory.from_array(values, grid, np.arange(4.0)).save(source, encoding="float32")
    zarr.open_group(source, mode="r+")["density"][2, 0, 0, 0] = np.nan
    out = tmp_path / "out.eldyn"
    code, _, err = eldyn("convert", source, out, "--encoding", encoding)
    assert code == 1
    assert "frame 2 has 1 values of 64 that are NaN" in err
    assert not out.exists()
    assert eldyn("convert", source, out, "--frames", ":2")[0] == 0


def store_of(folder: Path, values: np.ndarray, **fields) -> Path:
    path = folder / "in.eldyn"
    grid = PeriodicGrid(np.eye(3), values.shape[1:])
    trajectory = DensityTrajectory.from_array(values, grid, np.arange(float(len(values))), **fields)
    trajectory.save(path, encoding="float32")
    return path


def test_fields_of_both_signs_are_stored_as_they_are(eldyn, tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(-0.01, 0.1, (4, 4, 4, 4)).astype(np.float32)
    source, out = store_of(tmp_path, values), tmp_path / "out.eldyn"
    code, text, err = eldyn("convert", source, out)
    assert code == 0, err
    assert "float32, lossless" in text
    assert "not as a logarithm" in text
    assert "would add" in text
    np.testing.assert_array_equal(list(DensityTrajectory.open(out)), values)


def test_clipped_values_are_counted_and_told(eldyn, tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.01, 0.1, (4, 4, 4, 4)).astype(np.float32)
    values[1, 0, 0, :2] = 0.0  # not in the first frame, which decides
    values[3, 0, 0, 0] = -1e-9
    source, out = store_of(tmp_path, values), tmp_path / "out.eldyn"
    code, text, err = eldyn("convert", source, out)
    assert code == 0, err
    assert "log16" in text
    assert "3 of 256 values, in 2 of 4 frames, were not positive" in text
    stored = DensityTrajectory.open(out)
    assert stored.provenance["clipped"]["values"] == 3
    smallest = values[1][values[1] > 0].min()
    np.testing.assert_allclose(stored[1][0, 0, :2], smallest, rtol=1e-4)
    np.testing.assert_allclose(stored[0], values[0], rtol=1e-4)
    added = 2 * smallest + values[3][values[3] > 0].min() + 1e-9
    assert stored.provenance["clipped"]["electrons_added"] == pytest.approx(added / 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}"], "only one path is given"),
        (["{run}", "{tmp}/out.txt"], "Let it end in .eldyn, or as one of: Gaussian cube (.cube"),
        (["{run}", "{tmp}/out.eldyn", "--frames", "9:2"], "keeps none of 10 frames"),
        (["{run}", "{tmp}/out.eldyn", "--frames", "10"], "keeps none of 10 frames"),
        (["{run}", "{tmp}/out.eldyn", "--frames", "a:b"], "not a range of frames"),
        (["{run}", "{tmp}/out.eldyn", "--frames", "::-1"], "step below 1"),
        (["{run}", "{tmp}/out.eldyn", "--grid", "0", "4", "4"], "counts of at least 1"),
        (["{tmp}/nothing.eldyn", "{tmp}/out.eldyn"], "no such store"),
        (["{tmp}/nothing.npz", "{tmp}/out.eldyn"], "no such file"),
        (["{run}", "{tmp}/no/out.eldyn"], "does not exist"),
        (["{run}", "{run}", "{tmp}/out.eldyn"], "starts at 0 fs, before run ends"),
    ],
)
def test_what_makes_no_sense_is_told(eldyn, run, tmp_path, arguments, message) -> None:
    filled = [argument.format(run=run, tmp=tmp_path) for argument in arguments]
    code, _, err = eldyn("convert", *filled)
    assert code == 1
    assert message in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_an_unknown_encoding_lists_the_known(eldyn, run, tmp_path) -> None:
    code, _, err = eldyn("convert", run, tmp_path / "o.eldyn", "--encoding", "zip")
    assert code == 2
    assert "log16" in err
    assert "float32" in err


def test_help_explains_units(eldyn) -> None:
    code, out, _ = eldyn("convert", "--help")
    assert code == 0
    for unit in ("Å", "fs", "electrons/Å³"):
        assert unit in out


@given(
    st.one_of(st.none(), st.integers(-12, 12)),
    st.one_of(st.none(), st.integers(-12, 12)),
    st.one_of(st.none(), st.integers(1, 5)),
)
def test_ranges_are_python_slices(start: int | None, stop: int | None, step: int | None) -> None:
    def text(part: int | None) -> str:
        return "" if part is None else str(part)

    parsed = parse_frames(f"{text(start)}:{text(stop)}" + (f":{step}" if step else ""))
    frames = list(range(10))
    assert frames[parsed] == frames[start:stop:step]


@pytest.mark.parametrize(("text", "expected"), [("3", [3]), ("-1", [9]), (" 0 ", [0])])
def test_a_number_is_one_frame(text: str, expected: list[int]) -> None:
    assert list(range(10))[parse_frames(text)] == expected


@pytest.mark.parametrize("text", ["", "1:2:3:4", "1-3", "1:2:0", "0x1:"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(EldynError, match="--frames"):
        parse_frames(text)


def test_a_cell_is_repeated(eldyn, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "double.eldyn"
    code, text, err = eldyn("convert", run, out, "--repeat", 1, 1, 2, "--frames", "2:4")
    assert code == 0, err
    assert "2 frames on 6 × 6 × 12 points" in text
    one, double = DensityTrajectory.open(run), DensityTrajectory.open(out)
    np.testing.assert_allclose(double[1][:, :, 6:], one[3], rtol=1e-4)
    np.testing.assert_allclose(double.grid.cell, np.diag([8.66, 8.66, 17.32]))
    np.testing.assert_allclose(double.positions[0, 2:, 2], one.positions[2, :, 2] + 8.66)
    code, _, err = eldyn("convert", run, tmp_path / "none.eldyn", "--repeat", 1, 0, 2)
    assert code == 1
    assert "Give three counts of 1 or more" in err


# -- other formats -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "written", "told"),
    [
        ("out.cube", "out_0000.cube … out_0009.cube", "six digits"),
        ("CHGCAR.vasp", "CHGCAR_0000.vasp … CHGCAR_0009.vasp", "note: no PAW occupancies"),
        ("out-CHG", "out-CHG", "eleven digits"),
        ("out.axsf", "out.axsf", "nine digits"),
        ("out.npz", "out.npz", "float32, lossless"),
    ],
)
def test_other_formats(
    eldyn, run: Path, tmp_path: Path, name: str, written: str, told: str
) -> None:
    target = tmp_path / "there"
    target.mkdir()
    code, out, err = eldyn("convert", run, target / name)
    assert code == 0, err
    assert f"{target / written}: 10 frames on 6 × 6 × 6 points" in out
    assert told in out
    source = DensityTrajectory.open(run)
    again = DensityTrajectory.open(target)
    np.testing.assert_allclose(np.stack(list(again)), np.stack(list(source)), rtol=6e-6)
    np.testing.assert_allclose(again.times, source.times)
    assert not list(target.glob("*.partial"))
    code, _, err = eldyn("convert", run, target / name)
    assert code == 1
    assert "the file exists already" in err
    assert eldyn("convert", run, target / name, "--frames", "3", "--overwrite")[0] == 0


def test_what_files_leave_open_is_asked_and_taken(eldyn, tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.1, 1.0, (2, 6, 6, 6)).astype(np.float32)
    np.savez(tmp_path / "bare.npz", density=values)
    code, _, err = eldyn("convert", tmp_path / "bare.npz", tmp_path / "out.eldyn")
    assert code == 1
    assert "--cell" in err
    answers = ("--cell", "3 4 5", "--unit", "e/Å³", "--timestep", 2, "--kind", "pseudo")
    code, _, err = eldyn("convert", tmp_path / "bare.npz", tmp_path / "out.eldyn", *answers)
    assert code == 0, err
    stored = DensityTrajectory.open(tmp_path / "out.eldyn")
    np.testing.assert_allclose(stored.grid.cell, np.diag([3.0, 4.0, 5.0]))
    np.testing.assert_array_equal(stored.times, [0.0, 2.0])
    assert stored.kind == "pseudo"


# -- processes and interruptions ---------------------------------------------------------------


def contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
    return {str(part.relative_to(path)): part.read_bytes() for part in files}


@pytest.mark.parametrize("name", ["out.eldyn", "out.axsf"])
def test_processes_write_the_same(eldyn, run: Path, tmp_path: Path, monkeypatch, name: str) -> None:
    from napari_eldyn.density.writers import processes

    alone, together = tmp_path / "1", tmp_path / "2"
    alone.mkdir()
    together.mkdir()
    assert eldyn("convert", run, alone / name, "--workers", 1)[0] == 0
    monkeypatch.setattr(processes, "_START", 0.0)
    code, _, err = eldyn("convert", run, together / name, "--workers", 2)
    assert code == 0, err
    assert contents(alone / name) == contents(together / name)


def test_an_error_in_another_process_is_told(eldyn, tmp_path: Path, monkeypatch) -> None:
    import zarr

    from napari_eldyn.density.writers import processes

    values = np.random.default_rng(0).uniform(0.01, 0.1, (6, 4, 4, 4)).astype(np.float32)
    source = store_of(tmp_path, values)
    zarr.open_group(source, mode="r+")["density"][4, 0, 0, 0] = np.nan
    monkeypatch.setattr(processes, "_START", 0.0)
    code, _, err = eldyn("convert", source, tmp_path / "out.cube", "--workers", 2)
    assert code == 1
    assert f"{source}: frame 4 has 1 values of 64 that are NaN" in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["in.eldyn"]


def n_whole(partial: Path) -> int:
    try:
        header = json.loads((partial / "zarr.json").read_text())
        return int(header["attributes"]["n_frames"])
    except FileNotFoundError:
        return len(list(partial.glob("*.frame")))


@pytest.mark.parametrize(
    ("name", "how"), [("out.eldyn", signal.SIGKILL), ("out.axsf", signal.SIGINT)]
)
def test_an_interrupted_conversion_goes_on(
    eldyn, run: Path, tmp_path: Path, name: str, how: signal.Signals
) -> None:
    out, partial = tmp_path / name, tmp_path / f"{name}.partial"
    arguments = ["convert", run, out, "--grid", 72, 72, 72, "--workers", 1]
    command = Path(sys.executable).with_name("eldyn")
    process = subprocess.Popen(
        [command, *map(str, arguments)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while n_whole(partial) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(how)
    _, err = process.communicate(timeout=30)
    kept = n_whole(partial)
    assert 2 <= kept < 10
    assert not out.exists()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert f"{kept} of 10 frames are kept in {partial}; the same command goes on" in err
    code, text, err = eldyn(*arguments)
    assert code == 0, err
    assert f"going on after the {kept} frames in {partial}" in err
    assert "removed" not in text
    again, source = DensityTrajectory.open(out), DensityTrajectory.open(run)
    assert len(again) == 10
    for index in (0, kept - 1, kept, 9):
        np.testing.assert_allclose(
            again[index], source.resampled((72, 72, 72))[index], rtol=5e-5, atol=1e-8
        )
    assert not partial.exists()


def test_other_inputs_begin_anew(eldyn, run: Path, tmp_path: Path, monkeypatch) -> None:
    from napari_eldyn.density.writers import cube

    class PowerCut(BaseException):
        pass

    def cut_at_4(trajectory, index):
        if index == 4:
            raise PowerCut
        return real(trajectory, index)

    real = cube.FORMAT.frame
    object.__setattr__(cube.FORMAT, "frame", cut_at_4)
    try:
        with pytest.raises(PowerCut):
            eldyn("convert", run, tmp_path / "out.cube")
    finally:
        object.__setattr__(cube.FORMAT, "frame", real)
    assert n_whole(tmp_path / "out.cube.partial") == 4
    (run / "frames_000005.npz").touch()
    code, text, err = eldyn("convert", run, tmp_path / "out.cube")
    assert code == 0, err
    assert "going on" not in err
    assert "note: what an unfinished conversion of other inputs had left was removed" in text
    assert len(list(tmp_path.glob("out_*.cube"))) == 10
    assert not (tmp_path / "out.cube.partial").exists()
