"""``python -m flashtalk.generate``: the same as ``flashtalk generate``."""

import sys

from flashtalk.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["generate", *sys.argv[1:]]))
