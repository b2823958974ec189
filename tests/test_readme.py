"""The Python of the README does what it says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def readme_code(tmp_path, monkeypatch) -> str:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    return code


def test_the_python_example_rolls_out_and_saves(readme_code, tmp_path):
    names: dict[str, object] = {}
    exec(compile(readme_code, "README.md", "exec"), names)

    from napari_eldyn.density import DensityTrajectory

    saved = DensityTrajectory.open(tmp_path / "rollout.eldyn")
    assert len(saved) == 50
    assert saved.grid.matches(names["trajectory"].grid)
    assert saved[49] == pytest.approx(names["rollout"][49], rel=1e-3)
    # The decoder was trained on the electron count, not told it.
    assert saved.electrons(49) == pytest.approx(names["trajectory"].electrons(0), rel=0.03)
