"""The embedded speech encoder hears voices, spoken and sung, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes import scene_of

from flashtalk.assets import ASSETS
from flashtalk.conditions import gather_conditions
from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.speech import load_speech
from flashtalk.inputs.voice_activity import DETECTOR, VoiceActivity
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from flashtalk.models.tiny.voice_gate import VoiceGate
from flashtalk.stream.session import Session

RATE_HZ = 16_000
VOICES = ("emma", "george", "grace", "michael")
TIME_S = np.arange(3 * RATE_HZ) / RATE_HZ
RNG = np.random.default_rng(0)


# --- sounds -----------------------------------------------------------------------------------
def spoken(name: str) -> np.ndarray:
    """Three seconds that begin before the first word."""
    return load_speech(ASSETS / "voices" / f"{name}.flac").samples[: len(TIME_S)]


def noise(low_hz: float, high_hz: float, level: float = 1.0) -> np.ndarray:
    spectrum = np.fft.rfft(RNG.normal(size=len(TIME_S)))
    hertz = np.fft.rfftfreq(len(TIME_S), 1.0 / RATE_HZ)
    spectrum[(hertz < low_hz) | (hertz > high_hz)] = 0.0
    samples = np.fft.irfft(spectrum, len(TIME_S))
    return level * samples / samples.std()


def breath(level: float, low_hz: float = 500.0) -> np.ndarray:
    """Half a second of shaped noise."""
    return noise(low_hz, 4_000.0, level) * np.sin(np.pi * np.clip((TIME_S - 1.0) / 0.5, 0.0, 1.0))


def knocks() -> np.ndarray:
    after_s = (np.clip(TIME_S - at_s, 0.0, None) for at_s in (1.0, 1.4, 2.0))
    return 0.5 * sum(np.exp(-60.0 * s) * np.sin(2 * np.pi * 180.0 * s) for s in after_s)


def tones(*notes_hz: float) -> np.ndarray:
    """Steady notes at once, each with its overtones."""
    parts = [(f * k, k) for f in notes_hz for k in range(1, 6)]
    return sum(0.08 / k * np.sin(2 * np.pi * hertz * TIME_S + hertz) for hertz, k in parts)


def melody() -> np.ndarray:
    """Plucked notes, one every quarter of a second."""
    played = np.zeros_like(TIME_S)
    for number, note in enumerate((0, 4, 7, 12, 7, 5, 4, 2, 0, 7, 4, 0)):
        after_s = np.clip(TIME_S - 0.25 * number, 0.0, None)
        wave = sum(np.sin(2 * np.pi * 220 * 2 ** (note / 12) * k * after_s) / k for k in (1, 2, 3))
        played += 0.1 * np.exp(-5.0 * after_s) * wave
    return played


def sung(notes_hz: tuple[float, ...], vibrato: float = 0.012) -> np.ndarray:
    """One held vowel after another: partials under the formants of an open mouth."""
    pitch = np.repeat(notes_hz, -(-len(TIME_S) // len(notes_hz)))[: len(TIME_S)]
    pitch = pitch * (1.0 + vibrato * np.sin(2 * np.pi * 5.5 * TIME_S))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    formants = ((750.0, 90.0, 1.0), (1_200.0, 90.0, 0.6), (2_600.0, 150.0, 0.3))
    partials = []
    for k in range(1, int(4_000 / max(notes_hz))):
        gains = (gain / (1 + ((k * pitch - at) / width) ** 2) for at, width, gain in formants)
        partials.append(sum(gains) / k**0.5 * np.sin(k * phase))
    voice = np.sum(partials, axis=0)
    return 0.15 * voice / voice.std()


def heard(sound: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return VoiceGate()(torch.from_numpy(sound.astype(np.float32))[None])[0].numpy()


def kept(sound: np.ndarray) -> float:
    """Share of the energy that passes."""
    return float(np.square(heard(sound)).sum() / np.square(sound).sum())


# --- what passes ------------------------------------------------------------------------------
@pytest.mark.parametrize("level", [1.0, 0.1, 0.02])
@pytest.mark.parametrize("name", VOICES)
def test_every_sound_of_a_voice_passes_unchanged_loud_or_quiet(name: str, level: float) -> None:
    voice = (level * spoken(name)).astype(np.float32)
    lost = np.abs(heard(voice) - voice)[: -RATE_HZ // 5]  # no chunk shows the last fifth
    assert lost.max() < 0.001 * np.abs(voice).max()


@pytest.mark.parametrize("name", VOICES)
def test_a_tenth_of_a_second_before_the_first_word_passes(name: str) -> None:
    voice = spoken(name)
    onset = int(np.argmax(np.abs(voice) > 0.02 * np.abs(voice).max()))
    hiss = voice + noise(50.0, 7_900.0, 1e-5)  # shows where the gate is open
    before = slice(onset - RATE_HZ // 10, onset)
    assert np.isclose(heard(hiss)[before], hiss[before]).mean() > 0.9


@pytest.mark.parametrize("ratio_db", [10.0, 5.0, 0.0])
@pytest.mark.parametrize("disturbance", ["noise", "chord"])
def test_speech_passes_in_noise_and_music(disturbance: str, ratio_db: float) -> None:
    voice = spoken("emma")
    other = noise(50.0, 7_900.0) if disturbance == "noise" else tones(220.0, 277.2, 329.6)
    mixed = voice + other / other.std() * voice.std() * 10 ** (-ratio_db / 20)
    gain = np.abs(heard(mixed)) / np.maximum(np.abs(mixed), 1e-9)
    assert np.average(gain, weights=np.square(voice)) > 0.97


@pytest.mark.parametrize("notes_hz", [(110.0, 147.0), (262.0, 330.0, 392.0), (523.0, 659.0)])
def test_held_vowels_of_singers_pass(notes_hz: tuple[float, ...]) -> None:
    assert kept(sung(notes_hz)) > 0.99


# --- what does not ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "sound",
    [
        *(breath(level, low_hz) for level in (0.3, 0.05, 0.01) for low_hz in (300.0, 500.0)),
        knocks(),
        noise(50.0, 7_900.0, 0.02),
        tones(220.0, 277.2, 329.6),
        tones(220.0, 261.6, 329.6),
        tones(110.0, 165.0),
        tones(440.0),
        0.3 * np.sin(2 * np.pi * 50.0 * TIME_S) + 0.1 * np.sin(2 * np.pi * 150.0 * TIME_S),
        melody(),
        sung((262.0, 330.0), vibrato=0.0),  # as still as an organ's
    ],
    ids=lambda sound: f"{sound.std():.3f}",
)
def test_breaths_knocks_and_instruments_do_not_pass(sound: np.ndarray) -> None:
    assert kept(sound) < 0.01


def test_a_breath_between_words_is_silent_and_the_words_are_not() -> None:
    words = spoken("george")[:RATE_HZ]
    sound = np.concatenate((words, np.zeros(RATE_HZ), words))
    sighs = np.zeros_like(sound)
    sighs[RATE_HZ + 4_000 : 2 * RATE_HZ - 2_000] = noise(500.0, 4_000.0, 0.02)[:10_000]
    got = heard(sound + sighs)
    assert np.abs(got[RATE_HZ + 6_000 : 2 * RATE_HZ - 4_000]).max() == 0.0
    assert np.abs(got - sound)[np.abs(sighs) == 0.0].max() < 0.001 * np.abs(sound).max()


# --- the detector -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("emma", {7: 0.02629, 8: 0.04672, 9: 0.8494, 84: 0.66331, 85: 0.06278}),
        ("michael", {6: 0.0577, 7: 0.2753, 8: 0.55997, 50: 0.55342, 53: 0.26217, 73: 0.41258}),
    ],
)
def test_probabilities_are_those_of_silero_vad(name: str, recorded: dict[int, float]) -> None:
    """Recorded from its own program: silero_vad.jit of silero-vad 6.2.3, frame by frame."""
    with torch.inference_mode():
        likely = VoiceActivity()(torch.from_numpy(spoken(name))[None])[0]
    assert likely[list(recorded)].tolist() == pytest.approx(list(recorded.values()), abs=2e-5)


def test_calls_leave_no_trace_and_sounds_of_a_batch_do_not_mix() -> None:
    sounds = np.stack([spoken("emma"), breath(0.1), sung((262.0,))]).astype(np.float32)
    gate = VoiceGate()
    with torch.inference_mode():
        together = gate(torch.from_numpy(sounds))
        alone = [gate(torch.from_numpy(each)[None])[0] for each in (*sounds, *sounds)]
    for number, each in enumerate(alone):
        assert torch.allclose(together[number % 3], each, atol=1e-6)
    assert all(torch.equal(alone[n], alone[n + 3]) for n in range(3))


def test_the_detector_is_checked(tmp_path) -> None:
    with pytest.raises(FlashTalkError, match=r"detector is missing: no file at .*absent"):
        VoiceActivity(tmp_path / "absent.safetensors")
    (tmp_path / "short.safetensors").write_bytes(DETECTOR.read_bytes()[:-1])
    with pytest.raises(FlashTalkError, match=r"short.safetensors is not the file that ships"):
        VoiceActivity(tmp_path / "short.safetensors")


# --- in the encoder ---------------------------------------------------------------------------
def gated(networks: Networks) -> Networks:
    """The same networks, whose encoder hears voices only."""
    encoder = SpeechEncoder(replace(networks.preset.speech_encoder, voice_gate=True)).eval()
    encoder.load_state_dict(networks.speech_encoder.state_dict())
    return replace(networks, speech_encoder=encoder.requires_grad_(False))


def test_the_shipped_encoder_hears_voices_only_and_stores_no_detector() -> None:
    assert TINY.speech_encoder.voice_gate
    encoder = SpeechEncoder(TINY.speech_encoder)
    everything = SpeechEncoder(replace(TINY.speech_encoder, voice_gate=False))
    assert list(encoder.state_dict()) == list(everything.state_dict())
    assert len(list(encoder.parameters())) == len(list(everything.parameters()))


def test_a_breath_sounds_like_silence_to_the_encoder_and_a_voice_like_itself(
    toy_networks: Networks,
) -> None:
    encoder, open_ears = gated(toy_networks).speech_encoder, toy_networks.speech_encoder
    sigh, voice = (
        torch.from_numpy(each.astype(np.float32))[None] for each in (breath(0.1), spoken("emma"))
    )
    assert torch.equal(encoder(sigh), open_ears(torch.zeros_like(sigh)))
    assert not torch.allclose(open_ears(sigh), open_ears(torch.zeros_like(sigh)), atol=0.1)
    assert (encoder(voice) - open_ears(voice)).abs().mean() < 0.02  # its pauses are not empty


@pytest.mark.parametrize("size", [1_000, 17_920, 30_001])
def test_any_slicing_gives_the_same_video(
    toy_networks: Networks, toy_portrait: torch.Tensor, size: int
) -> None:
    networks = gated(toy_networks)
    talk = np.concatenate((breath(0.1)[RATE_HZ // 2 :], spoken("michael")))[:56_000]
    talk = talk.astype(np.float32)

    def frames(slices: list[np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            conditions = gather_conditions(networks, toy_portrait)
        session = Session(scene_of(networks, conditions))
        pieces = [piece for samples in slices for piece in session.push(samples)]
        return np.concatenate([piece.frames for piece in (*pieces, *session.flush())])

    sliced = frames([talk[start : start + size] for start in range(0, len(talk), size)])
    assert np.array_equal(sliced, frames([talk]))
