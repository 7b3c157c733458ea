"""``python -m lab.evaluation``; see :mod:`lab.evaluation.run`."""

import sys

from lab.evaluation.run import main

sys.exit(main())
