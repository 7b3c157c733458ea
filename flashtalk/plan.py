"""``python -m flashtalk.plan``; see :mod:`flashtalk.cli.plan`."""

import sys

from flashtalk.cli.plan import main

if __name__ == "__main__":
    sys.exit(main())
