"""``python -m lab.evaluation``; see :mod:`lab.evaluation.run`."""

import sys

from lab.evaluation.run import main

if __name__ == "__main__":
    sys.exit(main())
