"""Which settings a comparison has, and what it refuses."""

import pytest

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.variants import Variant, check, variants_of


def test_without_a_setting_there_is_the_preset_alone() -> None:
    assert variants_of([]) == [Variant()]
    assert Variant().name == "as it ships"


def test_each_value_is_combined_with_each() -> None:
    found = variants_of(["steps=2,4", "size=256x256,512x512"])
    assert found == [
        Variant(steps=steps, size=size) for steps in (2, 4) for size in ((256, 256), (512, 512))
    ]
    assert [each.slug for each in found][:2] == [
        "steps-2_size-256x256",
        "steps-2_size-512x512",
    ]
    assert len({each.slug for each in found}) == len({each.name for each in found}) == 4


def test_a_framing_is_a_variant() -> None:
    face, whole = variants_of(["framing=face,picture"])
    assert face == Variant() and whole.name == "framing picture"


def test_models_and_their_placements_are_settings_too() -> None:
    found = variants_of(["preset=flashtalk-14b", "placement=80gb,48gb"])
    assert [each.name for each in found] == [
        "model flashtalk-14b, placement 80gb",
        "model flashtalk-14b, placement 48gb",
    ]
    assert variants_of(["preset=weights/of mine"])[0].slug == "model-of-mine"
    with pytest.raises(FlashTalkError, match="cellar"):
        check(Variant(placement="cellar"), TINY)


def test_the_same_value_twice_is_one_variant() -> None:
    assert len(variants_of(["steps=4,4"])) == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["speed=2"], "--vary takes NAME=VALUE,VALUE with one of steps, .*'speed=2'"),
        (["steps"], "--vary takes NAME=VALUE,VALUE"),
        (["steps="], "--vary takes NAME=VALUE,VALUE"),
        (["steps=two"], "--vary steps takes numbers, got 'two'"),
        (["size=512"], "HEIGHTxWIDTH.*'512'"),
        (["steps=2", "steps=4"], "--vary steps is given twice"),
    ],
)
def test_what_cannot_be_varied_is_said(asked: list[str], said: str) -> None:
    with pytest.raises(FlashTalkError, match=said):
        variants_of(asked)
