"""The FlashTalk page: ``python app.py``, then open http://localhost:7860.

The wiring of a Hugging Face Space; elsewhere ``flashtalk serve`` is the same page. The constants
are facts of this deployment. Where no arguments can be given, as on a Space, the variable
FLASHTALK_PRESET chooses the model.
"""

from __future__ import annotations

import os
import sys

from flashtalk.errors import command, end_at_ctrl_c, raise_at_ctrl_c

if __name__ == "__main__":
    end_at_ctrl_c()

from flashtalk.cli.serve_options import ServeOptions, start_problem
from flashtalk.memory import keep_one_heap
from flashtalk.openmp import let_waiting_threads_sleep

if os.environ.get("SPACE_ID"):  # visitors are told apart by what the Space's proxy says of them
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "*")
let_waiting_threads_sleep()  # first of all: whatever imports PyTorch comes after it
keep_one_heap()

if problem := start_problem():
    sys.exit(f"flashtalk: {problem}")  # the next import would fail without a word of help

import spaces  # before torch: on ZeroGPU it prepares CUDA for the processes that follow

from flashtalk.cli.main import parse
from flashtalk.cli.serve import serve
from flashtalk.ui.events import Limits

LIMITS = Limits(speech_s=120, queue=20, keep_files_s=3600)
GPU_S = 120  # longest hold of a ZeroGPU, in seconds


@command
def main() -> int:
    """Loads the weights, warms up and serves the page until it is ended."""
    raise_at_ctrl_c()
    options = parse(ServeOptions, prog="app.py")
    on_gpu = spaces.GPU(duration=GPU_S)
    return serve(options, LIMITS, on_gpu=on_gpu, gpu_is_lent=spaces.config.Config.zero_gpu)


if __name__ == "__main__":
    sys.exit(main())
