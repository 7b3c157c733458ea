"""Recipes begin with what others leave, and the scripts run them in that order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from lab.options import TINY_WEIGHTS
from lab.training import recipes
from lab.training.checkpoints.import_checkpoint import import_checkpoint
from lab.training.loop import read_checkpoint
from lab.training.recipes import RECIPES

SCRIPTS = Path(__file__).parents[3] / "lab" / "runs"
TINY_RECIPES = [name for name in RECIPES if not name.endswith("14b")]


def script(name: str) -> list[str]:
    """The recipes that a script runs, in its order."""
    return re.findall(r"^recipe ([\w-]+)", (SCRIPTS / name).read_text(), re.MULTILINE)


def test_the_scripts_run_every_recipe_in_order() -> None:
    assert script("train_tiny.sh") == TINY_RECIPES
    assert script("train_14b.sh") == [name for name in RECIPES if name.endswith("14b")]


def test_a_recipe_begins_with_what_an_earlier_one_left(tmp_path: Path) -> None:
    left = {tmp_path / name for name in ("clips", "speech-data", "world-speech-data", "pictures")}
    for name in TINY_RECIPES:
        config = RECIPES[name](tmp_path)
        fields = ("data", "speech", "init", "first", "second", "transformer", "pictures")
        fields = (*fields, "weights") if name.startswith("world") else fields
        needed = [getattr(config, field, None) for field in fields]
        needed = [each for value in needed for each in (value if type(value) is tuple else [value])]
        assert left.issuperset(each for each in needed if each), name
        assert config.out not in left, f"{name} writes over another recipe"
        left.add(config.out)


def test_every_recipe_can_be_run() -> None:
    assert {type(recipe(Path("runs"))) for recipe in RECIPES.values()} == set(recipes.COMMANDS)


def test_teeth_are_learned_from_people_who_are_trained_on() -> None:
    donors = recipes.teeth(Path("runs")).donors
    assert len(donors) == len(set(donors)) == 191
    assert not any(number % 10 == 9 for number in donors), "held out"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ships, as the trainings that it came from."""
    folder = tmp_path_factory.mktemp("runs")
    import_checkpoint(TINY_WEIGHTS, folder)
    (folder / "polished").rename(folder / "polish")
    (folder / "after").symlink_to(folder / "stage1")
    return folder


def test_what_lies_between_is_exported(runs: Path) -> None:
    for name in ("polished", "between-tiny", "export-tiny"):
        recipes.run(RECIPES[name](runs))
    shipped = read_checkpoint(runs / "stage2")["average"]
    between = read_checkpoint(runs / "between")["average"]
    torch.testing.assert_close(between, dict(shipped))
    assert (runs / "flashtalk-tiny").is_dir()
    (runs / "world-speech").symlink_to(runs / "speech")
    recipes.run(RECIPES["export-world"](runs))
    speech = "speech_encoder-00001-of-00001.safetensors"
    same, written = (runs / name / speech for name in ("flashtalk-tiny", "flashtalk-tiny-world"))
    assert written.read_bytes() == same.read_bytes(), "half the way to the same encoder"


def test_a_field_of_a_recipe_can_be_set(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["polished", "--first", str(tmp_path), "--share", "0.7"]
    assert recipes.main(arguments) == 2
    assert f"There is no checkpoint in {tmp_path}." in capsys.readouterr().err
