"""Routes of live speech, for the page and for programs; docs/live-speech.md has the table.

A sender that is unsure whether sound has arrived repeats it; samples that are there are not added
again. A reader asks for message N once it has those before it. So a connection that was cut goes on
where it was. What is refused is JSON with a sentence: ``{"error": "..."}``.
"""

from __future__ import annotations

import json
import re
from functools import partial

import numpy as np
from anyio.to_thread import run_sync
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from flashtalk.config.given import known_names
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.ui.live.talk import LiveTalk
from flashtalk.ui.live.talks import LiveTalks
from flashtalk.ui.replies import of_job, refused, sentences_of
from flashtalk.ui.settings import Settings

LARGEST_PICTURE_BYTES = 30_000_000
LARGEST_PIECE_BYTES = 2 * SPEECH_RATE_HZ  # a second
POLL_S = 10.0
"""Longest wait of a request for messages."""

_FIELDS = (
    *("portrait", "seed", "random_seed", "steps", "prompt", "face", "without_face"),
    *("framing", "area"),
)

_NUMBER = re.compile(r"[0-9]{1,12}")  # of a sample: two years of them

NO_TALK = "There is no such talk: it ended long ago, or its id is wrong. Open a new one."
NO_PICTURE = "There is no portrait in the request. Send it as the file 'portrait' of a form."
TOO_LARGE = "The request is larger than {:,} bytes, or does not say how large it is."
NOT_SOUND = (
    "A piece of sound is 1 to {:,} whole 16-bit samples (mono, 16 kHz, little-endian), and 'start' "
    "is the number of its first sample from the beginning of the talk. Got {} bytes at start={!r}."
)
GAP = "The sound from sample {} on was not taken: {} samples are here. Go on from there."
NOT_SECONDS = "'wait' is how many seconds a request waits for a message, up to {:g}; got {!r}."
TWICE = "The request has {} twice."
NO_FILM = "There is no film yet: the talk goes on, or it has no picture."


def live_routes(talks: LiveTalks) -> list[Route]:
    """The routes around ``talks``, for an application at any path."""

    async def begin(request: Request) -> Response:
        if not _fits(request, LARGEST_PICTURE_BYTES):
            return refused(TOO_LARGE.format(LARGEST_PICTURE_BYTES), 413)
        async with request.form(max_files=1, max_fields=20) as form:
            picture = form.get("portrait")
            if not isinstance(picture, UploadFile):
                raise FlashTalkError(NO_PICTURE)
            settings = settings_of(form, talks.engines.preset.sampler.steps)
            content, name = await picture.read(), picture.filename or ""
        talk = await run_sync(talks.open, settings, content, name)
        return JSONResponse(
            {
                "id": talk.name,
                "seed": talk.settings.seed,
                "film": talk.film.name,
                "limit_s": talks.limits.live_s,
                "rate_hz": SPEECH_RATE_HZ,
            }
        )

    of_talk = partial(of_job, talks.find, NO_TALK)
    return [
        Route("/live", sentences_of(begin), methods=["POST"]),
        Route("/live/{name}/sound", of_talk(_sound), methods=["POST"]),
        Route("/live/{name}/messages/{number:int}", of_talk(_messages), methods=["GET"]),
        Route("/live/{name}/end", of_talk(_end), methods=["POST"]),
        Route("/live/{name}/film", of_talk(_film), methods=["GET"]),
    ]


def settings_of(form: FormData, usual_steps: int) -> Settings:
    """The settings of a form, whose values are text; those left out have defaults.

    Raises:
        FlashTalkError: for a value that cannot be used.
    """
    known_names(form, _FIELDS, "A live talk")
    for name in form:
        if len(form.getlist(name)) > 1:
            raise FlashTalkError(TWICE.format(name))
    values = {name: value for name, value in form.items() if isinstance(value, str) and value}
    return Settings.of(
        _number(values.get("seed", "0")),
        _truth(values.get("random_seed", "false")),
        _number(values.get("steps", str(usual_steps))),
        values.get("prompt", ""),
        _number(values["face"]) if "face" in values else None,
        _truth(values.get("without_face", "false")),
        values.get("framing", "face"),
        values.get("area", ""),
    )


async def _sound(request: Request, talk: LiveTalk) -> Response:
    if not _fits(request, LARGEST_PIECE_BYTES):
        return refused(TOO_LARGE.format(LARGEST_PIECE_BYTES), 413)
    body, start = await request.body(), request.query_params.get("start", "")
    whole = _NUMBER.fullmatch(start) and body and not len(body) % 2
    if not whole or len(body) > LARGEST_PIECE_BYTES:
        return refused(NOT_SOUND.format(LARGEST_PIECE_BYTES // 2, len(body), start), 400)
    samples = np.frombuffer(body, "<i2").astype(np.float32) / 32_768
    heard = talk.hear(int(start), samples)
    reply: dict[str, object] = {"heard": heard, "ended": talk.speech.ended}
    if heard < int(start):
        return JSONResponse(reply | {"error": GAP.format(start, heard)}, 409)
    return JSONResponse(reply)


async def _messages(request: Request, talk: LiveTalk) -> Response:
    wait = request.query_params.get("wait", str(POLL_S))
    if not re.fullmatch(r"\d{1,4}(\.\d{1,9})?", wait):
        return refused(NOT_SECONDS.format(POLL_S, wait), 400)
    found = await talk.messages_from(request.path_params["number"], min(float(wait), POLL_S))
    return Response(f"[{','.join(found)}]", media_type="application/json")


async def _end(request: Request, talk: LiveTalk) -> Response:
    talk.end()
    return JSONResponse({"heard": talk.speech.sample_count})


async def _film(request: Request, talk: LiveTalk) -> Response:
    if not talk.film.exists():
        return refused(NO_FILM, 404)
    return FileResponse(talk.film, filename=talk.film.name, media_type="video/mp4")


def _fits(request: Request, most_bytes: int) -> bool:
    length = request.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= most_bytes


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _truth(text: str) -> object:
    return json.loads(text) if text in ("true", "false") else text
