"""A performance: everything that a rendered face does in one clip, with the sound it makes.

Last station of the speech half. Text becomes speech (`speech`), speech becomes mouth motion
(`curves`), the rest of the face and head follows (`motion`). The renderer plays the result on any
identity. The speech assets are described in `lab.synthesis.voices.kokoro`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from lab.synthesis.curves import MAX_WEIGHT, loudness, mouth_weights
from lab.synthesis.motion import draw_emotion, face_weights, head_motion, lid_follow
from lab.synthesis.voices.casting import cast_reader
from lab.synthesis.voices.kokoro import speech_folder
from lab.synthesis.voices.phones import FRAME_RATE_HZ, SAMPLES_PER_FRAME, Utterance
from lab.synthesis.voices.speech import cut, open_studio, recite_around

IDLE_ODDS = 0.1
ARTICULATION = (0.8, 1.25)
IDLE = "none"  # voice of a clip without speech


@dataclass(frozen=True)
class Performance:
    """Motion at 25 frames a second (T frames) and sound at 16 kHz (S = 640 T samples).

    weights: ARKit or viseme target -> [T] float32, 0..1.2; targets not named stay at rest
    yaw, pitch, roll: head pose [T], radians
    gaze: eyes in the head [T, 2], radians
    shift: breathing and posture [T, 3], decimeters
    audio: [S] float32, clean
    phones: (class, start_s, end_s) in order; uncovered time is silent
    emotion: held for the clip
    voice: who speaks, "none" in an idle clip
    """

    weights: dict[str, np.ndarray]
    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    gaze: np.ndarray
    shift: np.ndarray
    audio: np.ndarray
    phones: tuple[tuple[str, float, float], ...]
    emotion: str
    voice: str

    def __post_init__(self) -> None:
        frames = self.frames
        if len(self.audio) != frames * SAMPLES_PER_FRAME:
            raise ValueError(
                f"Performance has {len(self.audio)} samples for {frames} frames; "
                f"it needs {SAMPLES_PER_FRAME} samples per frame."
            )
        for name, curve in self.weights.items():
            if curve.shape != (frames,):
                raise ValueError(
                    f"Performance weight {name} has shape {list(curve.shape)}; "
                    f"it must be [{frames}]."
                )

    @property
    def frames(self) -> int:
        """Number of video frames, T."""
        return len(self.yaw)


def perform(
    seed: int, seconds: float, *, held_out: bool = False, assets: Path | None = None
) -> Performance:
    """Makes the clip number `seed`, the same every time.

    One clip in ten is idle.

    Args:
        seconds: length, rounded to whole frames.
        held_out: use one of the six voices that training never hears.
        assets: folder whose subfolder `speech` holds the voices (default: the environment variable
            FLASHTALK_SYNTHESIS_ASSETS).

    Raises:
        FlashTalkError: an engine or its data is missing.
    """
    frames = round(seconds * FRAME_RATE_HZ)
    if frames < 1:
        raise ValueError(f"A performance of {seconds} s has no frame; ask for at least 0.04 s.")
    rng = np.random.default_rng((seed, int(held_out)))
    if rng.random() < IDLE_ODDS:
        return _compose(rng, _room(rng, frames), {}, IDLE)
    reader = cast_reader(rng, held_out)
    studio = open_studio(speech_folder(assets))
    spoken, first = recite_around(studio, reader, rng, frames)
    # weights are made for the whole recital, so that sounds just outside the clip still pull
    articulation = rng.uniform(*ARTICULATION)
    weights = mouth_weights(spoken.phones, loudness(spoken.samples), articulation)
    window = {name: curve[first : first + frames] for name, curve in weights.items()}
    return _compose(rng, cut(spoken, first, frames), window, reader.speaker.name)


def _compose(
    rng: np.random.Generator, heard: Utterance, mouth: dict[str, np.ndarray], voice: str
) -> Performance:
    """Adds face and head motion to the sound and mouth of a clip."""
    frames = len(heard.samples) // SAMPLES_PER_FRAME
    envelope = loudness(heard.samples) if voice != IDLE else np.zeros(frames)
    emotion = draw_emotion(rng)
    weights = dict(mouth)
    for name, curve in face_weights(emotion, envelope, rng).items():
        weights[name] = weights.get(name, 0.0) + curve
    head = head_motion(envelope, rng)
    lids = lid_follow(head.gaze)
    weights |= {"eyeLookDownLeft": lids, "eyeLookDownRight": lids}
    return Performance(
        weights={n: np.clip(c, 0.0, MAX_WEIGHT).astype(np.float32) for n, c in weights.items()},
        yaw=head.yaw,
        pitch=head.pitch,
        roll=head.roll,
        gaze=head.gaze,
        shift=head.shift,
        audio=heard.samples,
        phones=tuple((p.name, p.start_s, p.end_s) for p in heard.phones),
        emotion=emotion,
        voice=voice,
    )


def _room(rng: np.random.Generator, frames: int) -> Utterance:
    """Nobody speaks: silence, or in two of three clips faint low-pass room noise."""
    samples = np.zeros(frames * SAMPLES_PER_FRAME)
    if rng.random() < 0.67:
        hiss = lfilter([0.2], [1.0, -0.8], rng.standard_normal(len(samples)))
        samples = hiss * 10.0 ** rng.uniform(-3.7, -2.3) / hiss.std()
    return Utterance(samples.astype(np.float32), ())
