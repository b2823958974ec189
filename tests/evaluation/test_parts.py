"""The parts of an evaluation that need no model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_eldyn.evaluation.logs import read_training_log
from napari_eldyn.evaluation.page import share, value, with_error
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.exceptions import EldynError


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [
        (None, 3, "–"),
        (0.0, 3, "0"),
        (0.0371, 3, "0.0371"),
        (36.7961, 5, "36.796"),
        (-0.0318, 2, "−0.032"),
        (162.4, 2, "160"),
        (0.9996, 3, "1"),
        (3.74e-4, 3, "3.74 × 10⁻⁴"),
        (-2.5e7, 2, "−2.5 × 10⁷"),
        (1000, 3, "1000"),
    ],
)
def test_numbers_are_written_for_readers(number, digits, text):
    assert value(number, digits) == text


def test_errors_and_shares():
    assert with_error(0.0371, 0.0021) == "0.0371 ± 0.002"
    assert with_error(0.0371, None) == "0.0371"
    assert share(-0.0028) == "-0.28 %".replace("-", "−")
    assert share(None) == "–"
    assert share(2.34) == "234 %"


def test_a_log_that_was_resumed_counts_the_later_step(tmp_path):
    lines = [{"step": s, "stage": "training", "mse": float(s)} for s in (1, 2, 3, 4)]
    lines += [{"step": s, "stage": "training", "mse": 10.0 * s} for s in (3, 4, 5)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    log = read_training_log(tmp_path)
    np.testing.assert_array_equal(log.steps, [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(log.mse, [1, 2, 30, 40, 50])
    assert np.isnan(log.sjsd).all()


def test_a_binary_file_is_no_log(tmp_path):
    (tmp_path / "log.jsonl").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(EldynError, match="not a log"):
        read_training_log(tmp_path)


def test_stages_keep_the_time_of_each_and_survive_errors():
    stages = Stages(show=False)
    with stages.stage("first") as report:
        report(1, 2)
        report(2, 2)
    with pytest.raises(KeyboardInterrupt), stages.stage("second"):
        raise KeyboardInterrupt
    with stages.stage("first"):
        pass
    assert list(stages.seconds) == ["first", "second"]
    assert stages.slowest(1)[0][0] in stages.seconds
