"""Last choices: kept in a file beside napari's settings, or in memory only."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from napari_eldyn.viewer import preferences
from napari_eldyn.viewer.preferences import forget, remember, remembered, write_choices

FILE = "napari-eldyn-choices.json"


def run(code: str, config: Path | str) -> subprocess.CompletedProcess[str]:
    imports = "from napari_eldyn.viewer.preferences import *\n"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", imports + code],
        env=os.environ | {"NAPARI_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of a session whose napari keeps its settings in a new folder."""
    path = tmp_path / "config" / FILE
    monkeypatch.setattr(preferences, "_path", lambda: path)
    monkeypatch.setattr(preferences, "_memory", preferences._Memory())
    yield path
    preferences._memory.unwritten = {}


def test_choices_survive_the_session(tmp_path: Path) -> None:
    settings = tmp_path / "new" / "settings.yaml"
    run("remember('movie', width=1280, codec='h264'); remember('movie', codec='vp9')", settings)
    run("remember('rollout', seed=3)", settings)
    done = run("print(remembered('movie'), remembered('rollout'), remembered('x'))", settings)
    assert done.stdout.strip() == "{'codec': 'vp9', 'width': 1280} {'seed': 3} {}"


def test_without_settings_nothing_is_kept(tmp_path: Path) -> None:
    code = "import os; os.chdir({!r}); remember('rollout', seed=3); print(remembered('rollout'))"
    first = run(code.format(str(tmp_path)), "")
    assert first.stdout.strip() == "{'seed': 3}"
    assert list(tmp_path.iterdir()) == []
    assert run("print(remembered('rollout'))", "").stdout.strip() == "{}"


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\x00\x01"])
def test_a_damaged_file_is_ignored(
    path: Path, text: str, caplog: pytest.LogCaptureFixture, qtbot: QtBot
) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with caplog.at_level(logging.WARNING):
        assert remembered("rollout") == {}
    assert str(path) in caplog.text
    remember("rollout", seed=1)
    write_choices()
    assert json.loads(path.read_text()) == {"rollout": {"seed": 1}}


def test_a_damaged_group_leaves_the_others(path: Path, qtbot: QtBot) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"movie": [1], "rollout": {"seed": 4}}))
    assert remembered("movie") == {}
    assert remembered("rollout") == {"seed": 4}


def test_it_is_written_by_itself_and_whole(path: Path, qtbot: QtBot) -> None:
    remember("figures", preset="nature")
    assert not path.exists(), "not at once"
    remember("figures", width=8.8)
    qtbot.waitUntil(path.exists, timeout=5000)
    assert json.loads(path.read_text()) == {"figures": {"preset": "nature", "width": 8.8}}
    assert [item.name for item in path.parent.iterdir()] == [FILE], "no half file"


def test_two_windows_do_not_take_each_others_choices(path: Path, qtbot: QtBot) -> None:
    assert remembered("movie") == {}
    path.parent.mkdir()
    path.write_text(json.dumps({"movie": {"fps": 30}, "rollout": {"seed": 4, "device": "cpu"}}))
    remember("rollout", seed=5)
    write_choices()
    expected = {"movie": {"fps": 30}, "rollout": {"seed": 5, "device": "cpu"}}
    assert json.loads(path.read_text()) == expected


def test_a_copy_is_handed_out(path: Path, qtbot: QtBot) -> None:
    given = [1, 2]
    remember("compare", panels=given)
    given.append(3)
    remembered("compare")["panels"].append(4)
    assert remembered("compare") == {"panels": [1, 2]}


def test_what_json_cannot_hold_is_refused(path: Path, qtbot: QtBot) -> None:
    for value in (object(), float("nan")):
        with pytest.raises((TypeError, ValueError)):
            remember("compare", value=value)
    assert remembered("compare") == {}


def test_a_folder_that_cannot_be_written_is_told_in_the_log(
    path: Path, caplog: pytest.LogCaptureFixture, qtbot: QtBot
) -> None:
    path.parent.write_text("a file where the folder should be")
    remember("movie", fps=30)
    with caplog.at_level(logging.WARNING):
        write_choices()
    assert str(path) in caplog.text
    assert remembered("movie") == {"fps": 30}


def test_forget(path: Path, qtbot: QtBot) -> None:
    remember("movie", fps=30)
    write_choices()
    forget()
    assert not path.exists()
    assert remembered("movie") == {}
