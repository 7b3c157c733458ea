"""The published implementation on small random models, against ours.

``golden/transformer.safetensors`` holds only outputs of the public inference code (float32, CPU).
Weights and inputs are made from their names, so parameter names are checked as well.
"""

import pytest
import torch
from golden_rule import GOLDEN, RECORD, build, tensor
from safetensors.torch import load_file

from flashtalk.config import SamplerConfig
from flashtalk.stream.chunk import conditioned_velocity
from flashtalk.stream.denoise import denoise
from flashtalk.stream.schedule import shifted_timesteps

TOLERANCE = 1e-4  # of the standard deviation


class Case:
    def __init__(self, index: int) -> None:
        record = RECORD["cases"][index]
        self.index = index
        self.model = build(record["config"])
        self.timesteps = record["timesteps"]
        frames, height, width = record["grid"]
        self.latents = (16, frames, height, width)
        self.condition = self.input("image_latents", 20, frames, height, width)
        self.text = self.input("text", record["text_tokens"], record["config"]["text_dim"])
        self.image = tensor(f"case{index}.image_embeds", (1, 257, 1280))
        self.speech = tensor(f"case{index}.audio", (1, 1 + 4 * (frames - 1), 5, 12, 768))
        self.expected = load_file(GOLDEN / "transformer.safetensors")

    def input(self, name: str, *shape: int) -> torch.Tensor:
        return tensor(f"case{self.index}.{name}", shape)[None]

    def error(self, got: torch.Tensor, name: str) -> float:
        expected = self.expected[f"case{self.index}.{name}"]
        return ((got[0] - expected).abs().max() / expected.std()).item()


@pytest.fixture(scope="module", params=range(len(RECORD["cases"])))
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@torch.inference_mode()
def test_velocity_agrees_at_three_timesteps(case: Case) -> None:
    latents = case.input("latents", *case.latents)
    for name, timestep in (("t1000", 1000.0), ("t833", 2500 / 3), ("t250", 250.0)):
        velocity = case.model(
            latents,
            torch.tensor([timestep]),
            case.condition,
            case.model.project_speech(case.speech),
            case.text,
            case.image,
        )
        assert case.error(velocity, f"velocity_{name}") < TOLERANCE


@torch.inference_mode()
def test_a_whole_chunk_through_the_stream_agrees(case: Case) -> None:
    """Four steps with injected noise and motion latents, by the code that a session runs."""
    velocity = conditioned_velocity(
        case.model, case.condition, case.speech, case.text, case.image, num_motion=2
    )
    timesteps = shifted_timesteps(SamplerConfig())
    assert timesteps == pytest.approx(case.timesteps, rel=1e-6)
    latents = denoise(
        velocity,
        case.input("noise0", *case.latents),
        case.input("motion_latents", 16, 2, *case.latents[2:]),
        timesteps,
        (case.input(f"noise{step}", *case.latents) for step in (1, 2, 3)).__next__,
    )
    assert case.error(latents, "chunk_latents") < TOLERANCE
