import io
from fractions import Fraction

import av
import numpy as np
import pytest

from flashtalk.outputs.fragments import FragmentEncoder, _boxes

RATE_HZ = 48_000
FPS = 25
AAC_FRAME_S = 1024 / RATE_HZ
WIDTH = HEIGHT = 64


def pictures(count: int, first: int = 0) -> np.ndarray:
    """A ramp that moves two pixels a frame: each frame differs from every other one."""
    ramp = np.arange(WIDTH)[None, :] + 2 * np.arange(first, first + count)[:, None]
    gray = np.repeat((ramp % 256).astype(np.uint8)[:, None, :], HEIGHT, axis=1)
    return np.stack([gray, 255 - gray, np.full_like(gray, 90)], axis=-1)


def tone(frames: int, channels: int = 1, missing: int = 0) -> np.ndarray:
    samples = frames * RATE_HZ // FPS - missing
    wave = 0.3 * np.sin(2 * np.pi * 440 / RATE_HZ * np.arange(samples, dtype=np.float32))
    return np.repeat(wave[None], channels, axis=0)


def decode(data: bytes) -> tuple[list[av.VideoFrame], list[av.AudioFrame]]:
    with av.open(io.BytesIO(data)) as container:
        video = list(container.decode(video=0))
    with av.open(io.BytesIO(data)) as container:
        audio = list(container.decode(audio=0))
    return video, audio


def video_s(frames: list[av.VideoFrame]) -> float:
    return float(frames[-1].pts * frames[-1].time_base) + 1 / FPS


def audio_s(frames: list[av.AudioFrame]) -> float:
    return float(frames[-1].pts * frames[-1].time_base) + frames[-1].samples / RATE_HZ


def test_every_frame_leaves_with_its_chunk():
    encoder = FragmentEncoder(WIDTH, HEIGHT, FPS, RATE_HZ, 1)
    data = b""
    for chunk in range(4):
        data += encoder.encode(pictures(28, 28 * chunk), tone(28))
        frames, _ = decode(data)
        assert len(frames) == 28 * (chunk + 1)
        assert frames[-28].pts * frames[-28].time_base == Fraction(28 * chunk, FPS)


def test_key_frames_start_fragments_but_not_every_one():
    encoder = FragmentEncoder(WIDTH, HEIGHT, FPS, RATE_HZ, 1)
    data = b"".join(encoder.encode(pictures(28, 28 * n), tone(28)) for n in range(11))
    frames, _ = decode(data)
    keys = [position for position, frame in enumerate(frames) if frame.key_frame]
    assert keys == [0, 140, 280], "every 5 s, at the next border of two chunks"


@pytest.mark.parametrize("sizes", [(28,), (28, 28, 28), (28, 1), (28, 28, 17), (5, 28, 3)])
@pytest.mark.parametrize("channels", [1, 2])
def test_fragments_in_a_row_are_one_continuous_video(sizes: tuple[int, ...], channels: int):
    encoder = FragmentEncoder(WIDTH, HEIGHT, FPS, RATE_HZ, channels)
    data = b"".join(encoder.encode(pictures(n), tone(n, channels)) for n in sizes)
    data += encoder.finish()
    video, audio = decode(data)

    times = [frame.pts * frame.time_base for frame in video]
    assert times == [Fraction(i, FPS) for i in range(sum(sizes))]
    assert audio[0].pts == 0, "the AAC lead-in is left out"
    ends = [frame.pts + frame.samples for frame in audio]
    assert [frame.pts for frame in audio[1:]] == ends[:-1]
    assert abs(audio_s(audio) - video_s(video)) <= AAC_FRAME_S
    assert audio[0].layout.nb_channels == channels


def test_sound_is_in_step_with_the_picture_over_many_chunks():
    """A click in frame 20 of every chunk is decoded where that frame is, to the millisecond."""
    encoder = FragmentEncoder(WIDTH, HEIGHT, FPS, RATE_HZ, 1)
    clicked = np.zeros((1, 28 * 1920), np.float32)
    clicked[0, 20 * 1920 : 20 * 1920 + 48] = 0.9
    data = b"".join(encoder.encode(pictures(28), clicked) for _ in range(20)) + encoder.finish()
    _, audio = decode(data)
    wave = np.concatenate([frame.to_ndarray()[0] for frame in audio])
    for chunk in range(20):
        start = chunk * 28 * 1920
        peak = int(np.abs(wave[start : start + 28 * 1920]).argmax())
        assert abs(peak - 20 * 1920) < 96


def test_missing_sound_is_silence_and_later_sound_stays_in_place():
    encoder = FragmentEncoder(WIDTH, HEIGHT, FPS, RATE_HZ, 1)
    data = encoder.encode(pictures(28), tone(28, missing=30_000))
    data += encoder.encode(pictures(28), tone(28)) + encoder.finish()
    _, audio = decode(data)
    wave = np.concatenate([frame.to_ndarray()[0] for frame in audio])
    gap = wave[28 * 1920 - 25_000 : 28 * 1920 - 2_000]
    assert np.abs(gap).max() < 0.01
    assert np.abs(wave[28 * 1920 + 2_000 : 30 * 1920]).max() > 0.2


def test_colors_survive():
    encoder = FragmentEncoder(WIDTH, HEIGHT, FPS, RATE_HZ, 1)
    color = np.array([200, 120, 60], np.uint8)
    frames = np.broadcast_to(color, (28, HEIGHT, WIDTH, 3)).copy()
    video, _ = decode(encoder.encode(frames, tone(28)) + encoder.finish())
    shown = video[10].to_ndarray(format="rgb24", src_colorspace="ITU709").reshape(-1, 3).mean(0)
    assert np.abs(shown - color).max() < 4
    assert (video[0].colorspace, video[0].color_range) == (1, 1)  # tagged BT.709, limited range


def test_the_mime_type_names_the_profile_of_the_stream():
    encoder = FragmentEncoder(WIDTH, HEIGHT)
    kinds = [name for name, _ in _boxes(encoder.init_segment)]
    assert kinds == ["ftyp", "moov"]
    assert encoder.mime.startswith('video/mp4; codecs="avc1.64')
    assert encoder.mime.endswith(', mp4a.40.2"')


def test_finish_twice_and_finish_of_nothing_are_harmless():
    encoder = FragmentEncoder(WIDTH, HEIGHT)
    assert encoder.finish() == b""
    assert encoder.finish() == b""
    with pytest.raises(ValueError, match="new FragmentEncoder"):
        encoder.encode(pictures(1), tone(1))


@pytest.mark.parametrize(
    ("frames", "audio", "sentence"),
    [
        (pictures(2)[:, :32], tone(2), "uint8"),
        (pictures(2).astype(np.float32), tone(2), "float32"),
        (pictures(2)[:0], tone(2), r"F >= 1"),
        (pictures(2), tone(2, channels=2), r"audio must be \[1, n\]"),
        (pictures(2), tone(3), "at most 3840 samples"),
    ],
)
def test_wrong_input_is_named(frames: np.ndarray, audio: np.ndarray, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        FragmentEncoder(WIDTH, HEIGHT).encode(frames, audio)


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="even, got 63x64"):
        FragmentEncoder(63, 64)
    with pytest.raises(ValueError, match="multiple of fps"):
        FragmentEncoder(64, 64, fps=25, audio_rate_hz=44_110)
    with pytest.raises(ValueError, match="1 or 2, got 3"):
        FragmentEncoder(64, 64, channels=3)
