"""Weights between two trainings."""

from pathlib import Path

import pytest
import torch

from flashtalk.errors import FlashTalkError
from lab.training.checkpoints import average
from lab.training.loop import load_average


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    folders = tmp_path / "first", tmp_path / "second"
    for folder, value in zip(folders, (1.0, 3.0), strict=True):
        norm = torch.nn.BatchNorm1d(2)
        norm.weight.data.fill_(value)
        norm.num_batches_tracked.fill_(int(value))
        folder.mkdir()
        torch.save({"average": norm.state_dict(), "step": 7}, folder / "checkpoint.pt")
    return folders


def test_a_run_lies_between_two_others(monkeypatch, tmp_path: Path, runs) -> None:
    first, second = map(str, runs)
    arguments = ["--first", first, "--second", second, "--share", "0.25", "--out", "OUT"]
    monkeypatch.setattr("sys.argv", ["average", *arguments])
    monkeypatch.chdir(tmp_path)
    assert average.main() == 0
    norm = load_average(Path("OUT"), torch.nn.BatchNorm1d(2))
    assert norm.weight.tolist() == [1.5, 1.5]
    assert norm.num_batches_tracked == 3


def test_what_is_named_is_taken_whole(monkeypatch, tmp_path: Path, runs) -> None:
    first, second = map(str, runs)
    arguments = ["--first", first, "--second", second, "--share", "0.25", "--whole", "weig"]
    monkeypatch.setattr("sys.argv", ["average", *arguments, "--out", str(tmp_path / "out")])
    assert average.main() == 0
    norm = load_average(tmp_path / "out", torch.nn.BatchNorm1d(2))
    assert norm.weight.tolist() == [3.0, 3.0]
    with pytest.raises(FlashTalkError, match="no weights that begin with 'gain'"):
        average.between(norm.state_dict(), norm.state_dict(), 0.5, ["weight", "gain"])


def test_a_missing_run_is_named(monkeypatch, capsys, tmp_path: Path, runs) -> None:
    there, missing = str(runs[0]), str(tmp_path / "nowhere")
    arguments = ["--first", there, "--second", missing, "--share", "0.5", "--out", "OUT"]
    monkeypatch.setattr("sys.argv", ["average", *arguments])
    assert average.main() == 2
    assert capsys.readouterr().err.startswith(f"flashtalk: There is no checkpoint in {missing}. ")


def test_impossible_averages_are_refused() -> None:
    one, other = {"a": torch.zeros(2)}, {"a": torch.zeros(3)}
    with pytest.raises(FlashTalkError, match="different networks: they differ in a"):
        average.between(one, other, 0.5)
    with pytest.raises(FlashTalkError, match=r"between 0 and 2, got 2\.5"):
        average.between(one, one, 2.5)


def test_a_mean_and_one_of_two_give_the_other() -> None:
    one, other = ({"a": torch.randn(5)} for _ in range(2))
    mean = average.between(one, other, 0.5)
    again = average.between(one, mean, 2.0)
    torch.testing.assert_close(again, other)
