"""``flashtalk status``: who talks and who waits on a page that runs, read from its ``/metrics``."""

from __future__ import annotations

import re
import socket
import ssl
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterable
from http.client import HTTPException, InvalidURL
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from flashtalk.cli.serve_options import StatusOptions
from flashtalk.errors import FlashTalkError

_PATIENCE_S = 10.0
NO_PAGE = (
    "There is no page of FlashTalk at {url} ({reason}). Give the address at which it is served, "
    "such as http://127.0.0.1:7860."
)
ANOTHER = "its answer is another program's"


def status(options: StatusOptions) -> int:
    """Print what the page does at the moment; returns the exit code."""
    sys.stdout.write(table(samples_at(options.url)))
    return 0


def samples_at(url: str) -> list[Sample]:
    """The figures of the page at ``url``.

    Raises:
        FlashTalkError: nobody answers there, or somebody else does.
    """
    try:
        with urllib.request.urlopen(_request(url), timeout=_PATIENCE_S) as answer:
            text = answer.read().decode()
        families = list(text_string_to_metric_families(text))
    except (OSError, HTTPException, ValueError) as error:
        told = NO_PAGE.format(url=without_password(url), reason=_reason(error))
        raise FlashTalkError(told) from error
    samples = [sample for family in families for sample in family.samples]
    if not any(sample.name == "flashtalk_talking" for sample in samples):
        told = NO_PAGE.format(url=without_password(url), reason=ANOTHER)
        raise FlashTalkError(told)
    return samples


def without_password(url: str) -> str:
    """``url`` for a sentence: who looks on does not learn a name and a password in it."""
    return re.sub(r"^(\w+://)?.*@", r"\1", url)


def _request(url: str) -> urllib.request.Request:
    """Asks with the name and the password of ``url``, if it has them, as browsers do."""
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError
    request = urllib.request.Request(f"{without_password(url).rstrip('/')}/metrics")
    parts = urlsplit(url)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {b64encode(pair.encode()).decode()}")
    return request


def _reason(error: Exception) -> str:
    """Why nobody answers, in words of our own."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(error, HTTPError):
        return f"the server there answers with code {error.code}"
    if isinstance(cause, TimeoutError):
        return f"no answer in {_PATIENCE_S:g} seconds"
    if isinstance(cause, socket.gaierror):
        return "no machine of that name is known"
    if isinstance(cause, ssl.SSLError):
        return "its certificate or encryption cannot be accepted"
    if isinstance(cause, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror[0].lower() + cause.strerror[1:]
    if isinstance(cause, UnicodeDecodeError | HTTPException) and not isinstance(cause, InvalidURL):
        return ANOTHER
    return "that is no address of a page"


def table(samples: Iterable[Sample]) -> str:
    """A line for the page, then one for each of its engines."""
    page: dict[str, float] = {}
    engines: dict[str, dict[str, str]] = {}
    for sample in samples:
        name = sample.name.removeprefix("flashtalk_")
        if engine := sample.labels.get("engine"):
            row = engines.setdefault(engine, {})
            row[name] = sample.labels.get("stage") or f"{sample.value:g}"
        elif not sample.labels:
            page[name] = sample.value
    head = "{talking:g} talking, {waiting:g} waiting, {preparing:g} preparing".format(**page)
    rows = [("engine", "", "talks", "× real time")]
    for engine, row in engines.items():
        pace = row.get("engine_real_time", "")
        pace = f"{float(pace):.2f}" if pace else ""
        rows.append((engine, row.get("engine_stage", "gone"), row.get("engine_talking", "0"), pace))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([head, *lines, ""])
