"""A directory of GPAW's files beside the trajectory that ASE wrote in the same run."""

from __future__ import annotations

import shutil
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import units

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.density.formats import open_any
from napari_eldyn.exceptions import EldynError

RUN = Path(__file__).parent / "files" / "gpaw-h2-md"
"""H₂, Verlet, 0.5 fs: atoms every 2 steps, densities in md_NNN.gpw every 4 steps."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RUN, tmp_path / "run"))


def test_atoms_energies_and_times_come_from_the_traj(run: Path) -> None:
    trajectory = open_any(run)
    images = ase.io.read(run / "md.traj", "::2")
    assert len(trajectory) == len(images) == 3
    assert trajectory.times_known
    np.testing.assert_allclose(trajectory.times, [0.0, 2.0, 4.0])
    np.testing.assert_array_equal(trajectory.numbers, [1, 1])
    for index, image in enumerate(images):
        np.testing.assert_array_equal(trajectory.positions_at(index), image.positions)
        assert trajectory.scalars["energy"][index] == image.get_potential_energy()
    velocities = np.stack([image.get_velocities() * units.fs for image in images])
    np.testing.assert_allclose(trajectory.velocities, velocities)
    np.testing.assert_array_equal(trajectory[1:].positions, [i.positions for i in images[1:]])
    # Where the atoms are, the density is: its frames are those of the atoms.
    assert np.ptp([image.positions[1, 2] for image in images]) > 0.1
    for index in range(3):
        alone = open_any(run / f"md_{4 * index:03d}.gpw")
        np.testing.assert_array_equal(trajectory[index], alone[0])
        np.testing.assert_allclose(alone.positions_at(0), images[index].positions, atol=1e-9)


def test_frames_are_paired_by_order_where_the_numbers_say_nothing(run: Path) -> None:
    images = ase.io.read(run / "md.traj", "::2")
    (run / "md.traj").unlink()
    ase.io.write(run / "other.traj", images)
    for index, path in enumerate(sorted(run.glob("*.gpw"))):
        path.rename(run / f"h2-{index + 70}.gpw")
    trajectory = open_any(run)
    np.testing.assert_array_equal(trajectory.positions_at(2), images[2].positions)
    # This .traj does not know the time step.
    assert not trajectory.times_known
    np.testing.assert_allclose(DensityTrajectory.open(run, timestep=2.0).times, [0.0, 2.0, 4.0])


def test_a_traj_of_another_run_is_refused(run: Path) -> None:
    images = ase.io.read(run / "md.traj", ":")
    for image in images:
        image.positions += 0.1
    ase.io.write(run / "md.traj", images)
    with pytest.raises(EldynError, match=r"md.traj: its 5 frames cannot be paired with the 3 .gpw"):
        open_any(run)
    assert len(open_any(run / "*.gpw")) == 3
    shutil.copy(run / "md.traj", run / "md2.traj")
    with pytest.raises(EldynError, match=r"several .traj files: md.traj, md2.traj"):
        open_any(run)


@pytest.mark.parametrize("content", [b"", b"- of Ulm", bytes(500)])
def test_a_damaged_traj_is_named(run: Path, content: bytes) -> None:
    (run / "md.traj").write_bytes(content)
    with pytest.raises(EldynError, match=r"md.traj: this is not a whole ASE trajectory"):
        open_any(run)
