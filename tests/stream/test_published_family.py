"""The published member of the family through the same chunk step and session, at toy size.

The real classes: the transformer with text and image, Wan's autoencoder, wav2vec 2.0. Random
weights, short chunks (13 frames, 8 of them new) and 16 x 32 pixels.
"""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from published_toy import PUBLISHED_TOY, build_published_toy, states
from scenes import scene_of
from torch import Tensor

from flashtalk.conditions import Conditions, gather_conditions
from flashtalk.models.networks import Networks
from flashtalk.stream.chunk import advance
from flashtalk.stream.session import Session
from flashtalk.stream.state import opening_state

PRESET = PUBLISHED_TOY
CHUNK_SAMPLES = PRESET.geometry.new_samples


@pytest.fixture(scope="module")
def networks() -> Networks:
    return build_published_toy()


@pytest.fixture(scope="module")
def portrait() -> Tensor:
    coarse = torch.rand(1, 3, 4, 8, generator=torch.Generator().manual_seed(2)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (16, 32), mode="bilinear")


@pytest.fixture(scope="module")
def conditions(networks: Networks, portrait: Tensor) -> Conditions:
    with torch.inference_mode():
        return gather_conditions(networks, portrait, **states(0))


def stream(networks: Networks, conditions: Conditions, slices: list[np.ndarray]) -> np.ndarray:
    session = Session(scene_of(networks, conditions), seed=5)
    chunks = [chunk for samples in slices for chunk in session.push(samples)]
    chunks += list(session.flush())
    assert sum(len(chunk.samples) for chunk in chunks) == sum(map(len, slices))
    return np.concatenate([chunk.frames for chunk in chunks])


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Two chunks and a part of the third."""
    time_s = np.arange(2 * CHUNK_SAMPLES + 3_000) / 16_000
    return (0.3 * np.sin(2 * np.pi * (180 + 90 * time_s) * time_s)).astype(np.float32)


@pytest.fixture(scope="module")
def whole(networks: Networks, conditions: Conditions, talk: np.ndarray) -> np.ndarray:
    return stream(networks, conditions, [talk])


@pytest.mark.parametrize("size", [640, 4_000])
def test_any_slicing_streams_the_same_three_chunks(
    networks: Networks, conditions: Conditions, talk: np.ndarray, whole: np.ndarray, size: int
) -> None:
    slices = [talk[start : start + size] for start in range(0, len(talk), size)]
    assert whole.shape == (8 + 8 + 5, 16, 32, 3)
    assert whole.std() > 5
    assert np.array_equal(stream(networks, conditions, slices), whole)


def test_the_reference_is_the_portrait_and_gray_frames_behind_it(
    networks: Networks, conditions: Conditions, portrait: Tensor
) -> None:
    """As the published conditioner: 1 + 4k frames encoded together, gray is 0 in -1..1."""
    frames = torch.zeros(1, 3, 13, 16, 32)
    frames[:, :, 0] = portrait
    with torch.inference_mode():
        expected = networks.autoencoder.encode(frames, None)
        alone = networks.autoencoder.encode(portrait[:, :, None], None)
    assert conditions.reference_latents.shape == (1, 4, 4, 2, 4)
    assert torch.equal(conditions.reference_latents, expected)
    # The first chunk continues from the portrait alone, which is the reference's first latent.
    motion = opening_state(conditions, seed=0).motion_latents
    assert torch.allclose(motion, alone, atol=1e-6)


@torch.inference_mode()
def test_prompt_and_image_reach_the_video(networks: Networks, conditions: Conditions) -> None:
    speech = torch.randn(1, 13, 5, 2, 16, generator=torch.Generator().manual_seed(3))
    state = opening_state(conditions, seed=0)

    def video(**changes: Tensor) -> Tensor:
        scene = scene_of(networks, replace(conditions, **changes), steps=1)
        return advance(scene, state, speech)[0]

    expected = video()
    for name, other in states(1).items():
        assert not torch.allclose(video(**{name: other}), expected, atol=1e-3)


def test_one_prompt_serves_a_batch(networks: Networks, portrait: Tensor) -> None:
    given = states(0)
    pair = gather_conditions(
        networks,
        torch.cat((portrait, -portrait)),
        text=given["text"],
        image=given["image"].expand(2, -1, -1),
    )
    assert pair.text is not None
    assert pair.text.shape == (2, 7, 10)


@pytest.mark.parametrize("name", ["text", "image"])
def test_missing_states_are_refused(networks: Networks, portrait: Tensor, name: str) -> None:
    given = {key: value for key, value in states(0).items() if key != name}
    with pytest.raises(ValueError, match=f"has a {name} input, but {name} states were not given"):
        gather_conditions(networks, portrait, **given)


@torch.inference_mode()
def test_16_bit_networks_keep_float32_between_them(
    networks: Networks, portrait: Tensor, talk: np.ndarray, whole: np.ndarray
) -> None:
    """Weights in bfloat16; what goes around between chunks and steps in float32."""
    rough = replace(
        networks,
        transformer=deepcopy(networks.transformer).bfloat16(),
        autoencoder=deepcopy(networks.autoencoder).bfloat16(),
        speech_encoder=deepcopy(networks.speech_encoder).bfloat16(),
    )
    seen = []
    rough.transformer.register_forward_pre_hook(
        lambda module, inputs: seen.append([tensor.dtype for tensor in inputs[:3]])
    )
    given = {name: tensor.bfloat16() for name, tensor in states(0).items()}
    conditions = gather_conditions(rough, portrait, **given)
    assert conditions.reference_latents.dtype == torch.float32
    frames = stream(rough, conditions, [talk[: CHUNK_SAMPLES + 640]])  # into the second chunk
    assert len(seen) == 8
    assert all(types == [torch.float32] * 3 for types in seen)  # latents, timestep, condition
    difference = np.abs(frames[:8].astype(int) - whole[:8])
    assert difference.mean() < 0.1 * whole.std()
