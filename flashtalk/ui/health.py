"""Two addresses for whoever runs the page: ``/healthz`` and ``/metrics``.

The server answers once the engine is warm, so an answer says that it is ready. While talks end
before the server does, ``/healthz`` says so with status 503.
"""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from flashtalk.ui.door import Page


def routes(page: Page) -> list[BaseRoute]:
    """For ``launch(app_kwargs={"routes": ...})``."""

    async def healthz(request: Request) -> Response:
        if page.talk.closing:
            return PlainTextResponse("closing\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def metrics(request: Request) -> Response:
        return Response(page.talk.watch.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    return [Route("/healthz", healthz), Route("/metrics", metrics)]
