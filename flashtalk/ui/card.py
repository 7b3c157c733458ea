"""How the page looks where its address is posted: title, sentence and picture of its own.

Whoever makes such a preview runs no scripts. Gradio's template says there that this is Gradio. So
the page is changed on its way out.
"""

from __future__ import annotations

import html
import re

from starlette.datastructures import URL, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flashtalk.ui.texts import UI_FILES, texts

PICTURE = UI_FILES / "card.jpg"
ICON = UI_FILES / "icon.png"

_OTHERS = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>')


class Card:
    """Middleware: replaces the description in the page's head."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].rstrip("/"):
            await self._app(scope, receive, send)
            return
        start: Message = {}
        page = b""

        async def change(message: Message) -> None:
            nonlocal start, page
            if message["type"] == "http.response.start":
                start = message
                return
            page += message.get("body", b"")
            if message.get("more_body"):
                return
            headers = MutableHeaders(scope=start)
            if headers.get("content-type", "").startswith("text/html"):
                page = _OTHERS.sub(b"", page).replace(b"<head>", b"<head>" + _head(scope), 1)
                headers["content-length"] = str(len(page))
            await send(start)
            await send({"type": "http.response.body", "body": page})

        await self._app(scope, receive, change)


def _head(scope: Scope) -> bytes:
    address = URL(scope=scope)
    secure = any(
        name == b"x-forwarded-proto" and b"https" in value for name, value in scope["headers"]
    )
    address = address.replace(scheme="https" if secure else address.scheme, query="", fragment="")
    words = texts()["page"]
    values = {
        "og:type": "website",
        "og:title": "FlashTalk",
        "og:description": words["promise"],
        "og:url": str(address),
        "og:image": f"{str(address).rstrip('/')}/gradio_api/file={PICTURE}",
    }
    tags = [
        f'<meta property="{name}" content="{html.escape(value)}">' for name, value in values.items()
    ]
    card = '<meta name="twitter:card" content="summary_large_image">'
    description = f'<meta name="description" content="{html.escape(words["promise"])}">'
    return "".join([*tags, card, description]).encode()
