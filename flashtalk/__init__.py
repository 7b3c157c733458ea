"""FlashTalk: a portrait and a voice become a talking person, live; see ``flashtalk.engine``."""

import os

__version__ = "0.1.0"

# Read by OpenMP once, when PyTorch is imported: a thread that waits for another soon sleeps instead
# of spinning on. On virtual processors, whose cores belong to others at times, one that spins takes
# the time that the other needs; one that sleeps at once must be woken at every step. What either
# costs is in the README. Who sets the policy decides.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # turns of the loop, some microseconds
