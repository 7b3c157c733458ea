"""Portraits for a page of strangers: each picture has two seconds of processor time, or is refused.

:mod:`flashtalk.inputs.reader` reads them, in processes that are kept and end with this one. A
picture that takes longer, or breaks a decoder, ends its reader; the next picture gets a new one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

from PIL import Image

import flashtalk
from flashtalk.config import FramingWay, Preset
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.finding import Finding
from flashtalk.inputs.framing import Crop
from flashtalk.inputs.kept_portraits import KeptPortraits
from flashtalk.inputs.portrait import NoFaceError, Portrait
from flashtalk.inputs.wanted import AS_USUAL, Wanted

MOST_CPU_S = 2.0
"""Processor time for one picture: 48 megapixels of PNG take two thirds of it, as JPEG a seventh."""
_LAST_S = 1.0  # a process whose pipes are closed ends by itself, if it is not decoding
TOO_HARD = (
    "The picture takes too long to read: more than {seconds:g} seconds. Make it smaller, or save "
    "it as a JPEG, and add it again."
)
BROKEN = (
    "The picture cannot be read: what decodes it broke off. Save it again as a JPEG, or use "
    "another picture."
)


class PictureReader:
    """Reads pictures; safe for several threads, each of which has a process.

    Args:
        preset: the model whose portraits are wanted, if nothing else is said.
        cpu_s: processor time for one picture; not held on Windows.
    """

    def __init__(self, preset: Preset, cpu_s: float = MOST_CPU_S) -> None:
        self._preset = preset
        self._cpu_s = cpu_s
        self._kept = KeptPortraits()
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()

    def get_ready(self) -> None:
        """Starts a process for the first picture."""
        self._idle.put(self._started())

    def read(
        self,
        picture: Path,
        wanted: Wanted = AS_USUAL,
        *,
        framing: FramingWay = "face",
        preset: Preset | None = None,
    ) -> Portrait:
        """As :func:`flashtalk.inputs.portrait.portrait_for`, for ``preset`` or the usual one.

        The newest portraits are kept: the same one comes back for the same file and wishes.

        Raises:
            FlashTalkError: the picture cannot be used, or takes too long.
        """
        preset = preset or self._preset
        preset.require_framing(framing)
        request: dict[str, Any] = {
            "picture": str(picture),
            "face": wanted.face,
            "framing": framing,
            "area": "" if wanted.area is None else str(wanted.area),
            "model": _model(preset),
        }
        key = (picture, json.dumps(request), _version(picture))
        kept = self._kept.find(key)
        if kept is None or not (wanted.without_face or _has_face(kept)):
            kept = self._read(request | {"without_face": wanted.without_face})
            self._kept.keep(key, kept)
        return kept

    def _read(self, request: dict[str, Any]) -> Portrait:
        """What a process answers to ``request``."""
        try:
            process = self._idle.get_nowait()
        except Empty:
            process = self._started()
        try:
            portrait = _answer(process, request | {"cpu_s": self._cpu_s})
        except (OSError, EOFError) as error:
            too_hard = _end(process) == -getattr(signal, "SIGPROF", 0)
            said = TOO_HARD.format(seconds=self._cpu_s) if too_hard else BROKEN
            raise FlashTalkError(said) from error
        except FlashTalkError:
            self._idle.put(process)
            raise
        except BaseException:  # an answer may be on its way, which is nobody else's
            _end(process)
            raise
        self._idle.put(process)
        return portrait

    def _started(self) -> subprocess.Popen[bytes]:
        root = str(Path(flashtalk.__file__).parents[1])
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        return subprocess.Popen(
            [sys.executable, "-m", "flashtalk.inputs.reader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            process_group=0,  # Ctrl-C in a terminal is for this process: it closes the pipes
        )


def _version(picture: Path) -> tuple[int, int] | None:
    """What changes with the content of a file; ``None`` if it cannot be read."""
    try:
        state = picture.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def _has_face(portrait: Portrait) -> bool:
    return portrait.finding is not None and portrait.finding.number is not None


def _model(preset: Preset) -> dict[str, Any]:
    """What a reader must know of ``preset``."""
    return {
        "geometry": asdict(preset.geometry),
        "crop": preset.crop,
        "sizes": preset.sizes,
        "picture_size": preset.picture_size,
        "whole_px": preset.whole_px,
        "least_face": preset.least_face,
    }


def _answer(process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> Portrait:
    """The portrait; raises the refusal, or ``EOFError`` if the process has ended."""
    assert process.stdout is not None
    _send(process, request)
    line = process.stdout.readline()
    if not line:
        raise EOFError
    answer = json.loads(line)
    if "refusal" in answer:
        raise NoFaceError if answer["no_face"] else FlashTalkError(answer["refusal"])
    image = _image(process.stdout, answer["size"])
    finding = Finding.read(answer["finding"], _image(process.stdout, answer["preview_size"]))
    framed, moving = (
        None if size is None else _image(process.stdout, size)
        for size in (answer["framed_size"], answer["moving_size"])
    )
    return Portrait(
        image,
        tuple(answer["notices"]),
        finding,
        framed,
        None if answer["square"] is None else Crop(**answer["square"]),
        answer["tilt_deg"],
        moving,
        answer["framing"],
    )


def _image(pipe: IO[bytes], size: Sequence[int]) -> Image.Image:
    width, height = size
    pixels = pipe.read(3 * width * height)
    if len(pixels) < 3 * width * height:
        raise EOFError
    return Image.frombytes("RGB", (width, height), pixels)


def _send(process: subprocess.Popen[bytes], message: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def _end(process: subprocess.Popen[bytes]) -> int:
    """Ends ``process``, unless it has ended; how it did, as ``Popen.returncode``."""
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with suppress(OSError):  # of what the process did not read
            pipe.close()
    try:
        return process.wait(_LAST_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
