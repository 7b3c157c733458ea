"""``python -m flashtalk``; see :mod:`flashtalk.cli.main`."""

import sys

from flashtalk.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
