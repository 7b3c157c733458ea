"""``flashtalk serve``: loads the weights, warms up and serves the page until it is ended.

What a start may lack (a free port, a folder for uploads) is looked for before the weights are read.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

from gradio.http_server import INITIAL_PORT_VALUE, TRY_NUM_PORTS
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from flashtalk import memory
from flashtalk.cli.loading import engine_for, size_of
from flashtalk.cli.serve_options import ServeOptions
from flashtalk.cli.several import follow, joined, leading
from flashtalk.cli.uploads import sweep_unfinished, sweep_uploads
from flashtalk.cli.workers import check_workers, workers_of
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.parallel.ranks import Ranks
from flashtalk.parallel.team import Team
from flashtalk.stream.contracts import Engines
from flashtalk.ui import connections
from flashtalk.ui.card import ICON, Card
from flashtalk.ui.compare.routes import compare_routes
from flashtalk.ui.door import Page
from flashtalk.ui.ending import talks_end_first
from flashtalk.ui.events import Limits, OnGpu, Pieces
from flashtalk.ui.guard import Guard
from flashtalk.ui.health import routes
from flashtalk.ui.live.routes import live_routes
from flashtalk.ui.page import build_page
from flashtalk.ui.theme import STYLES, theme

LIVE_PACE = 1.1
"""Seconds of video per second of work that live speech needs; encoding takes some of them."""
NOT_OFFERED = "Speaking live is switched off on this page. Record your voice instead."
GPU_IS_LENT = (
    "This page borrows its GPU for one video at a time, so it cannot listen while you speak. "
    "Record your voice instead."
)
NOT_COMPARED = (
    "This page borrows its GPU for one video at a time, so it compares nothing. In a shell, "
    "flashtalk evaluate does."
)
TOO_SLOW = (
    "This machine makes {:.2f} seconds of video in a second, too few to follow you while you "
    "speak. Record your voice instead."
)
NOT_SERVED = (
    "The page cannot be served at {where} of {host}: another program has taken it meanwhile, or "
    "this machine is too busy to begin within five seconds. Please start again."
)
WORKERS = 40
"""Threads of the server beside one for each visitor in line: uploads, encoders, files."""


def serve(
    options: ServeOptions,
    limits: Limits | None = None,
    *,
    on_gpu: OnGpu = lambda function: function,
    gpu_is_lent: bool = False,
) -> int:
    """Serve the page; ``on_gpu`` wraps the function that computes, e.g. ``spaces.GPU``.

    ``gpu_is_lent`` says that a GPU is there inside that function only, as on ZeroGPU.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    memory.forks_free_nothing()
    connections.more_files()
    check_workers(options)
    ranks = joined(options.device)
    if ranks is not None and not ranks.leads:
        return follow(_shared(_engine(options, ranks, gpu_is_lent), ranks, options))
    host = options.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    port = options.chosen_port
    check_port(host, port)
    limits = limits or Limits()
    sweep_uploads(limits.keep_files_s)
    sweep_unfinished()
    check_upload_folder()
    marking = options.marking()

    def page_of(engines: Engines, device_type: str, *, warm: bool = True) -> Page:
        page = build_page(
            engines,
            limits,
            on_gpu=computes_at(device_type, on_gpu),
            not_live=why_not_live(options.live, engines, gpu_is_lent=not warm),
            not_compared="" if warm else NOT_COMPARED,
            marking=marking,
        )
        page.talk.get_ready()
        memory.keep_what_is_there()
        return page

    if options.workers is not None:
        with workers_of(options) as workers:
            page = page_of(workers, "cpu")  # of this process, where a worker's device is not
            workers.follow(page.talk.admission)
            launch(page, host, port, options.share, limits)
        return 0
    engine = _engine(options, ranks, gpu_is_lent)
    with nullcontext() if ranks is None else leading(_shared(engine, ranks, options)):
        warm = warms_up(engine.device.type, gpu_is_lent)
        if warm:
            logging.info("Warm after %.1f s.", engine.warm_up())
            for notice in engine.keep_up() if options.size == "auto" else ():
                logging.info(notice)
        launch(page_of(engine, engine.device.type, warm=warm), host, port, options.share, limits)
    return 0


def launch(page: Page, host: str, port: int | None, share: bool, limits: Limits) -> None:
    """Serve ``page`` until it is ended; its talks end first."""
    ask_no_proxy(host)
    with closing(page.live_talks), closing(page.comparisons), talks_end_first(page):
        try:
            _begin(page, host, port, share, limits)
        except OSError as error:  # of a port that was taken meanwhile, or of Gradio's patience
            where = "any port" if port is None else f"port {port}"
            raise FlashTalkError(NOT_SERVED.format(where=where, host=host)) from error
        connections.keep_few(page.server, connections.most_connections())
        page.block_thread()


def _begin(page: Page, host: str, port: int | None, share: bool, limits: Limits) -> None:
    page.launch(
        server_name=host,
        server_port=port,
        share=share or None,
        theme=theme(),
        css_paths=[*STYLES],
        max_file_size=f"{limits.upload_mb}mb",
        footer_links=["api"],
        run_history=False,
        ssr_mode=False,
        max_threads=WORKERS + limits.queue,
        favicon_path=ICON,
        app_kwargs={
            "routes": [
                *routes(page),
                *live_routes(page.live_talks),
                *compare_routes(page.comparisons),
            ],
            "middleware": [
                Middleware(Guard, upload_mb=limits.upload_mb, rates=limits.rates),
                Middleware(Card),
            ],
            "docs_url": None,
            "redoc_url": None,
        },
        prevent_thread_lock=True,
    )


def _engine(options: ServeOptions, ranks: Ranks | None, gpu_is_lent: bool) -> Engine:
    device = None if ranks is None else ranks.device
    return engine_for(options, size_of(options.size), device=device, gpu_is_lent=gpu_is_lent)


def _shared(engine: Engine, ranks: Ranks, options: ServeOptions) -> Team:
    return engine.share(ranks, ulysses=options.ulysses, autoencoder=options.shared_autoencoder)


def warms_up(device_type: str, gpu_is_lent: bool) -> bool:
    """Whether a chunk can be computed before the first visit: not on a GPU that is only lent."""
    return device_type == "cpu" or not gpu_is_lent


def why_not_live(choice: str, engines: Engines, *, gpu_is_lent: bool) -> str:
    """Why nobody can speak live here, in a sentence; empty where people can."""
    if choice == "off":
        return NOT_OFFERED
    if gpu_is_lent:
        return GPU_IS_LENT
    if choice == "on":
        return ""
    pace = engines.live_pace(LIVE_PACE)
    logging.info("Live speech: %.2f x real time.", pace)
    return "" if pace >= LIVE_PACE else TOO_SLOW.format(pace)


def computes_at(device_type: str, on_gpu: OnGpu) -> OnGpu:
    """``on_gpu`` for a model on a GPU; the processor's computes in this process.

    A process forked from one that has computed cannot use more threads than one: it would wait
    forever. ``on_gpu`` sees the function all the same, because ZeroGPU starts with no other Space.
    """

    def here(function: Callable[..., Pieces]) -> Callable[..., Pieces]:
        on_gpu(function)
        return function

    return here if device_type == "cpu" else on_gpu


def check_port(host: str, port: int | None) -> None:
    """Refuse an address that cannot be served at: a port in use, a name that is not this machine.

    Without a ``port``, one of those that Gradio tries must be free.

    Raises:
        FlashTalkError: with what the system says.
    """
    if port is not None:
        if (problem := _port_problem(host, port)) is not None:
            raise FlashTalkError(
                f"The page cannot be served at port {port} of {host}: {problem}. Choose another "
                "--port or --host, or leave --port out for the first free one from 7860."
            )
        return
    if (problem := _port_problem(host, 0)) is not None:  # 0: any port
        raise FlashTalkError(
            f"The page cannot be served at {host}: {problem}. Give --host (or the variable "
            "GRADIO_SERVER_NAME) an address of this machine, such as 127.0.0.1."
        )
    last = INITIAL_PORT_VALUE + TRY_NUM_PORTS - 1
    if all(_port_problem(host, each) for each in range(INITIAL_PORT_VALUE, last + 1)):
        raise FlashTalkError(
            f"All ports from {INITIAL_PORT_VALUE} to {last} of {host} are in use. Choose another "
            "one with --port, or with the variable PORT."
        )


def ask_no_proxy(host: str) -> None:
    """Gradio asks its own page whether it is there, and would ask a proxy for it."""
    own = ["localhost", "127.0.0.1", "::1", host.strip("[]")]
    for name in ("no_proxy", "NO_PROXY"):
        given = os.environ.get(name, "")
        os.environ[name] = ",".join([*filter(None, [given]), *own])


def _port_problem(host: str, port: int) -> str | None:
    """What the system says where nobody can listen there."""
    bare = host.strip("[]")  # Gradio takes [::1], sockets take ::1
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        socket.create_server((bare, port), family=family).close()
    except OSError as error:
        return (error.strerror or str(error)).partition(" (while")[0]
    except (TypeError, ValueError):  # two dots side by side, a zero byte
        return "this cannot be the name of a machine"
    return None


def check_upload_folder() -> None:
    """Refuse a folder of uploads and finished videos that takes no files.

    Raises:
        FlashTalkError: with what the system says.
    """
    folder = Path(get_upload_folder())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FlashTalkError(
            f"The folder of uploads and finished videos, {folder}, cannot be written to: "
            f"{error.strerror}. Set the variable GRADIO_TEMP_DIR to a folder of your own."
        ) from error
