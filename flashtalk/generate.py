"""``python -m flashtalk.generate``; see :mod:`flashtalk.cli.generate`."""

import sys

from flashtalk.cli.generate import main

if __name__ == "__main__":
    sys.exit(main())
