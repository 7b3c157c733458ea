"""``python -m flashtalk.bench``: the same as ``flashtalk bench``."""

import sys

from flashtalk.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
