"""``python -m flashtalk.bench``: the same as ``flashtalk bench``."""

import sys

if __name__ == "__main__":
    from flashtalk.cli.entry import main

    sys.exit(main(["bench", *sys.argv[1:]]))
