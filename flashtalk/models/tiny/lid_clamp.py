"""Lids meet where a blink asks for it: the last step of the embedded denoiser.

Eyes in predicted latents narrow to a quarter in a blink (:mod:`flashtalk.models.tiny.blinks`) and
do not shut. Here lids are no further apart than the blink that was asked for leaves them. What else
the transformer does with them (a squint, a glance) stays.
"""

from __future__ import annotations

from torch import Tensor

from flashtalk.models.tiny.face_code import GROUP_FRAMES, groups_of, index_of

LIDS_MEET = 0.8
"""Closure at which lids meet: in clips they do so between 0.7 and 0.9, and overlap beyond."""
LEAST_OPEN = 1e-3  # of what lids are compared with


def clamp_lids(latents: Tensor, reference: Tensor, closed: Tensor, num_motion: int) -> Tensor:
    """``latents`` [B, C, T, h, w] with lids as near to each other as ``closed`` [B, F] says, 0..1.

    ``reference`` [B, C, 1, h, w] is the portrait's, whose lids are open; the first
    ``num_motion`` latents stay.
    """
    lid = index_of("lid")
    code = latents.unflatten(1, (GROUP_FRAMES, -1))
    own = reference.unflatten(1, (GROUP_FRAMES, -1))[:, :1, lid, :1]
    # a gap is painted as so much of a brush: wherever that is, its sum says how much
    painted, own_painted = (
        each.clamp(min=0.0).sum(dim=(-2, -1)) for each in (code[:, :, lid], own)
    )
    still_open = painted / own_painted.clamp(min=LEAST_OPEN)  # [B, 4, T], 1 as in the portrait
    blink = groups_of(closed).transpose(1, 2).to(still_open)
    allowed = (1.0 - blink / LIDS_MEET).clamp(min=0.0)
    share = (allowed / still_open.clamp(min=LEAST_OPEN)).clamp(max=1.0)
    share = share.where(blink > 0.0, share.new_ones(()))
    share[:, :, :num_motion] = 1.0
    clamped = code.clone()
    clamped[:, :, lid] = code[:, :, lid] * share[..., None, None]
    return clamped.flatten(1, 2)
