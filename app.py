"""The FlashTalk page: ``python app.py``, then open http://localhost:7860.

Wiring only: preset → engine → page. The constants are facts of this deployment. Where no arguments
can be given, as on a Space, the variable FLASHTALK_PRESET chooses the model.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

import spaces  # before torch: on ZeroGPU it prepares CUDA for the processes that follow

from flashtalk.config import TINY
from flashtalk.engine import Engine
from flashtalk.errors import command
from flashtalk.ui.events import Limits
from flashtalk.ui.page import build_page
from flashtalk.ui.theme import STYLE, theme

LIMITS = Limits(speech_s=120, visitors=1, queue=20, keep_files_s=3600)
LARGEST_UPLOAD = "100mb"
GPU_S = 120  # longest hold of a ZeroGPU, in seconds


@command
def main() -> None:
    """Loads the weights, warms up and serves the page until it is ended."""
    parser = argparse.ArgumentParser(description="Serve the FlashTalk page.")
    preset = os.environ.get("FLASHTALK_PRESET") or TINY.name
    parser.add_argument("--preset", default=preset, help="preset, folder of weights or Hub id")
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: what the preset needs)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument("--host", help="address to serve on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860)")
    parser.add_argument("--share", action="store_true", help="a public address through Gradio")
    options = parser.parse_args()

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    engine = Engine.from_pretrained(options.preset, device=options.device, threads=options.threads)
    logging.info("Warm after %.1f s.", engine.warm_up())
    page = build_page(engine, LIMITS, on_gpu=spaces.GPU(duration=GPU_S))
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


if __name__ == "__main__":
    sys.exit(main())
