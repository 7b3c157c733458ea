"""``python -m flashtalk.evaluation``; see :mod:`flashtalk.evaluation.run`."""

import sys

from flashtalk.evaluation.run import main

sys.exit(main())
