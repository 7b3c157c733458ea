"""``flashtalk serve``: loads the weights, warms up and serves the page until it is ended."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence

from flashtalk.config import TINY
from flashtalk.engine import Engine
from flashtalk.errors import command
from flashtalk.ui.events import Limits, OnGpu
from flashtalk.ui.page import build_page
from flashtalk.ui.theme import STYLE, theme

LARGEST_UPLOAD = "100mb"


@command
def main(
    arguments: Sequence[str] | None = None,
    *,
    limits: Limits | None = None,
    on_gpu: OnGpu = lambda function: function,
    gpu_is_lent: bool = False,
) -> int:
    """Serve the page; ``on_gpu`` wraps the function that computes, e.g. ``spaces.GPU``.

    ``gpu_is_lent`` says that a GPU is there inside that function only, as on ZeroGPU.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    engine = Engine.from_pretrained(options.preset, device=options.device, threads=options.threads)
    if warms_up(engine.device.type, gpu_is_lent):
        logging.info("Warm after %.1f s.", engine.warm_up())
    page = build_page(engine, limits or Limits(), on_gpu=on_gpu)
    page.launch(
        server_name=options.host,
        server_port=options.port,
        share=options.share or None,
        theme=theme(),
        css_paths=STYLE,
        max_file_size=LARGEST_UPLOAD,
        footer_links=["api"],
        run_history=False,
        ssr_mode=False,
    )
    return 0


def warms_up(device_type: str, gpu_is_lent: bool) -> bool:
    """Whether a chunk can be computed before the first visit: not on a GPU that is only lent."""
    return device_type == "cpu" or not gpu_is_lent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flashtalk serve", description="Serve the page.")
    preset = os.environ.get("FLASHTALK_PRESET") or TINY.name
    parser.add_argument("--preset", default=preset, help="preset, folder of weights or Hub id")
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: what the preset needs)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument("--host", help="address to serve on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860)")
    parser.add_argument("--share", action="store_true", help="a public address through Gradio")
    return parser
