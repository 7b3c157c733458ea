"""The reference of a talk is what the portrait was read as, and its pictures are the portrait."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.conditions import gather_conditions
from flashtalk.config import TINY
from flashtalk.inputs.portrait import to_tensor
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.face_code import FLOW_PLACE, GROUP_FRAMES, frame_codes
from flashtalk.models.tiny.guidance import Guidance
from flashtalk.weights import load_networks

SIZE = (TINY.geometry.width_px, TINY.geometry.height_px)


@pytest.fixture(scope="module", params=["own", "mesh"])
def networks(request: pytest.FixtureRequest) -> Networks:
    """The networks that ship, and the same with an own reader so wrong that the mesh reads."""
    networks = load_networks(ASSETS / TINY.weights, TINY)
    if request.param == "mesh":
        networks.autoencoder.reader.register_forward_hook(
            lambda _, __, marks: replace(marks, points=marks.points + 0.16)
        )
    return networks


def portraits(*names: str) -> torch.Tensor:
    pictures = [Image.open(ASSETS / "portraits" / f"{name}.jpg").convert("RGB") for name in names]
    return torch.cat([to_tensor(picture.resize(SIZE)) for picture in pictures])


@torch.inference_mode()
def test_mouth_and_eyes_are_those_of_the_portrait_in_every_frame(networks: Networks) -> None:
    found = gather_conditions(networks, portraits("ada", "mei"))
    guidance, latents = found.guidance, found.reference_latents
    assert isinstance(guidance, Guidance)
    codes = frame_codes(latents[:, :, 0]).unflatten(0, (-1, GROUP_FRAMES))
    beyond_flow = slice(FLOW_PLACE.stop, None)
    known = guidance.code[:, None, beyond_flow].expand_as(codes[:, :, beyond_flow])
    assert torch.equal(codes[:, :, beyond_flow], known)


@torch.inference_mode()
def test_a_talk_begins_with_the_portrait(networks: Networks) -> None:
    pictures = portraits("ada", "henry")
    found = gather_conditions(networks, pictures)
    drawn = networks.autoencoder.decode(found.reference_latents, found.guidance)[:, :, 0]
    levels = (drawn - found.guidance.portrait).abs().mean(dim=(1, 2, 3)) * 127.5
    assert levels.max() < 0.6  # of 255
