"""A held vowel is heard as a short one, and its features last; speech is heard as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scenes import scene_of
from scipy.signal import lfilter

from flashtalk.assets import ASSETS
from flashtalk.conditions import gather_conditions
from flashtalk.config import TINY
from flashtalk.inputs.portrait import to_tensor
from flashtalk.inputs.speech import load_speech
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.face_code import LANDMARKS
from flashtalk.models.tiny.held_sounds import HeldSounds
from flashtalk.models.tiny.speech_encoder import SPECTRA_PER_FRAME, SpeechEncoder
from flashtalk.stream.session import Session
from flashtalk.weights import load_networks

RATE_HZ = 16_000
VOICES = ("emma", "george", "grace", "michael")
FORMANTS_HZ = {"a": (750, 1_200, 2_500), "o": (450, 800, 2_600), "m": (250, 1_000, 2_200)}
MURMUR_FRAMES, NOTE_FRAMES = 5, 40
LEVELS = TINY.speech_encoder.mel_bins


def spoken(name: str) -> np.ndarray:
    samples = load_speech(ASSETS / "voices" / f"{name}.flac").samples
    return samples[: len(samples) // 640 * 640]


def sung(vowels: str, note_hz: float) -> np.ndarray:
    """An m and a held vowel for each of ``vowels``, with vibrato, between two pauses."""
    count = (MURMUR_FRAMES + NOTE_FRAMES) * 640
    time_s = np.arange(count) / RATE_HZ
    phase = np.cumsum(note_hz * (1.0 + 0.02 * np.sin(2 * np.pi * 5.5 * time_s))) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * k * phase) / k**1.2 for k in range(1, 20))
    pause = np.zeros(10 * 640)
    notes = []
    for vowel in vowels:
        note = np.where(time_s < MURMUR_FRAMES / 25, 0.25 * formed(buzz, "m"), formed(buzz, vowel))
        ramp = np.minimum(time_s, time_s[::-1]).clip(0.0, 0.03) / 0.03
        notes.append(0.5 * ramp * note / np.abs(note).max())
    return np.concatenate([pause, *notes, pause]).astype(np.float32)


def formed(buzz: np.ndarray, sound: str) -> np.ndarray:
    for hertz, width_hz in zip(FORMANTS_HZ[sound], (80, 100, 140), strict=True):
        radius = np.exp(-np.pi * width_hz / RATE_HZ)
        cosine = 2 * radius * np.cos(2 * np.pi * hertz / RATE_HZ)
        buzz = lfilter([1 - cosine + radius**2], [1, -cosine, radius**2], buzz)
    return buzz


def held_in(samples: np.ndarray, encoder: SpeechEncoder) -> HeldSounds:
    levels = encoder.log_mel(torch.from_numpy(samples)[None])
    return HeldSounds.of(levels, SPECTRA_PER_FRAME)


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks(ASSETS / TINY.weights, TINY)


@pytest.fixture(scope="module")
def encoder(networks: Networks) -> SpeechEncoder:
    assert isinstance(networks.speech_encoder, SpeechEncoder)
    return networks.speech_encoder


@pytest.mark.parametrize("name", VOICES)
def test_nothing_of_speech_is_cut_out(name: str, encoder: SpeechEncoder) -> None:
    held = held_in(spoken(name), encoder)
    assert not held.cut.any()
    frames = torch.arange(held.order.shape[1])[None]
    assert torch.equal(held.order, frames)
    assert torch.equal(held.place, frames)


@pytest.mark.parametrize("ratio_db", [10.0, 0.0, -6.0])
@pytest.mark.parametrize("name", VOICES)
def test_speech_in_noise_is_heard_as_it_is(
    name: str, ratio_db: float, encoder: SpeechEncoder
) -> None:
    voice = spoken(name)
    noise = np.random.default_rng(0).normal(size=len(voice))
    mixed = voice + noise * voice.std() * 10 ** (-ratio_db / 20)
    assert held_in(mixed.astype(np.float32), encoder).cut.float().mean() < 0.02


def test_the_middles_of_held_vowels_are_cut_out(encoder: SpeechEncoder) -> None:
    held = held_in(sung("ao", 130.0), encoder)
    cut = int(held.cut.sum())
    assert 2 * (NOTE_FRAMES - 15) < cut < 2 * NOTE_FRAMES
    assert held.cut[0, :cut].all()  # they make room before all that is heard


def test_what_was_cut_out_has_the_features_before_it(encoder: SpeechEncoder) -> None:
    held = held_in(sung("a", 130.0), encoder)
    frames = torch.arange(held.order.shape[1], dtype=torch.float32)
    shortened = frames[held.order][:, None]  # each frame's own number as its feature
    lengthened = held.lengthen(shortened)[0, 0]
    cut = held.order[held.cut]
    assert (lengthened[cut] == cut.min() - 1).all()
    heard = held.order[~held.cut]
    assert torch.equal(lengthened[heard], frames[heard])


def test_a_sound_longer_than_the_window_keeps_features_of_its_own() -> None:
    levels = torch.zeros(1, LEVELS, 4 * 50)  # the same from end to end
    levels[:, LEVELS // 2 :] = -1.0
    held = HeldSounds.of(levels, 4)
    assert (~held.cut).gather(1, held.place).all()


def test_recordings_of_a_batch_do_not_touch_each_other(encoder: SpeechEncoder) -> None:
    voice, song = spoken("emma"), sung("ao", 130.0)
    count = min(len(voice), len(song)) // 640 * 640
    pair = torch.from_numpy(np.stack([voice[:count], song[:count]]))
    with torch.inference_mode():
        together = encoder(pair)
        alone = torch.cat([encoder(each[None]) for each in pair])
    assert torch.allclose(together, alone, atol=1e-4)


def test_lips_shut_at_each_m_and_stay_open_through_each_vowel(networks: Networks) -> None:
    with Image.open(ASSETS / "portraits" / "ada.jpg") as picture:
        size = (TINY.geometry.width_px, TINY.geometry.height_px)
        portrait = to_tensor(picture.convert("RGB").resize(size))
    with torch.inference_mode():
        session = Session(scene_of(networks, gather_conditions(networks, portrait)), seed=1)
    song = sung("aoa", 130.0)
    gaps = np.concatenate(
        [lip_gaps(networks, p.frames) for p in (*session.push(song), *session.flush())]
    )
    for number in range(3):
        begin = 10 + number * (MURMUR_FRAMES + NOTE_FRAMES)
        murmur = gaps[begin : begin + MURMUR_FRAMES]
        note = gaps[begin + MURMUR_FRAMES + 4 : begin + MURMUR_FRAMES + NOTE_FRAMES - 5]
        assert murmur.min() < 0.03
        assert note.min() > 0.05


def lip_gaps(networks: Networks, frames: np.ndarray) -> np.ndarray:
    """Gap of the lips of pictures [F, H, W, 3], in distances of the eyes."""
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    with torch.inference_mode():
        points = networks.autoencoder.reader(pictures).points
    upper, lower, left, right = (
        points[:, LANDMARKS.index(name)]
        for name in ("inner_upper_lip", "inner_lower_lip", "left_eye_outer", "right_eye_outer")
    )
    return ((upper - lower).norm(dim=-1) / (left - right).norm(dim=-1)).numpy()
