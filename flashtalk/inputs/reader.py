"""Reads pictures in a process of its own, with so many seconds of processor time for each.

``python -m flashtalk.inputs.reader`` is started by :mod:`flashtalk.inputs.bounded`. Each line that
it gets names a picture, and the model's numbers. An answer is a line. Behind it come the pixels of
portrait and preview if there is one. A portrait that the networks see at another size comes at that
size, too. Lines are JSON, since neither side trusts the other.

A decoder cannot be interrupted, and what a file costs is not known before. So the system ends the
whole process when the time is over. Whoever waits for an answer sees the end of the pipe.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from flashtalk.inputs.area import Area
from flashtalk.inputs.faces import find_faces
from flashtalk.inputs.portrait import NoFaceError, load_portrait
from flashtalk.inputs.still import Bounds

_NICENESS = 10  # whoever talks comes first


def main() -> None:
    """Answers until the pipe ends."""
    given, answers = sys.stdin.buffer, sys.stdout.buffer
    if hasattr(os, "setpriority"):  # a thread that starts this may be as nice already, or nicer
        os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    find_faces(np.zeros((64, 64, 3), np.uint8))  # reads the detector's weights
    for line in given:
        request = json.loads(line)
        _allow(request.pop("cpu_s"))
        try:
            _answer(answers, request.pop("model"), request)
        finally:
            _allow(0.0)


def _answer(answers: BinaryIO, model: dict[str, Any], request: dict[str, Any]) -> None:
    pixels = b""
    try:
        portrait = load_portrait(
            Path(request["picture"]),
            ChunkGeometry(**model["geometry"] | {"patch": tuple(model["geometry"]["patch"])}),
            crop=model["crop"],
            sizes=[tuple(size) for size in model["sizes"]],
            picture_size=model["picture_size"] and tuple(model["picture_size"]),
            whole=Bounds(*model["whole_px"]) if request["framing"] == "picture" else None,
            least_face=model["least_face"],
            face=request["face"],
            without_face=request["without_face"],
            area=Area.parse(request["area"]),
        )
    except FlashTalkError as error:
        answer = {"refusal": str(error), "no_face": isinstance(error, NoFaceError)}
    else:
        answer = {"size": portrait.image.size, "notices": portrait.notices}
        pixels = portrait.image.tobytes()
        finding = portrait.finding
        assert finding is not None  # a portrait that was cut from a picture
        answer |= {"finding": finding.facts, "preview_size": finding.preview.size}
        pixels += finding.preview.tobytes()
        framed = portrait.framed
        answer["framed_size"] = None if framed is None else framed.size
        answer |= {"tilt_deg": portrait.tilt_deg, "framing": portrait.framing}
        answer["square"] = None if portrait.square is None else asdict(portrait.square)
        pixels += b"" if framed is None else framed.tobytes()
        moving = portrait.moving
        answer["moving_size"] = None if moving is None else moving.size
        pixels += b"" if moving is None else moving.tobytes()
    answers.write(json.dumps(answer).encode() + b"\n" + pixels)
    answers.flush()


def _allow(cpu_s: float) -> None:
    """Ends this process after so many further seconds of its processor time; 0: never."""
    if hasattr(signal, "setitimer"):  # Windows has no such clock
        signal.setitimer(signal.ITIMER_PROF, cpu_s)


if __name__ == "__main__":
    main()
