"""Offsets have the right sign, and the network learns them from pairs that belong together."""

import numpy as np
import pytest
import torch

from flashtalk.errors import FlashTalkError
from lab.evaluation.measures.sync import (
    SyncNetwork,
    load_sync,
    matching_loss,
    save_sync,
    score_of,
    score_talk,
)
from lab.evaluation.measures.train_sync import accuracy


def unit_rows(frames: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(frames, 8))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("late", [-5, 0, 2])
def test_a_late_picture_has_a_positive_offset(late: int) -> None:
    speech = unit_rows(120, 0)
    score = score_of(np.roll(speech, late, axis=0), speech)
    assert score.offset_frames == late
    assert score.distance == pytest.approx(0.0, abs=1e-6)
    assert score.confidence > 1.0


def test_strangers_have_no_confidence() -> None:
    score = score_of(unit_rows(400, 1), unit_rows(400, 2))
    assert score.confidence < 0.1
    assert score.distance > 1.2


def test_too_short_a_talk_is_refused() -> None:
    with pytest.raises(ValueError, match="got 30 frames"):
        score_of(unit_rows(30, 0), unit_rows(30, 1))


def test_the_loss_is_least_for_what_belongs_together() -> None:
    speech = torch.from_numpy(unit_rows(40, 3))[None]
    together = matching_loss(speech, speech)
    assert together < 0.5 * matching_loss(speech.roll(1, dims=1), speech)


def pair(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """A mouth that opens as wide as the sound is loud."""
    wide = np.convolve(rng.random(frames + 2), np.ones(3) / 3, "valid")
    noise = rng.normal(0, 0.1, frames * 640)
    mouth = np.zeros((frames, 5))
    mouth[:, 0] = 0.3 * wide
    return mouth, (noise * np.repeat(wide**3, 640)).astype(np.float32)


def test_the_network_learns_which_moment_belongs_to_which() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = SyncNetwork(width=16)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for _ in range(40):
        mouths, sounds = zip(*(pair(rng, 40) for _ in range(4)), strict=True)
        loss = matching_loss(
            *network(torch.from_numpy(np.stack(mouths)).float(), torch.from_numpy(np.stack(sounds)))
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    mouth, samples = pair(rng, 200)
    assert score_talk(network, mouth, samples).offset_frames == 0
    late = np.roll(mouth, 4, axis=0)
    assert score_talk(network, late, samples).offset_frames == 4
    assert score_talk(network, mouth[::-1].copy(), samples).confidence < 0.5 * (
        score_talk(network, mouth, samples).confidence
    )


def test_samples_that_do_not_fit_the_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="10 frames need 6400 samples, got 100"):
        SyncNetwork()(torch.zeros(1, 10, 5), torch.zeros(1, 100))


def test_a_missing_network_is_a_sentence(tmp_path) -> None:
    with pytest.raises(FlashTalkError, match="no trained sync network"):
        load_sync(tmp_path)


def test_a_network_comes_back_as_it_was_saved(tmp_path) -> None:
    network = SyncNetwork()
    save_sync(network, tmp_path / "new")
    again = load_sync(tmp_path / "new")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("broken", ["of another width", "no weights"])
def test_a_file_that_does_not_fit_is_a_sentence(tmp_path, broken) -> None:
    if broken == "no weights":
        (tmp_path / "sync.safetensors").write_bytes(b"text")
    else:
        save_sync(SyncNetwork(width=32), tmp_path)
    with pytest.raises(FlashTalkError, match="no sync network of this version"):
        load_sync(tmp_path)


class Echo(torch.nn.Module):
    """Hears what it sees: embeddings that match at the moment itself and nowhere else."""

    def forward(self, mouth: torch.Tensor, samples: torch.Tensor):
        heard = samples.unflatten(1, (-1, 640))[..., : mouth.shape[2]]
        return tuple(torch.nn.functional.normalize(each, dim=2) for each in (mouth, heard))


def test_windows_and_those_that_are_right_are_counted() -> None:
    mouth = np.random.default_rng(0).normal(size=(160, 5))
    samples = np.zeros((160, 640))
    samples[:, :5] = mouth
    late = np.roll(mouth, 5, axis=0)
    found = accuracy(Echo(), [(mouth, samples.reshape(-1)), (late, samples.reshape(-1))])
    assert found["windows"] == 8.0  # two times four of 50 frames and the margins
    assert found["windows_within_one_frame"] == 4.0
    assert found["within_one_frame"] == 0.5
    assert accuracy(Echo(), [(mouth[:60], samples[:60].reshape(-1))]) == {"windows": 0.0}
