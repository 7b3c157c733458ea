"""Routes of comparisons, for the page and for programs; docs/evaluation.md has the table."""

from __future__ import annotations

import json
from functools import partial

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from flashtalk.errors import FlashTalkError
from flashtalk.ui.compare.asked import SHAPE
from flashtalk.ui.compare.comparison import Comparison
from flashtalk.ui.compare.comparisons import Comparisons
from flashtalk.ui.replies import of_job, refused, sentences_of

NONE = "There is no such comparison: it is long ago, or its id is wrong. Start it again."
NO_FILE = "There is no such file in this comparison, or not yet."
SHOWN = {".html": "inline", ".mp4": "inline"}


def compare_routes(comparisons: Comparisons) -> list[Route]:
    """The routes around ``comparisons``, for an application at any path."""

    async def begin(request: Request) -> Response:
        try:
            content = json.loads(await request.body())
        except (ValueError, RecursionError) as error:  # the latter: brackets in brackets
            raise FlashTalkError(SHAPE) from error
        comparison = await run_sync(comparisons.open, content)
        return JSONResponse({"id": comparison.name})

    of_one = partial(of_job, comparisons.find, NONE)
    return [
        Route("/compare", sentences_of(begin), methods=["POST"]),
        Route("/compare/{name}", of_one(_told), methods=["GET"]),
        Route("/compare/{name}/stop", of_one(_stop), methods=["POST"]),
        Route("/compare/{name}/go-on", of_one(_go_on), methods=["POST"]),
        Route("/compare/{name}/{file}", of_one(_file), methods=["GET"]),
    ]


async def _told(request: Request, comparison: Comparison) -> Response:
    first = request.query_params.get("from", "0")
    if not first.isdecimal():
        return refused(f"'from' is the number of talks that you have, got {first!r}.", 400)
    address = str(request.url.path).rstrip("/")
    return JSONResponse(await run_sync(comparison.told, int(first), address))


async def _stop(request: Request, comparison: Comparison) -> Response:
    comparison.stop()
    return JSONResponse({"state": comparison.state})


async def _go_on(request: Request, comparison: Comparison) -> Response:
    if comparison.over:
        comparison.start()
    return JSONResponse({"state": comparison.state})


async def _file(request: Request, comparison: Comparison) -> Response:
    file = await run_sync(comparison.file, request.path_params["file"])
    if file is None:
        return refused(NO_FILE, 404)
    shown = SHOWN.get(file.suffix, "attachment")
    return FileResponse(file, filename=file.name, content_disposition_type=shown)
