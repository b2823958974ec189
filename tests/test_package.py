"""What importing costs, and what the package says about itself."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from npe2 import PluginManager, PluginManifest

import napari_eldyn

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "napari", "vispy", "qtpy", "PyQt6", "PySide6", "matplotlib.pyplot")


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("napari-eldyn")


def loaded_by(code: str, *modules: str) -> list[str]:
    """Which of the modules a fresh interpreter has loaded after running the code."""
    code += f"\nimport sys; print(*[name for name in {modules!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("module", ["napari_eldyn", "napari_eldyn.cli", "napari_eldyn.density"])
def test_importing_loads_neither_torch_nor_a_gui(module: str) -> None:
    assert loaded_by(f"import {module}", *HEAVY) == []


def test_opening_files_loads_neither_torch_nor_qt(manifest: PluginManifest) -> None:
    contributions = manifest.contributions
    names = {command.id: command.python_name for command in contributions.commands or []}
    used = [reader.command for reader in contributions.readers or []]
    assert used, "the plugin opens no files"
    modules = {str(names[command]).partition(":")[0] for command in used}
    code = "\n".join(f"import {module}" for module in modules)
    assert loaded_by(code, *HEAVY) == []


def test_plugin_loads_no_torch_before_a_model_is_wanted(manifest: PluginManifest) -> None:
    modules = {
        str(command.python_name).partition(":")[0]
        for command in manifest.contributions.commands or []
    }
    assert loaded_by("\n".join(f"import {module}" for module in modules), "torch") == []


def test_manifest_is_valid_and_every_command_is_there(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    manager = PluginManager()
    manager.register(manifest)
    assert manager.get_manifest("napari-eldyn").display_name
    listed = [widget.command for widget in manifest.contributions.widgets or []]
    assert len(listed) >= 2, "the rollout and statistics docks are in the menu"
    assert manifest.contributions.sample_data, "File > Open Sample has the sample trajectory"


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert project["version"] == napari_eldyn.__version__
    assert str(citation["version"]) == napari_eldyn.__version__
    assert "## Unreleased" in changes or f"## {napari_eldyn.__version__}" in changes
    assert citation["license"] == project["license"]


@pytest.mark.parametrize(
    "command",
    [
        "from napari_eldyn.cli import main; sys.argv[1:] = ['info', 'm.safetensors']",
        "from eldyn_training.cli import main; "
        "sys.argv[1:] = ['fit', 'paper', '--data', 't.eldyn', '--out', 'run']",
    ],
)
def test_without_torch_commands_name_the_extra(command: str, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").touch()
    code = f"import sys; sys.modules['torch'] = None; {command}; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "torch, which is not installed" in done.stderr
    assert "napari-eldyn[emulator]" in done.stderr
    assert "Traceback" not in done.stderr
