"""Behind a proxy, under a path of its own: the page is whole and talks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from playwright.sync_api import Browser
from served_app import START_S, served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

PREFIX = "/studio"


@contextmanager
def proxied(target: str) -> Iterator[str]:
    """``target`` at PREFIX of another address; everything else there is missing."""
    client = httpx.AsyncClient(timeout=300)

    async def forward(request: Request) -> Response:
        if not request.url.path.startswith(PREFIX):
            return Response(status_code=404)
        given = {k: v for k, v in request.headers.items() if k not in ("host", "content-length")}
        there = client.build_request(
            request.method,
            target + request.url.path.removeprefix(PREFIX),
            params=request.query_params,
            headers=given | {"x-forwarded-host": request.headers["host"]},
            content=await request.body(),
        )
        reply = await client.send(there, stream=True)
        kept = {k: v for k, v in reply.headers.items() if k != "transfer-encoding"}
        return StreamingResponse(reply.aiter_raw(), status_code=reply.status_code, headers=kept)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        routes = [Route("/{path:path}", forward, methods=["GET", "HEAD", "POST"])]
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}{PREFIX}/"
        finally:
            server.should_exit = True
            thread.join()


def test_the_page_talks_under_a_path_of_its_own(browser: Browser, tmp_path: Path) -> None:
    missing: list[str] = []
    with (
        served(tmp_path, GRADIO_ROOT_PATH=PREFIX) as (target, _),
        proxied(target) as address,
        browser.new_context(permissions=["microphone"]) as context,
    ):
        page = context.new_page()
        page.on("response", lambda reply: reply.ok or missing.append(reply.url))
        page.goto(address)
        page.locator(".ft-poster").wait_for(timeout=1000 * START_S)
        for way in ("#talk", "#speak-live"):
            page.locator(way).click()
            shown = "document.querySelector('.ft-video').currentTime > 0.1"
            page.wait_for_function(shown, timeout=1000 * START_S)
            page.locator("#stop").click()
            page.locator(".ft-film:not([inert]) #download").wait_for(timeout=1000 * START_S)
        for name in ("healthz", "metrics"):
            assert httpx.get(f"{address}{name}").status_code == 200
    assert not missing
