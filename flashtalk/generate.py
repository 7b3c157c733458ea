"""``python -m flashtalk.generate``: the same as ``flashtalk generate``."""

import sys

if __name__ == "__main__":
    from flashtalk.cli.entry import main

    sys.exit(main(["generate", *sys.argv[1:]]))
