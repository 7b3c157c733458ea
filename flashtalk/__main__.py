"""``python -m flashtalk``; see :mod:`flashtalk.cli.main`."""

import sys

if __name__ == "__main__":
    from flashtalk.cli.entry import main

    sys.exit(main())
