"""Speech is joined with its phones in place; nobody who was trained on speaks or is shown."""

from pathlib import Path

import numpy as np
import pytest
from drawn_clips import VOICES

from flashtalk.errors import FlashTalkError
from lab.evaluation.talks import RenderedClip, clip_names, load_clip, make_talk


@pytest.fixture(scope="module")
def clips(clips_folder: Path) -> list[RenderedClip]:
    return [load_clip(clips_folder, name) for name in clip_names(clips_folder)]


def test_only_clips_ending_in_nine_are_held_out(clips_folder: Path, tmp_path: Path) -> None:
    assert clip_names(clips_folder) == ["000009", "000019", "000029", "000039", "000049"]
    assert clip_names(clips_folder, held_out=False) == ["000010"]
    with pytest.raises(FlashTalkError, match="ends in 9"):
        clip_names(tmp_path)


def test_a_clip_is_read_whole(clips: list[RenderedClip]) -> None:
    clip = clips[0]
    assert clip.frames().shape == (40, 64, 64, 3)
    assert clip.portrait.shape == (64, 64, 3)
    assert clip.track.opening[20] == pytest.approx(0.0)
    assert clip.track.opening[0] == pytest.approx(0.0625, abs=1e-4)
    assert [phone.name for phone in clip.phones] == ["AA", "P", "AA"]


def test_each_closure_lies_on_its_own_sound(clips: list[RenderedClip]) -> None:
    speech = make_talk(clips, seed=0, seconds=12).speech
    bursts = np.flatnonzero(speech.samples > 0.5) / 16_000
    closures = [phone.center_s for phone in speech.phones if phone.name == "P"]
    assert len(closures) > 4
    assert closures == pytest.approx(bursts, abs=1e-3)


def test_a_segment_keeps_sound_and_phones_together(clips: list[RenderedClip]) -> None:
    part = make_talk(clips, seed=0, seconds=12).speech.within(50, 250)
    assert len(part.samples) == 200 * 640
    bursts = np.flatnonzero(part.samples > 0.5) / 16_000
    closures = [phone.center_s for phone in part.phones if phone.name == "P"]
    assert closures == pytest.approx(bursts, abs=1e-3)
    expected = part.expected_opening
    assert expected.shape == (200,)
    frames = [int((second - 0.03) * 25) for second in closures]
    assert expected[frames].max() < 0.3 * expected.max()


def test_a_segment_expects_what_the_whole_talk_does(clips: list[RenderedClip]) -> None:
    """Lips do not shut because the segment ends in the middle of a phone."""
    speech = make_talk(clips, seed=0, seconds=12).speech
    vowel = next(phone for phone in speech.phones if phone.name == "AA")
    stop = int(vowel.center_s * 25) + 1
    part = speech.within(max(0, stop - 50), stop)
    assert part.expected_opening[-1] == speech.expected_opening[stop - 1] > 0.1


def test_a_longer_talk_begins_with_the_shorter_one(clips: list[RenderedClip]) -> None:
    short, long = (make_talk(clips, seed=1, seconds=s) for s in (5, 30))
    assert long.person is short.person
    assert len(long.speech.samples) >= 30 * 16_000
    assert np.array_equal(long.speech.samples[: len(short.speech.samples)], short.speech.samples)
    assert long.speech.phones[: len(short.speech.phones)] == short.speech.phones


def test_what_a_talk_is_made_of_is_known(clips: list[RenderedClip]) -> None:
    talk = make_talk(clips, seed=0, seconds=30)
    others = [c for c in clips if c.voice == talk.voice and c is not talk.person]
    assert talk.clips == len(others)
    assert talk.clips_s == pytest.approx(1.6 * len(others))


def test_seeds_change_person_and_voice(clips: list[RenderedClip]) -> None:
    talks = [make_talk(clips, seed, 3) for seed in range(5)]
    assert len({talk.person.name for talk in talks}) == 5
    assert {talk.voice for talk in talks} == set(VOICES)


def test_nobody_can_speak_alone(clips: list[RenderedClip]) -> None:
    with pytest.raises(FlashTalkError, match="needs two held-out clips"):
        make_talk(clips[:1], 0, 3)
