"""What the channels of an embedded latent mean: the motion of a face, painted where it happens.

A latent of the embedded autoencoder is not free: for each of its four frames it holds the same few
quantities on the 8x8 grid, which the renderer of the training clips knows exactly. Flow fills the
grid; the mouth's numbers are painted around the mouth and the eyes' around the eyes, so a cell says
both what happens and where. Learned latents of the same size hid the mouth: after as many steps as
two cores can pay for, no lip motion could be read from them.
"""

from __future__ import annotations

FLOW = ("flow_x", "flow_y")
MOUTH = ("lip_gap", "lip_height", "lip_width", "corner", "jaw")
EYES = ("lid", "gaze_x", "gaze_y", "brow")
FEATURES = FLOW + MOUTH + EYES

FLOW_UNIT = 0.1
"""One unit of the flow channels, in pictures of width 2 (grid_sample's coordinates)."""


def index_of(feature: str) -> int:
    """Channel of ``feature`` within one frame's share of a latent."""
    return FEATURES.index(feature)
