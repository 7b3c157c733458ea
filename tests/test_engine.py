"""The engine: loading by name or folder, opening sessions, and what it refuses."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from flashtalk.config import PRESETS, TINY
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import Portrait, load_portrait, portrait_for
from flashtalk.models.networks import Networks
from flashtalk.placement.device import checked_device
from flashtalk.placement.pace import LIVE_COST
from flashtalk.stream.piece import VideoPiece
from flashtalk.weights import modules_of, save_weights
from flashtalk.weights.checkpoint import ASSETS


@pytest.fixture(scope="module")
def engine(toy_networks: Networks) -> Engine:
    return Engine(toy_networks)


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return Image.open(ASSETS / "portraits" / "ada.jpg").convert("RGB")


def test_a_portrait_talks(engine: Engine, portrait: Image.Image, speech: np.ndarray) -> None:
    session = engine.open(portrait, seed=1, timed=True)
    chunks = [*session.push(speech[:20_000]), *session.flush()]
    assert sum(len(chunk.frames) for chunk in chunks) == 32
    assert {"speech", "denoise", "decode", "color"} <= set(chunks[0].timings)


def test_a_portrait_may_be_a_file_or_an_array(
    engine: Engine, portrait: Image.Image, speech: np.ndarray, tmp_path: Path
) -> None:
    portrait.save(tmp_path / "portrait.png")
    videos = []
    framed = load_portrait(portrait, engine.preset.geometry)
    for source in (framed, portrait, tmp_path / "portrait.png", np.asarray(portrait)):
        videos.append(next(engine.open(source).push(speech)).frames)
    assert all(np.array_equal(videos[0], video) for video in videos[1:])


def test_every_thread_makes_the_same_video(
    toy_networks: Networks, portrait: Image.Image, speech: np.ndarray
) -> None:
    def made(threads: int) -> tuple[np.ndarray, int]:
        torch.set_num_threads(threads)
        frames = next(engine.open(portrait, seed=1).push(speech)).frames
        return frames, torch.get_num_threads()

    torch.set_num_threads(2)
    try:
        engine = Engine(toy_networks)
        usual, _ = made(2)
        with ThreadPoolExecutor(1) as other:
            frames, threads = other.submit(made, 1).result()
    finally:
        torch.set_num_threads(1)
    assert np.array_equal(frames, usual)
    assert threads == 1, "the caller's own number comes back"


def test_the_options_reach_the_sampler(
    engine: Engine, portrait: Image.Image, speech: np.ndarray
) -> None:
    usual = next(engine.open(portrait).push(speech)).frames
    for options in ({"seed": 1}, {"steps": 2}, {"color_strength": 0.0}):
        assert not np.array_equal(next(engine.open(portrait, **options).push(speech)).frames, usual)
    first = next(engine.open(portrait, first_fragment_frames=4).push(speech)).frames
    assert len(first) == 4
    assert np.abs(first.astype(int) - usual[:4]).max() <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": -1}, "seed must be a whole number from 0 up, got -1"),
        ({"steps": 0}, "Steps must be between 1 and 50, got 0"),
        ({"color_strength": 2.0}, "Color strength must be between 0 and 1, got 2.0"),
        ({"prompt": "a person talks"}, "does not read a prompt"),
        ({"first_fragment_frames": 5}, "multiple of 4 below 28"),
    ],
)
def test_impossible_options(engine: Engine, portrait: Image.Image, options, said: str) -> None:
    with pytest.raises(FlashTalkError, match=said):
        engine.open(portrait, **options)


def test_a_picture_without_a_face_is_refused_unless_asked_to_go_on(
    engine: Engine, toy_portrait: torch.Tensor
) -> None:
    nobody = ((toy_portrait[0].permute(1, 2, 0) + 1) * 127.5).byte().numpy()
    with pytest.raises(FlashTalkError, match="No face was found"):
        engine.open(nobody)
    engine.open(nobody, without_face=True).close()


def test_which_of_several_faces_speaks(engine: Engine, portrait: Image.Image, speech) -> None:
    two = Image.new("RGB", (1_024, 512))
    two.paste(portrait, (0, 0))
    two.paste(Image.open(ASSETS / "portraits" / "emil.jpg"), (512, 0))
    left, right = (next(engine.open(two, face=number).push(speech)).frames for number in (1, 2))
    assert not np.array_equal(left, right)
    with pytest.raises(FlashTalkError, match=r"no face number 3\. Faces found: 2"):
        engine.open(two, face=3)


def test_a_missing_portrait_is_a_sentence(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(FlashTalkError):
        engine.open(tmp_path / "nobody.png")


def test_warm_up_leaves_nothing_behind(engine: Engine, portrait: Image.Image, speech) -> None:
    before = next(engine.open(portrait).push(speech)).frames
    assert engine.warm_up() > 0
    assert np.array_equal(next(engine.open(portrait).push(speech)).frames, before)


def test_weights_from_a_folder_give_the_same_video(
    engine: Engine, toy_networks: Networks, portrait, speech, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setitem(PRESETS, "toy", toy_networks.preset)
    save_weights(tmp_path, "toy", modules_of(toy_networks), torch.float32)
    loaded = Engine.from_pretrained(tmp_path, size=(64, 64), threads=1)
    assert loaded.preset == toy_networks.preset
    assert loaded.device == torch.device("cpu")
    expected = next(engine.open(portrait).push(speech)).frames
    assert np.array_equal(next(loaded.open(portrait).push(speech)).frames, expected)


def test_an_embedded_model_has_one_size(
    toy_networks: Networks, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setitem(PRESETS, "toy", toy_networks.preset)
    save_weights(tmp_path, "toy", modules_of(toy_networks))
    with pytest.raises(FlashTalkError, match=r"64 x 64 pixels .* only, got 768 x 448"):
        Engine.from_pretrained(tmp_path, size=(768, 448))


def test_a_folder_of_an_unknown_preset(toy_networks: Networks, tmp_path: Path) -> None:
    save_weights(tmp_path, "toy", modules_of(toy_networks))
    with pytest.raises(
        FlashTalkError, match=r"Unknown preset 'toy'. Known presets: flashtalk-tiny"
    ):
        Engine.from_pretrained(tmp_path)


def test_unknown_preset() -> None:
    with pytest.raises(FlashTalkError, match=r"'flashtalk-huge' is neither a preset \(flashtalk-t"):
        Engine.from_pretrained("flashtalk-huge")


def test_threads_must_be_positive() -> None:
    with pytest.raises(FlashTalkError, match="threads must be 1 or more, got 0"):
        Engine.from_pretrained(threads=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(FlashTalkError, match=r"sees 0 CUDA GPUs.*device='cpu'"):
        Engine.from_pretrained(device="cuda")


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:77"])
def test_other_devices(device: str) -> None:
    with pytest.raises(FlashTalkError, match=r"device|Device"):
        checked_device(device)


def test_the_assets_folder_is_the_repository_s() -> None:
    assert ASSETS.name == "assets"
    assert (ASSETS.parent / "flashtalk" / "engine.py").is_file()
    assert TINY.weights == "flashtalk-tiny"


def test_a_slow_machine_shows_the_networks_own_size(
    toy_networks: Networks, portrait: Image.Image, speech: np.ndarray
) -> None:
    preset = replace(toy_networks.preset, picture_sizes=((96, 96), (64, 64)))
    engine = Engine(replace(toy_networks, preset=preset))
    assert engine.keep_up() == (), "not measured"
    engine.warm_up()
    engine._cost = LIVE_COST
    assert engine.keep_up() == (), "just fast enough"
    (piece,) = pushed(engine, portrait, speech)
    assert piece.frames.shape[1:] == (96, 96, 3)
    assert piece.notices == ()
    engine._cost = 1.1 * LIVE_COST
    (said,) = engine.keep_up()
    assert "64 x 64" in said
    (piece,) = pushed(engine, portrait, speech)
    assert piece.frames.shape[1:] == (64, 64, 3) and piece.notices == (said,)
    assert engine.keep_up() == (), "there is nothing smaller"


def pushed(engine: Engine, portrait: Image.Image, speech: np.ndarray) -> list[VideoPiece]:
    return list(engine.open(portrait, seed=1).push(speech[: 33 * 640]))


# --- the whole picture ----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def whole_engine(toy_networks: Networks) -> Engine:
    preset = replace(toy_networks.preset, framings=("face", "picture"))
    return Engine(replace(toy_networks, preset=preset))


@pytest.fixture(scope="module")
def scene(portrait: Image.Image) -> Image.Image:
    """A head in the right half of a wide picture with something to see everywhere."""
    noise = np.random.default_rng(2).integers(90, 170, (240, 420, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    picture.paste(portrait.resize((180, 180)), (210, 30))
    return picture


def _whole(engine: Engine, scene: Image.Image, speech: np.ndarray, **options: Any) -> np.ndarray:
    session = engine.open(scene, framing="picture", **options)
    pieces = [*session.push(speech[:24_000]), *session.flush()]
    return np.concatenate([piece.frames for piece in pieces])


def test_a_person_speaks_in_the_whole_picture(
    whole_engine: Engine, scene: Image.Image, speech: np.ndarray
) -> None:
    frames = _whole(whole_engine, scene, speech, seed=3)
    assert frames.shape == (38, 240, 420, 3)
    square = portrait_for(scene, whole_engine.preset, framing="picture").square
    assert square is not None
    still = np.asarray(scene)
    outside = np.ones(still.shape[:2], bool)
    outside[max(0, square.top_px) : square.bottom_px, square.left_px : square.right_px] = False
    assert (frames[:, outside] == still[outside]).all()
    assert (frames != still).any()
    assert np.array_equal(frames, _whole(whole_engine, scene, speech, seed=3))
    assert not np.array_equal(frames, _whole(whole_engine, scene, speech, seed=4))


def test_pieces_of_a_whole_picture_join_in_any_slicing(
    whole_engine: Engine, scene: Image.Image, speech: np.ndarray
) -> None:
    """Somebody who speaks live gets the frames of a film of the same chunks."""
    live = _whole(whole_engine, scene, speech, live=True, first_fragment_frames=4)
    assert live.shape == (38, 240, 420, 3)
    session = whole_engine.open(scene, framing="picture", live=True, first_fragment_frames=4)
    pieces = []
    for part in np.array_split(speech[:24_000], 17):
        pieces += [*session.push(part)]
    pieces += [*session.flush()]
    assert np.array_equal(np.concatenate([piece.frames for piece in pieces]), live)


def test_the_motion_is_that_of_the_face_alone(
    whole_engine: Engine, scene: Image.Image, speech: np.ndarray
) -> None:
    """What the networks see is the square: a whole picture around it changes no motion."""
    whole = portrait_for(scene, whole_engine.preset, framing="picture")
    assert whole.framed is not None and whole.square is not None
    alone = Portrait(whole.framed)
    latents = []
    for portrait in (whole, alone):
        session = whole_engine.open(portrait, seed=5)
        list(session.push(speech[:40_000]))
        latents.append(session._state.motion_latents)
    assert torch.equal(*latents)


def test_a_framing_that_the_model_lacks_is_refused(engine: Engine, scene: Image.Image) -> None:
    with pytest.raises(FlashTalkError, match="toy has no framing but its own"):
        engine.open(scene, framing="picture")


@pytest.mark.parametrize(("cost", "longest"), [(0.4, 1_280), (0.55, 854), (0.7, 640)])
def test_a_slow_machine_shows_smaller_whole_pictures(
    toy_networks: Networks, portrait: Image.Image, speech: np.ndarray, cost: float, longest: int
) -> None:
    sizes, framings = ((96, 96), (64, 64)), ("face", "picture")
    preset = replace(toy_networks.preset, picture_sizes=sizes, framings=framings)
    engine = Engine(replace(toy_networks, preset=preset))
    engine._cost = cost * LIVE_COST / 0.6
    said = [sentence for sentence in engine.keep_up() if "Whole pictures" in sentence]
    assert len(said) == (longest < 1_280)
    scene = Image.new("RGB", (1_600, 900), (90, 120, 150))
    scene.paste(portrait, (700, 200))
    session = engine.open(scene, framing="picture")
    piece = next(session.push(speech[: 33 * 640]))
    assert max(piece.frames.shape[1:3]) == longest
    assert [*piece.notices] == said
    assert not set(said) & set(next(engine.open(portrait).push(speech[: 33 * 640])).notices)
