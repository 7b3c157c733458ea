"""``python -m flashtalk.generate``: the same as ``flashtalk generate``."""

import sys

from flashtalk.errors import end_at_ctrl_c

if __name__ == "__main__":
    end_at_ctrl_c()

from flashtalk.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["generate", *sys.argv[1:]]))
