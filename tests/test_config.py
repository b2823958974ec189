"""Configurations read from files: unknown and wrong keys are named."""

from typing import Literal

import pytest

from napari_eldyn.config import StrictModel, parse_config
from napari_eldyn.exceptions import EldynError


class Schedule(StrictModel):
    steps: int = 1000
    beta_start: float = 1e-4


class Recipe(StrictModel):
    schedule: Schedule = Schedule()
    learning_rate: float = 1e-3
    precision: Literal["float32", "bfloat16"] = "float32"


def test_values_are_taken_and_defaults_filled() -> None:
    recipe = parse_config(Recipe, {"schedule": {"steps": 10}})
    assert recipe.schedule.steps == 10
    assert recipe.schedule.beta_start == 1e-4


def test_unknown_key_names_the_file_and_the_nearest_key() -> None:
    with pytest.raises(EldynError, match=r"r\.toml: unknown key 'learning_rat'.*'learning_rate'"):
        parse_config(Recipe, {"learning_rat": 1.0}, path="r.toml")


def test_unknown_nested_key_names_the_nearest_key_of_its_table() -> None:
    with pytest.raises(EldynError, match=r"'schedule\.step' \(did you mean 'steps'\?\)"):
        parse_config(Recipe, {"schedule": {"step": 10}})


def test_wrong_type_is_named() -> None:
    with pytest.raises(EldynError, match=r"key 'schedule\.steps': input should be a valid integer"):
        parse_config(Recipe, {"schedule": {"steps": "many"}})


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(EldynError, match=r"learning_rate.*stepz") as caught:
        parse_config(Recipe, {"learning_rate": None, "stepz": 1})
    assert caught.value.remedy is not None


def test_a_key_of_another_table_is_found_there() -> None:
    with pytest.raises(EldynError, match=r"'beta_start' \(did you mean 'schedule\.beta_start'\?\)"):
        parse_config(Recipe, {"beta_start": 1e-3})


def test_a_wrong_choice_names_the_nearest() -> None:
    message = r"key 'precision'.*not 'bfloat' \(did you mean 'bfloat16'"
    with pytest.raises(EldynError, match=message):
        parse_config(Recipe, {"precision": "bfloat"})


def test_a_value_in_place_of_a_table() -> None:
    with pytest.raises(EldynError, match=r"key 'schedule': input should be a table of keys, not 5"):
        parse_config(Recipe, {"schedule": 5})
