"""``flashtalk status``: who talks and who waits on a page that runs, read from its ``/metrics``."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterable
from http.client import HTTPException

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from flashtalk.cli.serve_options import StatusOptions
from flashtalk.errors import FlashTalkError

_PATIENCE_S = 10.0
NO_PAGE = (
    "There is no page of FlashTalk at {url} ({reason}). Give the address at which it is served, "
    "such as http://127.0.0.1:7860."
)


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
        with urllib.request.urlopen(f"{url.rstrip('/')}/metrics", timeout=_PATIENCE_S) as answer:
            text = answer.read().decode()
        families = list(text_string_to_metric_families(text))
    except (OSError, HTTPException, ValueError) as error:
        raise FlashTalkError(NO_PAGE.format(url=url, reason=error)) from error
    samples = [sample for family in families for sample in family.samples]
    if not any(sample.name == "flashtalk_talking" for sample in samples):
        raise FlashTalkError(NO_PAGE.format(url=url, reason="its /metrics are another program's"))
    return samples


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
