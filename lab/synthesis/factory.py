"""Makes many clips: worker processes, files, resuming; one failed clip does not stop the rest.

What every clip needs (data, voices, OpenGL) is another matter: where it is missing, the run ends
with a sentence about it.

Flow: performance, clip, dataset -> **factory** -> the folder that `lab.training` reads.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import traceback
import wave
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from flashtalk.errors import FlashTalkError
from lab.options import require_at_least
from lab.synthesis.assets import Assets
from lab.synthesis.clip import CURVES, Clip, render_clip
from lab.synthesis.dataset import open_folder
from lab.synthesis.heads.identity import is_held_out
from lab.synthesis.heads.library import LANDMARKS, Library
from lab.synthesis.heads.materials import PARTS
from lab.synthesis.licenses import CLIPS
from lab.synthesis.performance import Performance, perform
from lab.synthesis.renderer.opengl import Renderer
from lab.synthesis.voices.kokoro import speech_folder
from lab.synthesis.voices.phones import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from lab.synthesis.voices.speech import check_voices

log = logging.getLogger(__name__)
CRF = "14"  # H.264 quality; close to lossless for these pictures


@dataclass(frozen=True, kw_only=True)
class ClipFactory:
    """Make training clips of synthetic people."""

    out: Path
    """Folder for the clips; holds clips of one kind."""
    assets: Path | None = None
    """Folder of :mod:`lab.synthesis.assets`, or what $FLASHTALK_SYNTHESIS_ASSETS names."""
    clips: int = 100
    """How many clips."""
    start: int = 0
    """Number of the first clip, which is the seed of everything in it."""
    seconds: float = 4.0
    """Length of a clip."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes; each renders on one core."""
    size_px: int = 256
    """Side of the pictures, a multiple of 64."""

    def __post_init__(self) -> None:
        require_at_least(1, self, "clips", "workers")
        require_at_least(0, self, "start")
        if self.seconds <= 0:
            raise ValueError(f"seconds: got {self.seconds}, expected more than 0")
        if self.size_px % 64 or self.size_px <= 0:
            raise ValueError(f"size_px: got {self.size_px}, expected a multiple of 64")


def make_clips(config: ClipFactory) -> int:
    """Make all clips that are not there yet; the number of clips that failed is returned.

    Raises FlashTalkError where something is missing that every clip needs, or where the folder
    holds clips made with other options.
    """
    # these fail here, in one sentence, rather than for every clip in turn
    assets = Assets.locate(config.assets).root
    config = replace(config, assets=assets)
    check_voices(speech_folder(assets))
    made_with = {"seconds": float(config.seconds), "size_px": config.size_px}
    open_folder(config.out, made_with, CLIPS)
    numbers = range(config.start, config.start + config.clips)
    waiting = [n for n in numbers if not data_file(config.out, n).exists()]
    bar = tqdm(total=len(numbers), initial=len(numbers) - len(waiting), unit="clip", smoothing=0.1)
    failed = 0
    with bar, closing(_made(config, waiting)) as made:
        for number, problem in made:
            if problem:
                failed += 1
                log.error("clip %06d skipped: %s", number, problem)
            bar.update()
    return failed


def data_file(folder: Path, number: int) -> Path:
    """The file written last; where it exists, the clip is complete."""
    return folder / f"{number:06d}.npz"


def _made(config: ClipFactory, waiting: list[int]) -> Generator[tuple[int, str]]:
    """Numbers of the clips as they are done, each with its problem or an empty string."""
    if config.workers == 1 or len(waiting) < 2:
        _use_one_core()
        for number in waiting:
            yield _make_clip(config, number)
        return
    context = multiprocessing.get_context("spawn")  # a GL context does not survive a fork
    pool = ProcessPoolExecutor(config.workers, context, _use_one_core)
    try:
        for job in as_completed([pool.submit(_make_clip, config, n) for n in waiting]):
            yield job.result()
    except BrokenProcessPool as error:
        raise FlashTalkError(
            "A worker process of the clip maker was ended from outside, most often because the "
            "memory was full. Finished clips are kept: start again with fewer --workers."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Worker:
    library: Library
    renderer: Renderer


@lru_cache(maxsize=1)
def _worker(assets: Path, size_px: int) -> _Worker:
    """Objects that one process keeps for all of its clips: the GL context cannot travel."""
    return _Worker(Library(Assets(assets)), Renderer(size_px))


def _use_one_core() -> None:
    # threads of GL or BLAS would only fight with the other workers
    os.environ.update(LP_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    cv2.setNumThreads(1)


def _make_clip(config: ClipFactory, number: int) -> tuple[int, str]:
    """Make one clip; its number, and its problem or an empty string.

    Raises FlashTalkError where this process cannot make any clip at all.
    """
    worker = _worker(config.assets, config.size_px)
    try:
        held_out = is_held_out(number)
        performance = perform(number, config.seconds, held_out=held_out, assets=config.assets)
        clip = render_clip(worker.library, worker.renderer, performance, number)
        write_clip(config.out, number, performance, clip)
    except FlashTalkError as problem:
        return number, str(problem)
    except Exception:  # whatever it is, hours of other clips must not be lost with this one
        return number, traceback.format_exc()
    return number, ""


def write_clip(folder: Path, number: int, performance: Performance, clip: Clip) -> None:
    """Write the four files, the data file last; half-written files never carry the final name."""
    stem = f"{number:06d}"
    steps: dict[str, Callable[[Path], object]] = {
        f"{stem}.mp4": lambda path: write_video(path, clip.frames, performance.audio),
        f"{stem}.wav": lambda path: write_wave(path, performance.audio),
        f"{stem}.png": lambda path: Image.fromarray(clip.portrait).save(path, "PNG"),
        f"{stem}.npz": lambda path: write_data(path, performance, clip),
    }
    for name, write in steps.items():
        draft = folder / f".{name}"
        write(draft)
        draft.rename(folder / name)


def write_data(path: Path, performance: Performance, clip: Clip) -> None:
    """The labels, and who says what how: names of parts, landmarks and curves come along."""
    phones = performance.phones
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            **asdict(clip.labels),
            part_names=np.array(PARTS),
            landmark_names=np.array(LANDMARKS),
            curve_names=np.array(CURVES),
            identity=np.array(clip.identity),
            phones=np.array([phone[0] for phone in phones], "U8"),
            phone_times=np.array([phone[1:] for phone in phones], np.float32).reshape(-1, 2),
            weight_names=np.array(list(performance.weights)),
            weights=np.stack(list(performance.weights.values()), 1).astype(np.float16),
            emotion=np.array(performance.emotion),
            voice=np.array(performance.voice),
        )


def write_wave(path: Path, samples: np.ndarray) -> None:
    """16-bit mono at 16 kHz; samples [S] in -1..1."""
    with path.open("wb") as file, wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE_HZ)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def write_video(path: Path, frames: np.ndarray, samples: np.ndarray) -> None:
    """H.264 and AAC in mp4; frames [T, H, W, 3] uint8, samples [S] float32 at 16 kHz."""
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FRAME_RATE_HZ)
        video.width, video.height, video.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        video.options = {"crf": CRF, "preset": "veryfast", "threads": "1"}
        sound = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
        packet = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None], np.float32), format="fltp", layout="mono"
        )
        packet.sample_rate, packet.pts = SAMPLE_RATE_HZ, 0
        packet.time_base = Fraction(1, SAMPLE_RATE_HZ)
        container.mux(sound.encode(packet))
        container.mux(sound.encode())
