"""``python -m flashtalk.plan``: the same as ``flashtalk plan``."""

import sys

if __name__ == "__main__":
    from flashtalk.cli.entry import main

    sys.exit(main(["plan", *sys.argv[1:]]))
