"""A dataclass is a command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.options import read_options, require_at_least, require_shares


@dataclass(frozen=True)
class Loss:
    weight: float = 0.5
    """Of the whole."""

    def __post_init__(self) -> None:
        require_shares(self, "weight")


@dataclass(frozen=True, kw_only=True)
class Something:
    """Do something."""

    out: Path
    """Folder of it."""
    steps: int = 7
    seeds: tuple[int, ...] = (0, 1)
    shard: bool = False
    flow_prior: bool = True
    loss: Loss = Loss()

    def __post_init__(self) -> None:
        require_at_least(1, self, "steps")


def test_fields_are_options_and_nested_ones_stand_beside_them() -> None:
    assert read_options(Something, ["--out", "here"]) == Something(out=Path("here"))
    given = ["--out", "here", "--seeds", "4", "5", "--shard", "--no-flow-prior", "--weight", "1"]
    assert read_options(Something, given) == Something(
        out=Path("here"), seeds=(4, 5), shard=True, flow_prior=False, loss=Loss(1.0)
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "--out"),
        (["--out", "here", "--step", "3"], "--step"),
        (["--out", "here", "--steps", "0"], "steps must be at least 1, got 0"),
        (["--out", "here", "--weight", "1.5"], "weight must be in [0, 1], got 1.5"),
    ],
)
def test_what_is_missing_unknown_or_refused_is_named(given, message, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        read_options(Something, given)
    assert message in capsys.readouterr().err


def test_help_is_what_the_fields_say(capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        read_options(Something, ["--help"])
    shown = capsys.readouterr().out
    assert "Do something." in shown and "Folder of it." in shown and "Of the whole." in shown
