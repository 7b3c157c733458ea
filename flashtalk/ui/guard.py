"""What stands in front of every route: what a stranger may ask for, how much, and how often.

Gradio serves far more than this page uses: a proxy, functions of components, folders of other
components. Only what the page and its API need passes. Each refusal is JSON with a sentence. No
answer holds a traceback. Headers tell browsers to load nothing from elsewhere.

Visitors are told apart by their address; of IPv6, one has 64 bits to choose from, which do not
count. Behind a proxy it is that of ``X-Forwarded-For``, if the variable FORWARDED_ALLOW_IPS says
that the proxy is to be believed. Who is on this machine is not limited.
"""

from __future__ import annotations

import errno
import json
import logging
import re
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import gradio as gr
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flashtalk.errors import NO_FILES, NO_SPACE
from flashtalk.ui.bodies import TooMuch, TooSlow, Unread, bounded
from flashtalk.ui.connections import TOO_MANY

logger = logging.getLogger(__name__)

MEGABYTE = 1_000_000
_MOST_CALL_BYTES = 2 * MEGABYTE
_MOST_VISITORS = 10_000  # whose use is remembered

_PAGE = (
    r"|config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|pwa_icon(/(192|512))?|login_check"
)
_FILES = r"assets/[\w./@-]+|static/[\w./@-]+|svelte/[\w./@-]+"
_API = (
    r"app_id|app_id/|user|user/|login_check|info|info/|openapi\.json|startup-events|upload|"
    r"upload_progress|component_server/?|queue/(join|data|status)|cancel|reset|heartbeat/\w+|theme\.css|"
    r"call/\w+(/\w+)?|call/v2/\w+(/\w+)?|file=.+"
)
_OURS = r"healthz|metrics|live(/[\w-]+(/[\w-]+)*)?|compare(/[\w-]+(/[^/]+)?)?"
_OPEN = re.compile(rf"/({_PAGE}|{_FILES}|gradio_api/({_API})|{_OURS})")
_TALK = re.compile(r"/gradio_api/(queue/join|component_server|call/(v2/)?\w+)|/live|/compare")
_UPLOADS = ("/gradio_api/upload", "/live")
_FILE = "/gradio_api/file="

SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address is not asked in this way.",
    408: "The request came too slowly, and not to its end. Please send it again.",
    413: "The request is too large: {limit} MB are taken at the most.",
    416: "The file does not have the part that was asked for.",
    422: "The request is not what this address takes: see API at the foot of the page.",
    429: "That was too much in a short time. Please wait {wait_s} seconds and try again.",
}
_REFUSED = "The request cannot be used: see API at the foot of the page."
_NO_ROOM = "Our disk is full. Please try again later."
_AT_ONCE = (
    "{most} requests of yours are open at once, the most that there may be. Please close some tabs "
    "of this page, and try again."
)
_BROKEN = "Something went wrong on our side. Please try again."

# Gradio's page holds its settings in a script, and makes functions of texts.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self' https://huggingface.co https://*.hf.space"
)
# A file that somebody uploaded is shown, and never run.
_FILE_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Rates:
    """How much one visitor may ask for, in a minute if not said otherwise."""

    requests: int = 1_800
    """All requests; live speech sends ten pieces of sound a second."""
    talks: int = 60
    """Requests that begin something, which may wait in line."""
    upload_mb: int = 400
    """Megabytes of uploads, and of portraits for live speech."""
    at_once: int = 200
    """Requests that are open, whenever they came; a page that is looked at has one or two."""

    def __post_init__(self) -> None:
        for name in ("requests", "talks", "upload_mb", "at_once"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")


@dataclass
class _Use:
    """What is left to one visitor, of each kind; refilled within a minute."""

    left: dict[str, float] = field(default_factory=dict)
    looked_s: float = field(default_factory=time.monotonic)
    open: int = 0
    """Requests that are being answered."""

    def take(self, costs: dict[str, float], most: dict[str, float]) -> float:
        """Takes ``costs`` if all are left; returns 0, or the seconds until they are."""
        now_s = time.monotonic()
        passed_s, self.looked_s = now_s - self.looked_s, now_s
        for kind, limit in most.items():
            self.left[kind] = min(limit, self.left.get(kind, limit) + limit / 60 * passed_s)
        # What is more than a minute's is let through by a full store, and empties it.
        missing = {kind: min(cost, most[kind]) - self.left[kind] for kind, cost in costs.items()}
        if max(missing.values()) > 0:
            return max(60 * lack / most[kind] for kind, lack in missing.items())
        for kind, cost in costs.items():
            self.left[kind] -= cost
        return 0.0


class Guard:
    """ASGI middleware; ``app_kwargs={"middleware": [Middleware(Guard, ...)]}`` of ``launch``.

    Args:
        app: what it guards.
        upload_mb: most megabytes of one upload.
        rates: what one visitor may ask for.
    """

    def __init__(self, app: ASGIApp, upload_mb: int, rates: Rates) -> None:
        self._app = app
        self._upload_mb = upload_mb
        self._most: dict[str, float] = {
            "requests": rates.requests,
            "talks": rates.talks,
            "upload_mb": rates.upload_mb,
        }
        self._most_open = rates.at_once
        self._uses: dict[str, _Use] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the page uses no WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        answer = _Answer(send, path, self._most_mb(path))
        use = self._use(scope)
        refused = self._refusal(scope, path, use)
        if refused is None:
            use.open += 1
            try:
                await self._app(scope, self._limited(scope, receive, use, answer), answer.send)
                refused = answer.instead
            except Exception as error:
                refused = answer.instead
                if answer.started:  # as Gradio's streams of sessions that nobody has
                    logger.info("an answer ended early: %s", error)
                    await answer.end_early()
                    return
                refused = refused or _failed(error)
            finally:
                use.open -= 1
        if refused is not None and not answer.started:
            await refused(scope, receive, answer.send_own)

    # --- what is refused ------------------------------------------------------------------------
    def _refusal(self, scope: Scope, path: str, use: _Use) -> Response | None:
        if not _OPEN.fullmatch(path) or ".." in path.split("/"):
            return _refuse(404, SENTENCES[404])
        size = Headers(scope=scope).get("content-length", "0")
        mb = int(size) / MEGABYTE if size.isdecimal() else 0.0
        if mb > self._most_mb(path):
            return self._too_large(path)
        costs = {"requests": 1.0}
        if path in _UPLOADS:
            costs["upload_mb"] = mb
        if scope["method"] == "POST" and _TALK.fullmatch(path):
            costs["talks"] = 1.0
        if use.open >= self._most_open:
            return _refuse(429, _AT_ONCE.format(most=self._most_open))
        wait_s = use.take(costs, self._most)
        return _too_soon(wait_s) if wait_s else None

    def _limited(self, scope: Scope, receive: Receive, use: _Use, answer: _Answer) -> Receive:
        """``receive`` of so much as is taken; what a request said of its size is paid."""
        path = answer.path
        paid = path not in _UPLOADS or "content-length" in Headers(scope=scope)

        def pay(size: int) -> float:
            return 0.0 if paid else use.take({"upload_mb": size / MEGABYTE}, self._most)

        limited = bounded(receive, self._most_mb(path) * MEGABYTE, pay)

        async def told() -> Message:
            try:
                return await limited()
            except Unread as error:
                answer.instead = self._unread(error, path)
                raise

        return told

    def _unread(self, error: Unread, path: str) -> Response:
        if isinstance(error, TooMuch):
            return _too_soon(error.args[0])
        if isinstance(error, TooSlow):
            return _refuse(408, SENTENCES[408])
        return self._too_large(path)

    def _most_mb(self, path: str) -> float:
        if path in _UPLOADS:
            return self._upload_mb
        return _MOST_CALL_BYTES / MEGABYTE

    def _too_large(self, path: str) -> Response:
        return _refuse(413, SENTENCES[413].format(limit=f"{self._most_mb(path):g}"))

    def _use(self, scope: Scope) -> _Use:
        """What its visitor has used; of somebody on this machine, nothing."""
        visitor = _visitor(scope)
        if visitor is None:
            return _Use()
        if len(self._uses) > _MOST_VISITORS:
            now_s = time.monotonic()
            self._uses = {
                host: use
                for host, use in self._uses.items()
                if use.open or now_s - use.looked_s < 60
            }
        return self._uses.setdefault(visitor, _Use())


class _Answer:
    """Passes an answer on with the page's headers; a refusal of Gradio's becomes a sentence."""

    def __init__(self, send: Send, path: str, most_mb: float) -> None:
        self._send = send
        self.path = path
        self.instead: Response | None = None
        """What is answered once the body is not read to its end, whatever the others say of it."""
        self._most_mb = most_mb
        self._file = path.startswith(_FILE)
        self._own = path.startswith(("/live", "/compare", "/healthz", "/metrics"))
        self._refusal: Message | None = None
        self._body = b""
        self._ended = False
        self.started = False

    async def send(self, message: Message) -> None:
        if self.instead is not None and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started = True
            if message["status"] >= 400:
                self._refusal = message
                return
            self._add_headers(message)
        elif self._refusal is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._send_refusal(self._refusal)
            return
        else:
            self._ended = not message.get("more_body")
        await self._send(message)

    async def end_early(self) -> None:
        """Ends an answer that has begun, with a sentence for those who read events."""
        if not self._ended:
            said = {"msg": "unexpected_error", "message": _REFUSED, "success": False}
            body = f"event: error\ndata: {json.dumps(said)}\n\n".encode()
            await self._send({"type": "http.response.body", "body": body})

    async def send_own(self, message: Message) -> None:
        """Sends an answer of the guard's own."""
        if message["type"] == "http.response.start":
            self._add_headers(message)
        await self._send(message)

    async def _send_refusal(self, start: Message) -> None:
        """What the page's own routes say stays as it is; all else becomes a sentence."""
        bare = _sentence_in(self._body) is None and start["status"] < 500  # /healthz says why
        if bare or not self._own:
            await self._send_sentence(start["status"])
            return
        self._add_headers(start)
        await self._send(start)
        await self._send({"type": "http.response.body", "body": self._body})

    async def _send_sentence(self, status: int) -> None:
        known = SENTENCES.get(status, _BROKEN if status >= 500 else _REFUSED)
        known = known.format(limit=f"{self._most_mb:g}", wait_s=60)
        body = _body(_sentence_in(self._body) or known)
        headers = [(b"content-type", b"application/json")]
        headers.append((b"content-length", str(len(body)).encode()))
        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        self._add_headers(start)
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    def _add_headers(self, message: MutableMapping[str, Any]) -> None:
        headers = MutableHeaders(scope=message)
        headers.update(_HEADERS)
        headers["Content-Security-Policy"] = _FILE_POLICY if self._file else _POLICY


def _sentence_in(body: bytes) -> str | None:
    """The page's own sentence in a refusal, if there is one."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    sentence = found.get("error") if isinstance(found, dict) else None
    return sentence if isinstance(sentence, str) and sentence.endswith(".") else None


def _refuse(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return Response(_body(sentence), status, headers, "application/json")


def _too_soon(wait_s: float) -> Response:
    seconds = max(1, round(wait_s + 0.5))
    return _refuse(429, SENTENCES[429].format(wait_s=seconds), {"Retry-After": str(seconds)})


def _failed(error: Exception) -> Response:
    """The sentence of an error of ours; the log has what nobody foresaw."""
    if isinstance(error, gr.Error):
        return _refuse(400, str(error.message))
    if isinstance(error, AttributeError | KeyError | TypeError | ValueError):  # of what was sent
        logger.info("a request was refused: %s", error, exc_info=error)
        return _refuse(400, _REFUSED)
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        logger.error("a request failed: %s", error.strerror)
        return _refuse(507, _NO_ROOM)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # of what was asked for
        return _refuse(404, SENTENCES[404])
    if isinstance(error, OSError) and error.errno in NO_FILES:
        logger.error("a request failed: %s", error.strerror)
        return _refuse(503, TOO_MANY)
    logger.error("a request failed", exc_info=error)
    return _refuse(500, _BROKEN)


def _body(sentence: str) -> bytes:
    # Gradio's clients read "detail", programs "error".
    return json.dumps({"error": sentence, "detail": sentence}).encode()


def _visitor(scope: Scope) -> str | None:
    """Who asks, by their address; ``None`` is somebody on this machine.

    What a proxy passes on may be forged, so nobody is on this machine by that alone.
    """
    client = Request(scope).client
    if client is None:
        return None
    passed_on = "x-forwarded-for" in Headers(scope=scope)
    try:
        address = ip_address(client.host)
    except ValueError:  # a socket of this machine has no address
        return client.host if passed_on else None
    if address.version == 6:
        if address.ipv4_mapped is None:
            own = address.is_loopback and not passed_on
            return None if own else f"{int(address) >> 64:x}"
        address = address.ipv4_mapped
    return None if address.is_loopback and not passed_on else str(address)
