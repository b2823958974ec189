"""The manifest and the journals it is made of."""

import json
from pathlib import Path

import pytest
from eldyn_training.campaign import Manifest, TrajectoryRecord, read_manifest
from eldyn_training.campaign.journal import Journal
from eldyn_training.campaign.manifest import write_manifest

from napari_eldyn.exceptions import EldynError


def record(name: str, status: str = "finished") -> TrajectoryRecord:
    return TrajectoryRecord.model_validate(
        {
            "name": name,
            "store": f"{name}.eldyn",
            "status": status,
            "parameters": {"seed": 1},
            "seed": 1,
            "recipe": {"seed": 1, "temperature": 800.0},
            "recipe_sha256": "0" * 64,
            "frames": 5,
            "frames_wanted": 5,
        }
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    records = (record("a"), record("b", "failed"))
    manifest = Manifest(recipe="aimd_tiny", trajectories=records)
    write_manifest(tmp_path, manifest)
    found = read_manifest(tmp_path)
    assert found == manifest
    assert [trajectory.name for trajectory in found.finished] == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    plain = json.loads((tmp_path / "manifest.json").read_text())
    assert (plain["format"], plain["version"]) == ("eldyn campaign", 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no manifest.json"),
        ("{", "damaged"),
        ("[]", "not the manifest of a campaign"),
        ('{"format": "eldyn campaign", "version": 2}', "version 2"),
        (
            '{"format": "eldyn campaign", "version": 1, "recipe": "a", "trajectories": [{}]}',
            "trajectories.0.name",
        ),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(EldynError) as refused:
        read_manifest(tmp_path)
    assert words in str(refused.value)


def test_a_journal_counts_attempts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    assert journal.summary().attempts == 0
    journal.start()
    first = journal.summary()
    assert (first.attempts, first.active) == (1, True)
    assert first.versions["napari-eldyn"]
    with journal.path.open("a") as file:
        file.write('{"event": "en')  # killed while writing
    journal.start()
    journal.end("finished")
    last = journal.summary()
    assert (last.attempts, last.active, last.started) == (2, False, first.started)
