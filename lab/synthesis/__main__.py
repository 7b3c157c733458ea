"""``python -m lab.synthesis``: make training clips.

    python -m lab.synthesis --assets DIR --clips 360 --seconds 4 --out clips --workers 2

Runs again where it was stopped: finished clips are skipped.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from flashtalk.errors import command
from lab.options import read_options
from lab.synthesis.factory import ClipFactory, make_clips


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 if a clip failed."""
    config = read_options(ClipFactory, arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    return 1 if make_clips(config) else 0


if __name__ == "__main__":
    sys.exit(main())
