"""Answers of the page's own routes: what is refused is JSON with a sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

import gradio as gr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from flashtalk.errors import FlashTalkError

Handler = Callable[[Request], Awaitable[Response]]


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


def refused(sentence: str, status: int) -> Response:
    """``{"error": sentence}`` with ``status``."""
    return JSONResponse({"error": sentence}, status)
