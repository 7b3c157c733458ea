"""Makes many clips: worker processes, files, resuming, one failed clip never stops the rest.

Flow: performance, clip -> **factory** -> the folder that `flashtalk.training` reads.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import wave
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from flashtalk.errors import FlashTalkError
from flashtalk.synthesis.assets import Assets
from flashtalk.synthesis.clip import CURVES, Clip, render_clip
from flashtalk.synthesis.identity import is_held_out
from flashtalk.synthesis.library import LANDMARKS, Library
from flashtalk.synthesis.licenses import write_licenses
from flashtalk.synthesis.materials import PARTS
from flashtalk.synthesis.performance import Performance, perform
from flashtalk.synthesis.renderer import Renderer

log = logging.getLogger(__name__)
FRAME_RATE, SAMPLE_RATE_HZ = 25, 16_000
CRF = "14"  # H.264 quality; close to lossless for these pictures


@dataclass(frozen=True)
class FactoryOptions:
    """What to make.

    out: folder for the clips
    assets: folder of `flashtalk.synthesis.assets`
    clips, start: clips `start` .. `start + clips - 1`; the number is the seed of everything
    seconds: length of a clip
    workers: processes; each renders on one core
    size_px: side of the pictures
    """

    out: Path
    assets: Path
    clips: int = 100
    start: int = 0
    seconds: float = 4.0
    workers: int = 2
    size_px: int = 256

    def __post_init__(self) -> None:
        for name in ("clips", "workers", "seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected more than 0")
        if self.size_px % 64 or self.size_px <= 0:
            raise ValueError(f"size_px: got {self.size_px}, expected a multiple of 64")


def make_clips(options: FactoryOptions) -> int:
    """Make all clips that are not there yet; the number of clips that failed is returned."""
    options.out.mkdir(parents=True, exist_ok=True)
    Assets(options.assets)  # fails here, in one sentence, rather than in every worker
    write_licenses(options.out)
    numbers = range(options.start, options.start + options.clips)
    waiting = [n for n in numbers if not data_file(options.out, n).exists()]
    bar = tqdm(total=len(numbers), initial=len(numbers) - len(waiting), unit="clip", smoothing=0.1)
    failed = 0
    context = multiprocessing.get_context("spawn")
    with bar, context.Pool(options.workers, _start_worker, (options,)) as pool:
        for number, problem in pool.imap_unordered(_make_clip, waiting):
            if problem:
                failed += 1
                log.error("clip %06d skipped: %s", number, problem)
            bar.update()
    return failed


def data_file(folder: Path, number: int) -> Path:
    """The file written last; where it exists, the clip is complete."""
    return folder / f"{number:06d}.npz"


@dataclass
class _Worker:
    options: FactoryOptions
    library: Library
    renderer: Renderer


_worker: _Worker | None = None  # one per process: the GL context cannot travel


def _start_worker(options: FactoryOptions) -> None:
    global _worker
    # one core each: threads of GL or BLAS would only fight with the other workers
    os.environ.update(LP_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    cv2.setNumThreads(1)
    _worker = _Worker(options, Library(Assets(options.assets)), Renderer(options.size_px))


def _make_clip(number: int) -> tuple[int, str]:
    """Make one clip; the problem as a sentence, or an empty string."""
    if _worker is None:
        raise RuntimeError("the worker process was not started through _start_worker")
    options = _worker.options
    try:
        held_out = is_held_out(number)
        performance = perform(number, options.seconds, held_out=held_out, assets=options.assets)
        clip = render_clip(_worker.library, _worker.renderer, performance, number)
        write_clip(options.out, number, performance, clip)
    except (FlashTalkError, ValueError, RuntimeError, OSError) as problem:
        return number, f"{type(problem).__name__}: {problem}"
    return number, ""


def write_clip(folder: Path, number: int, performance: Performance, clip: Clip) -> None:
    """Write the four files, the data file last; half-written files never carry the final name."""
    stem = f"{number:06d}"
    steps = {
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
        video = container.add_stream("libx264", rate=FRAME_RATE)
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
