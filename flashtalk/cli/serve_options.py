"""The options of ``flashtalk serve`` and ``flashtalk status``; as :mod:`flashtalk.cli.options`."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from flashtalk.cli.given_paths import require_folder
from flashtalk.cli.options import MarkingOptions, unset
from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError

MAX_PORT = 65_535
_MOST_DIGITS = 9
# Two slashes would begin the name of another host.
_ROOT_PATH = re.compile(r"(https?://[^\s/?#]+)?(/(?!/)[^\s?#]*)?", re.IGNORECASE)
PORT_VARIABLES = ("GRADIO_SERVER_PORT", "PORT")
_NUMBERS = (
    "GRADIO_NUM_PORTS",
    "GRADIO_NODE_NUM_PORTS",
    "GRADIO_NUM_WORKERS",
    "GRADIO_ANALYTICS_MAX_EVENTS",
    "GRADIO_DEBUG",
)
"""Variables that Gradio reads as numbers, most of them when it is imported."""


def start_problem() -> str | None:
    """What the page's libraries would end on when they are imported, in a sentence.

    Variables of theirs that are set to nothing are taken away, as if they were not set.
    """
    try:
        require_folder()
        Path.home()
    except FlashTalkError as error:
        return str(error)
    except RuntimeError:
        return "There is no home folder. Set the variable HOME to a folder of your own."
    try:
        tempfile.gettempdir()
    except OSError:
        return (
            "There is no folder for temporary files that can be written to. Set the variable "
            "TMPDIR to a folder of your own, or free some space."
        )
    for name in (*PORT_VARIABLES, *_NUMBERS):
        if os.environ.get(name) == "":
            del os.environ[name]
    for name in PORT_VARIABLES:
        if (value := os.environ.get(name)) and (problem := _port_problem(name, value)):
            return problem
    for name in _NUMBERS:
        if (value := os.environ.get(name)) and not _is_number(value):
            return f"{name} must be a number, got {value!r}. Or do not set it."
    return None


def _port_problem(name: str, value: str) -> str | None:
    if _is_number(value) and 0 < int(value) <= MAX_PORT:
        return None
    return f"{name} must be a port between 1 and {MAX_PORT}, got {value!r}."


def _is_number(value: str) -> bool:
    """Whether it has so many digits as Python reads, and nothing else."""
    return value.isdecimal() and len(value) <= _MOST_DIGITS


@dataclass(frozen=True, kw_only=True)
class StatusOptions:
    """Say who talks and who waits on a page that is served, and what its workers do."""

    url: Annotated[str, Positional, arg(metavar="[URL]")] = "http://127.0.0.1:7860"
    """Where the page is served."""

    def check(self) -> None:
        """Nothing but the address itself can be wrong."""


@dataclass(frozen=True, kw_only=True)
class ServeOptions(MarkingOptions):
    """Serve the page until it is ended.

    Where no options can be given, variables are read: FLASHTALK_PRESET (--preset),
    FLASHTALK_MODE (--mode), FLASHTALK_ACCELERATION (--acceleration),
    GRADIO_SERVER_NAME (--host), GRADIO_SERVER_PORT or PORT (--port), GRADIO_ROOT_PATH (the path
    below which a proxy serves the page, such as /talk), GRADIO_TEMP_DIR (the folder of uploads and
    finished videos), HF_HOME (the folder of what is fetched from the Hub), HOME.
    Marks: FLASHTALK_VISIBLE_MARK (on or off), FLASHTALK_CERTIFICATE, FLASHTALK_PRIVATE_KEY (files,
    or the PEM text itself).
    """

    preset: Annotated[str, arg(metavar="NAME")] = field(
        default_factory=lambda: os.environ.get("FLASHTALK_PRESET") or TINY.name
    )
    """flashtalk-tiny, flashtalk-14b, a folder of weights, or a Hub id (owner/name)."""
    host: Annotated[str | None, unset("127.0.0.1, this machine alone", "ADDRESS")] = None
    """Address to serve on; 0.0.0.0: all of this machine's."""
    port: Annotated[int | None, unset("the first free one from 7860", "N")] = None
    """Port to serve on."""
    live: Literal["auto", "on", "off"] = "auto"
    """Whether people may speak live; auto: if this machine is quick enough for it."""
    size: Annotated[str, arg(metavar="HEIGHTxWIDTH")] = "auto"
    """In pixels, such as 512x512; auto: what the preset prefers, smaller where that is too slow."""
    share: Annotated[bool, arg(help_behavior_hint="")] = False
    """A public address through Gradio."""
    ulysses: Annotated[int | None, unset("as many as share the heads", "N")] = None
    """Of several processes (torchrun), how many exchange heads; the others pass tokens around."""
    shared_autoencoder: Annotated[bool, arg(help_behavior_hint="")] = True
    """Of several processes, the first alone encodes and decodes."""
    workers: Annotated[int | None, unset("none, this process computes", "N")] = None
    """Processes that compute, maybe on many machines, through Ray: pip install '.[cluster]'."""
    workers_max: Annotated[int | None, unset("as --workers", "N")] = None
    """So many of them while people wait; --workers is the fewest."""
    cluster: Annotated[str | None, unset("this machine alone", "auto|ADDRESS")] = None
    """A cluster of Ray to run the workers on; auto: the one that this machine belongs to."""
    gpus_per_worker: Annotated[int, arg(metavar="N")] = 0
    """GPUs of each worker; several share the transformer of one talk."""

    @property
    def chosen_port(self) -> int | None:
        """The port asked for by option or variable; ``None``: the first free one."""
        variables = (os.environ.get(name) for name in PORT_VARIABLES)
        return self.port if self.port is not None else next((int(v) for v in variables if v), None)

    def check(self) -> None:
        super().check()
        problem = start_problem()
        if problem is None and self.port is not None:
            problem = _port_problem("--port", str(self.port))
        if problem is not None:
            raise FlashTalkError(problem)
        path = os.environ.get("GRADIO_ROOT_PATH", "")
        if path and not _ROOT_PATH.fullmatch(path):
            raise FlashTalkError(
                "GRADIO_ROOT_PATH must be the path under which a proxy shows the page, such as "
                f"/talk, or its whole address, such as https://example.com/talk; got {path!r}."
            )
        self._check_workers()

    def _check_workers(self) -> None:
        if self.workers is None:
            if self.workers_max is not None or self.cluster is not None or self.gpus_per_worker:
                raise FlashTalkError(
                    "--workers-max, --cluster and --gpus-per-worker are for workers: add --workers."
                )
        elif not 1 <= self.workers <= (self.workers_max or self.workers):
            raise FlashTalkError(
                f"--workers must be 1 or more and --workers-max no fewer, got {self.workers} and "
                f"{self.workers_max}."
            )
        if self.gpus_per_worker < 0 or (self.gpus_per_worker > 1 and self.device == "cpu"):
            raise FlashTalkError(
                f"--gpus-per-worker must be 0 or more, and goes without --device cpu; got "
                f"{self.gpus_per_worker}."
            )
