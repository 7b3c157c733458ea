"""``python -m flashtalk``; see :mod:`flashtalk.cli.main`."""

import sys

from flashtalk.errors import end_at_ctrl_c

if __name__ == "__main__":
    end_at_ctrl_c()

from flashtalk.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
