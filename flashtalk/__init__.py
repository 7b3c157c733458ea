"""FlashTalk: a portrait and a voice become a talking person, live; see ``flashtalk.engine``."""

import os

__version__ = "0.1.0"

# Read by OpenMP once, when PyTorch is imported: threads that wait for each other sleep instead of
# spinning. On virtual processors, whose cores belong to others at times, the one that spins takes
# the time that the other needs; what that costs is in the README. Who sets the variable decides.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
