"""Answers of the page's own routes: what is refused is JSON with a sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

import gradio as gr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from flashtalk.errors import FlashTalkError

Handler = Callable[[Request], Awaitable[Response]]
Job = TypeVar("Job")


def sentences_of(handler: Handler) -> Handler:
    """Answers what ``handler`` refuses with its sentence."""

    @wraps(handler)
    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except FlashTalkError as error:
            return refused(str(error), 400)
        except gr.Error as error:
            return refused(error.message, 400)
        except HTTPException as error:  # of a form that cannot be read
            return refused(error.detail, error.status_code)

    return answered


def of_job(
    find: Callable[[str], Job | None],
    none: str,
    handler: Callable[[Request, Job], Awaitable[Response]],
) -> Handler:
    """``handler`` of the job whose id is in the address; without one, the sentence ``none``."""

    async def found(request: Request) -> Response:
        job = find(request.path_params["name"])
        return refused(none, 404) if job is None else await handler(request, job)

    return found


def refused(sentence: str, status: int) -> Response:
    """``{"error": sentence}`` with ``status``."""
    return JSONResponse({"error": sentence}, status)
