"""``python -m lab.synthesis``: make training clips.

    python -m lab.synthesis --assets DIR --clips 360 --seconds 4 --out clips --workers 2

Runs again where it was stopped: finished clips are skipped.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from flashtalk.errors import command
from lab.synthesis.assets import ENVIRONMENT, Assets
from lab.synthesis.factory import FactoryOptions, make_clips


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status is returned."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.synthesis", description="Make training clips of synthetic people."
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the clips; holds clips of one kind"
    )
    parser.add_argument("--assets", type=Path, help=f"asset folder (or variable {ENVIRONMENT})")
    parser.add_argument("--clips", type=int, default=100, help="how many clips")
    parser.add_argument("--start", type=int, default=0, help="number of the first clip")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a clip")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures in pixels")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options = FactoryOptions(
        out=chosen.out,
        assets=Assets.locate(chosen.assets).root,
        clips=chosen.clips,
        start=chosen.start,
        seconds=chosen.seconds,
        workers=chosen.workers,
        size_px=chosen.size,
    )
    return 1 if make_clips(options) else 0


if __name__ == "__main__":
    sys.exit(main())
