"""The weights in assets/: what only a trained model can do, on people never trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from flashtalk.engine import Engine
from flashtalk.inputs.portrait import load_portrait
from flashtalk.inputs.speech import load_speech
from flashtalk.models.tiny.blinks import closures
from flashtalk.models.tiny.face_code import FEATURES, GROUP_FRAMES, LANDMARKS, index_of, paint
from flashtalk.models.tiny.landmark_refiner import REFINED
from flashtalk.weights.checkpoint import ASSETS
from lab.evaluation.measures.reading import read_faces
from lab.evaluation.measures.sync import load_sync, score_talk
from lab.synthesis.voices.phones import SAMPLES_PER_FRAME

SEED = 3
SECONDS = 4.48  # four chunks
SAMPLES = int(SECONDS * 16_000)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.from_pretrained("flashtalk-tiny", size=(256, 256))


@dataclass(frozen=True)
class Made:
    """A talk, of which the tests look at different sides."""

    frames: np.ndarray
    """[F, H, W, 3] as floats in 0..1."""
    codes: torch.Tensor
    """What the sampled latents ask for: [group frames, features, groups, H, W]."""

    def asked(self, name: str) -> np.ndarray:
        """The gap called ``name`` that is asked for, per frame: [F], in units of it."""
        return self.codes[:, index_of(name)].sum(dim=(-2, -1)).T.flatten().numpy()


def _made(engine: Engine, samples: np.ndarray) -> Made:
    autoencoder = engine._networks.autoencoder
    decode, seen = autoencoder.decode_traced, []

    def recorded(latents: torch.Tensor, *arguments: object, **named: object) -> torch.Tensor:
        seen.append(latents[0, :, 2:])  # the new latents of a chunk
        return decode(latents, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoder, "decode_traced", recorded)
        session = engine.open(ASSETS / "portraits" / "emil.jpg", seed=SEED)
        chunks = [*session.push(samples), *session.flush()]
    frames = np.concatenate([chunk.frames for chunk in chunks]).astype(np.float32) / 255
    return Made(frames, torch.cat(seen, dim=1).unflatten(0, (GROUP_FRAMES, len(FEATURES))))


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_speech(ASSETS / "voices" / "george.flac").samples[:SAMPLES]


@pytest.fixture(scope="module")
def spoken_talk(engine: Engine, speech: np.ndarray) -> Made:
    return _made(engine, speech)


@pytest.fixture(scope="module")
def silent_talk(engine: Engine) -> Made:
    return _made(engine, np.zeros(SAMPLES, np.float32))


@pytest.fixture(scope="module")
def talking(spoken_talk: Made) -> np.ndarray:
    return spoken_talk.frames


@pytest.fixture(scope="module")
def silent(silent_talk: Made) -> np.ndarray:
    return silent_talk.frames


def test_lips_are_asked_to_move_by_speech_and_to_rest_in_silence(
    spoken_talk: Made, silent_talk: Made
) -> None:
    spoken, silent = (talk.asked("lip_gap") for talk in (spoken_talk, silent_talk))
    assert spoken.std() > 3.0 * silent.std()
    assert spoken.mean() > silent.mean() + 1.0


def _drawn_mouth(engine: Engine, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of frames [F, H, W, 3]: the lip gap that is seen [F], and the mouths [F, 44, 56, 3]."""
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2) * 2 - 1
    with torch.inference_mode():
        points = engine._networks.autoencoder.reader(pictures).points.numpy()
    upper, lower = (points[:, LANDMARKS.index(f"inner_{lip}_lip")] for lip in ("upper", "lower"))
    middle = points[:, :4].mean(axis=(0, 1))  # mouth corners and outer lips
    x, y = ((middle + 1) * 128).astype(int)
    return np.linalg.norm(lower - upper, axis=1), frames[:, y - 22 : y + 22, x - 28 : x + 28]


def test_lips_are_seen_to_move_in_speech_and_to_rest_in_silence(
    engine: Engine, talking: np.ndarray, silent: np.ndarray
) -> None:
    spoken, moving = _drawn_mouth(engine, talking)
    still, resting = _drawn_mouth(engine, silent)
    assert spoken.std() > 2.0 * still.std()
    quick = [np.abs(np.diff(mouth, axis=0)).mean() for mouth in (moving, resting)]
    assert quick[0] > 1.4 * quick[1], "the head moves in both; speech has to show on top of it"


def _seen(engine: Engine, gap: float = 0.0, lids: float = 1.0) -> tuple[float, float]:
    """Lip gap and eye opening read from a picture that is drawn from the portrait's own code.

    Lips are asked to be ``gap`` apart (the picture is 2 wide), eyes to be open by the share
    ``lids`` of the portrait's.
    """
    autoencoder = engine._networks.autoencoder
    portrait = load_portrait(ASSETS / "portraits" / "emil.jpg", engine.preset.geometry).tensor
    at = LANDMARKS.index
    with torch.inference_mode():
        guidance, marks = autoencoder.prepare(portrait), autoencoder.reader(portrait)
        asked = marks.points.clone()
        asked[:, at("inner_upper_lip")] = asked[:, at("inner_lower_lip")]
        for name in ("inner_lower_lip", "outer_lower_lip", "chin"):
            asked[:, at(name), 1] += gap
        for side in ("left", "right"):
            upper, lower = (at(f"{side}_eye_{edge}") for edge in ("upper", "lower"))
            asked[:, upper] = asked[:, lower] + lids * (asked[:, upper] - asked[:, lower])
        code = paint(asked, marks.gaze, (8, 8))
        picture = autoencoder.decoder(code, guidance).clamp(-1.0, 1.0)
        points = autoencoder.reader(picture).points[0]

    def apart(one: str, other: str) -> float:
        return (points[at(one)] - points[at(other)]).norm().item()

    eyes = [apart(f"{side}_eye_upper", f"{side}_eye_lower") for side in ("left", "right")]
    return apart("inner_upper_lip", "inner_lower_lip"), sum(eyes)


def test_the_refiner_finds_lips_and_lids_from_places_that_are_off(engine: Engine) -> None:
    reader = engine._networks.autoencoder.reader
    portraits = [
        load_portrait(path, engine.preset.geometry).tensor
        for path in sorted((ASSETS / "portraits").glob("*.jpg"))
    ]
    pictures = torch.cat(portraits)
    with torch.inference_mode():
        far = reader.read_coarsely(pictures)[0]
        found = reader(pictures).points
        off = reader.refiner(pictures, far + torch.tensor([0.03, -0.03]))[0]
    read = [LANDMARKS.index(name) for name in REFINED]
    away_px = 128 * (found - off).norm(dim=2)[:, read]
    assert away_px.mean() < 1.0, "places are off by 5.4 pixels"
    upper, lower = (found[:, LANDMARKS.index(f"inner_{lip}_lip")] for lip in ("upper", "lower"))
    assert (128 * (upper - lower).norm(dim=1)).max() < 2.5, "everybody's lips are shut or nearly"


def test_eyes_are_drawn_shut_when_the_code_says_so(engine: Engine) -> None:
    lips, eyes = _seen(engine)
    lips_then, shut = _seen(engine, lids=0.0)
    assert shut < 0.8 * eyes  # the reader has never seen these lids, and answers in between
    assert abs(lips_then - lips) < 0.01, "the mouth has no part in it"


def test_lips_are_drawn_apart_when_the_code_says_so(engine: Engine) -> None:
    closed, parted, wide = (_seen(engine, gap)[0] for gap in (0.0, 0.06, 0.12))
    assert parted > closed + 0.01 and wide > parted + 0.02


def test_a_silent_person_is_alive(silent: np.ndarray) -> None:
    change = np.abs(np.diff(silent, axis=0)).mean(axis=(1, 2, 3))
    assert change.mean() > 3e-4, "frozen"
    assert np.abs(silent[-1] - silent[0]).mean() > 3e-3, "the head never moves"


def _eye_opening(engine: Engine, frames: np.ndarray) -> np.ndarray:
    """Of frames [F, H, W, 3]: how far both eyes are seen open, in picture units, [F]."""
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2) * 2 - 1
    with torch.inference_mode():
        points = engine._networks.autoencoder.reader(pictures).points
    edges = [
        points[:, LANDMARKS.index(f"{side}_eye_upper")]
        - points[:, LANDMARKS.index(f"{side}_eye_lower")]
        for side in ("left", "right")
    ]
    return sum(edge.norm(dim=1) for edge in edges).numpy()


def test_lids_are_asked_to_meet_in_a_blink(engine: Engine, spoken_talk: Made) -> None:
    lids = spoken_talk.asked("lid")
    blinks = closures(SEED, 0, len(lids), engine.preset.geometry.fps)
    open_eyes = lids[blinks == 0.0]
    assert (blinks == 1.0).any() and np.abs(lids[blinks == 1.0]).max() < 0.02 * open_eyes.max()
    assert open_eyes.min() > 0.5 * open_eyes.max()


def test_people_blink_in_speech_and_in_silence(
    engine: Engine, talking: np.ndarray, silent: np.ndarray
) -> None:
    asked = closures(SEED, 0, len(silent), engine.preset.geometry.fps)
    assert (asked == 1.0).any(), "choose a seed that blinks within these seconds"
    for frames in (talking, silent):
        seen = _eye_opening(engine, frames)
        shut, open_eyes = seen[asked == 1.0], seen[asked == 0.0]
        assert shut.mean() < 0.87 * np.median(open_eyes)  # half-way answers, as in the test above
        assert shut.max() < open_eyes.min(), "eyes close at no other time"


def test_the_person_stays_who_they_are(engine: Engine, talking: np.ndarray) -> None:
    portrait = load_portrait(ASSETS / "portraits" / "emil.jpg", engine.preset.geometry)
    still = portrait.tensor[0].permute(1, 2, 0).numpy() / 2 + 0.5
    colors = talking.mean(axis=(1, 2)) - still.mean(axis=(0, 1))
    assert np.abs(colors).max() < 0.02, "color drifts"
    # sharpness: mean gradient of the last second against the portrait's
    edges = [np.abs(np.diff(p, axis=1)).mean() for p in (talking[-25:].reshape(-1, 256, 3), still)]
    assert edges[0] > 0.7 * edges[1], "blurred"


def test_borders_between_chunks_are_not_seen(talking: np.ndarray) -> None:
    change = np.abs(np.diff(talking, axis=0)).mean(axis=(1, 2, 3))
    borders = np.arange(27, len(change), 28)
    inside = np.delete(change, borders)
    assert change[borders].max() < 2.5 * inside.mean()
    assert change[borders].mean() < 1.4 * inside.mean()


def test_the_judge_that_ships_finds_the_sound_that_belongs_to_the_lips(
    engine: Engine, talking: np.ndarray, speech: np.ndarray
) -> None:
    """Of 31 offsets; the sound of another moment fits none of them."""
    network = load_sync()
    reader = engine._networks.autoencoder.reader
    mouth = read_faces(reader, np.rint(talking * 255).astype(np.uint8)).mouth
    samples = speech[: len(mouth) * SAMPLES_PER_FRAME]
    mouth = mouth[: len(samples) // SAMPLES_PER_FRAME]
    found = score_talk(network, mouth, samples)
    late = score_talk(network, np.roll(mouth, 5, axis=0), samples)
    assert abs(found.offset_frames) <= 1 and abs(late.offset_frames - 5) <= 1
    backward = score_talk(network, mouth, samples[::-1].copy())
    assert found.confidence > backward.confidence + 0.1


def test_the_files_are_small_enough_for_a_space() -> None:
    for path in Path(ASSETS).rglob("*"):
        assert not path.is_file() or path.stat().st_size < 9_500_000, path
