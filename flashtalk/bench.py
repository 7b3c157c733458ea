"""``python -m flashtalk.bench``; see :mod:`flashtalk.cli.bench`."""

import sys

from flashtalk.cli.bench import main

if __name__ == "__main__":
    sys.exit(main())
