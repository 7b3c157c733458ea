"""Speech of the world: windows of each kind, and an encoder that learns from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError
from lab.options import TINY_WEIGHTS
from lab.synthesis.curves import MOUTH_CURVES
from lab.synthesis.voices.phones import CLASS_INDEX
from lab.training.data import world_sounds
from lab.training.data.labeled_speech import LabeledSpeech
from lab.training.data.world_sounds import SHARES, WorldSounds, sung_frames
from lab.training.loop import load_part, read_checkpoint
from lab.training.tiny.networks import new_speech_encoder
from lab.training.tiny.world_speech import WorldSpeechTraining, train_world_speech

FRAMES, WINDOW = 120, TINY.geometry.speech_window_frames
AA, P = CLASS_INDEX["AA"], CLASS_INDEX["P"]


def write_item(folder: Path, number: int, language: str) -> None:
    """A hum of a long AA, again and again, with a P between."""
    phones = np.where(np.arange(FRAMES) % 12 < 9, AA, P)
    hum = np.sin(np.arange(FRAMES * 640) * 0.05) * np.repeat(phones == AA, 640)
    folder.mkdir(exist_ok=True)
    np.savez(
        folder / f"{number:06d}.npz",
        audio=(8000 * hum).astype(np.int16),
        phones=phones.astype(np.uint8),
        mouth=np.repeat((phones == AA)[:, None], len(MOUTH_CURVES), 1).astype(np.float16),
        voice="af_sky",
        language=language,
        held_out=False,
    )


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(world_sounds, "POOL_OF_A_KIND", 1)
    for number, language in enumerate(("english", "french")):
        write_item(tmp_path / "corpus", number, language)
    return tmp_path / "corpus"


def test_each_kind_of_window_says_what_is_right(corpus: Path) -> None:
    sounds = WorldSounds(LabeledSpeech([corpus], held_out=False), TINY.geometry)
    rng = np.random.default_rng(0)
    rows = {kind: getattr(sounds, f"_{kind}")(rng) for kind in SHARES}
    for kind, (heard, model, source, trust, labeled, phones, mouth) in rows.items():
        assert heard.shape == model.shape == (WINDOW * 640,), kind
        assert heard.dtype == np.float32 and np.abs(heard).max() <= 1.5, kind
        assert len(source) == len(phones) == len(mouth) == WINDOW, kind
        assert (trust >= 1.0) == (
            kind in ("clean", "alone", "sung") or (kind == "mixed" and trust > 0.5)
        )
        assert labeled == (kind != "alone"), kind
    assert np.array_equal(rows["clean"][0], rows["clean"][1])
    assert not rows["alone"][1].any() and rows["alone"][0].any()
    batch = sounds.draw(6, rng)
    assert batch.heard.shape == (6, WINDOW * 640) and batch.source.shape == (6, WINDOW)


def test_one_language_is_not_the_world(corpus: Path) -> None:
    (corpus / "000001.npz").unlink()
    with pytest.raises(FlashTalkError, match=r"got 1 items of English and 0 others"):
        WorldSounds(LabeledSpeech([corpus], held_out=False), TINY.geometry)


def test_lips_part_in_every_sung_vowel_and_shut_in_every_m(corpus: Path) -> None:
    sounds = WorldSounds(LabeledSpeech([corpus], held_out=False), TINY.geometry)
    rng = np.random.default_rng(2)
    opening, closure = (MOUTH_CURVES.index(name) for name in ("opening", "closure"))
    for _ in range(6):
        *_, phones, mouth = sounds._hummed(rng)
        inside = np.convolve(phones != P, np.ones(11), "same") > 10.5  # five frames from any m
        assert inside.any() and mouth[inside, opening].min() >= 0.3
        assert mouth[phones == P, opening].min() < 0.05 and mouth[phones == P, closure].max() > 0.9


def test_some_vowels_of_a_song_last_and_consonants_do_not() -> None:
    phones = np.where(np.arange(60) % 12 < 9, AA, P)
    source = sung_frames(phones, np.random.default_rng(1))
    assert len(source) > 75 and (np.diff(source) >= 0).all()
    assert np.bincount(source)[phones == P].max() == 1
    assert np.bincount(source).max() >= 2


def test_an_encoder_learns_and_the_one_that_ships_is_where_it_begins(
    corpus: Path, tmp_path: Path
) -> None:
    config = WorldSpeechTraining(
        data=(corpus,),
        out=tmp_path / "world",
        steps=2,
        batch=8,
        spoken=1,
        warmup_steps=0,
        threads=torch.get_num_threads(),
    )
    train_world_speech(config)
    learned = load_part(config.out, "encoder", new_speech_encoder())
    moved = {
        name: (value - shipped).abs().max().item()
        for (name, value), shipped in zip(
            learned.state_dict().items(), shipped_encoder().state_dict().values(), strict=True
        )
    }
    assert 0.0 < max(moved.values()) < 0.01
    assert read_checkpoint(config.out)["step"] == 2


def shipped_encoder() -> torch.nn.Module:
    from flashtalk.weights import load_weights

    encoder = new_speech_encoder()
    load_weights(TINY_WEIGHTS, TINY.name, {"speech_encoder": encoder})
    return encoder
