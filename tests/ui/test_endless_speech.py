"""Live speech without an end: what bounds it, and what its film keeps."""

from __future__ import annotations

import numpy as np
import pytest
from live_speaker import PIECE, Speaker, frames_of, served

from flashtalk.engine import Engine
from flashtalk.models.networks import Networks
from flashtalk.ui.live.talk import MADE_WAY, ROLLS, SILENCE


@pytest.fixture(scope="module")
def engine(toy_networks: Networks) -> Engine:
    return Engine(toy_networks)


def spoken(speaker: Speaker, speech: np.ndarray, seconds: int) -> None:
    """Says ``speech`` over and over for so long."""
    given = np.resize(speech, seconds * 16_000)
    for start in range(0, len(given), 10 * PIECE):
        speaker.send(given[start : start + 10 * PIECE], start)


def test_a_long_talk_goes_on_and_its_film_keeps_the_end(engine: Engine, speech: np.ndarray) -> None:
    with served(engine, speech_s=2.0, live_s=None, live_film_s=8.0) as client:
        speaker = Speaker(client)
        assert speaker.opened["limit_s"] is None
        speaker.listen("listening")
        spoken(speaker, speech, 20)
        end = speaker.end()
        assert end["made_s"] == 20.0
        assert end["sentence"] == ROLLS.format(8 / 60)
        notices = [each for message in speaker.got for each in message.get("notices", ())]
        assert notices.count(ROLLS.format(8 / 60)) == 1, "the page says it while it is so"
        assert 3.0 < end["film_s"] < 10.0
        assert len(frames_of(speaker.film())) == round(25 * end["film_s"])


def test_a_long_talk_makes_way_for_somebody_who_waits(engine: Engine, speech: np.ndarray) -> None:
    with served(engine, speech_s=3.0, live_s=None) as client:
        first = Speaker(client)
        first.listen("listening")
        spoken(first, speech, 2)
        second = Speaker(client)
        second.listen("waiting")
        assert not any(message["kind"] == "end" for message in first.got)
        given = np.resize(speech, 64_000)
        first.send(given[32_000:48_000], 32_000)
        first.send(given[48_000:], 48_000)
        end = first.listen("end")
        assert end["sentence"] == MADE_WAY.format(end["made_s"])
        assert end["made_s"] > 3.0
        second.listen("listening")


def test_silence_ends_a_talk_and_a_voice_does_not(engine: Engine, speech: np.ndarray) -> None:
    with served(engine, live_silence_s=2.0) as client:
        speaker = Speaker(client)
        speaker.listen("listening")
        spoken(speaker, speech, 2)
        for start in range(32_000, 32_000 + 40 * PIECE, PIECE):
            if speaker.send(np.zeros(PIECE, np.float32), start)["ended"]:
                break
            speaker.got += client.get(
                f"{speaker.address}/messages/{len(speaker.got)}?wait=0.1"
            ).json()
        assert speaker.listen("end")["sentence"] == SILENCE.format(2)
