"""Heads of the published width, 128, against the system told once more (``published_reference``).

The golden outputs have heads whose channels fall into three equal parts, at which many a rotary
split is the same; 128 is 22 + 21 + 21 pairs. The retelling is first held against those outputs.
"""

import published_reference as reference
import pytest
import torch
from golden_rule import GOLDEN, RECORD, build, tensor
from safetensors.torch import load_file

from flashtalk.config import SamplerConfig
from flashtalk.stream.chunk import conditioned_velocity
from flashtalk.stream.denoise import denoise
from flashtalk.stream.schedule import shifted_timesteps

WIDE = {
    "in_dim": 36,
    "out_dim": 16,
    "audio_window": 5,
    "dim": 256,
    "ffn_dim": 192,
    "freq_dim": 64,
    "text_dim": 48,
    "num_heads": 2,
    "num_layers": 2,
    "intermediate_dim": 16,
    "output_dim": 40,
    "context_tokens": 4,
    "text_len": 14,
}
GRID = (3, 12, 20)  # far enough along every axis for its slow pairs to turn


def inputs(prefix: str, config: dict, grid: tuple[int, int, int], tokens: int) -> dict:
    frames, height, width = grid
    text = torch.zeros(config["text_len"], config["text_dim"])
    text[:tokens] = tensor(f"{prefix}.text", (tokens, config["text_dim"]))
    return {
        "condition": tensor(f"{prefix}.image_latents", (20, frames, height, width)),
        "text": text,
        "image": tensor(f"{prefix}.image_embeds", (1, 257, 1280))[0],
        "audio": tensor(f"{prefix}.audio", (1, 1 + 4 * (frames - 1), 5, 12, 768))[0],
    }


@pytest.mark.parametrize("index", range(len(RECORD["cases"])))
@torch.inference_mode()
def test_the_retelling_agrees_with_the_published_outputs(index: int) -> None:
    record = RECORD["cases"][index]
    config, grid, prefix = record["config"], tuple(record["grid"]), f"case{index}"
    weights = reference.Weights(build(config).state_dict(), config["num_heads"])
    given = inputs(prefix, config, grid, record["text_tokens"])
    expected = load_file(GOLDEN / "transformer.safetensors")
    latents = tensor(f"{prefix}.latents", (16, *grid))
    for name, timestep in (("t1000", 1000.0), ("t833", 2500 / 3), ("t250", 250.0)):
        got = reference.velocity(weights, latents, timestep, **given)
        wanted = expected[f"{prefix}.velocity_{name}"]
        assert (got - wanted).abs().max() < 1e-4 * wanted.std()
    noise = (tensor(f"{prefix}.noise{step}", (16, *grid)) for step in range(4))
    motion = tensor(f"{prefix}.motion_latents", (16, 2, *grid[1:]))
    got = reference.sampled(
        lambda x, t: reference.velocity(weights, x, t, **given), noise, motion.double()
    )
    wanted = expected[f"{prefix}.chunk_latents"]
    assert (got - wanted).abs().max() < 1e-4 * wanted.std()


@torch.inference_mode()
def test_a_chunk_with_heads_of_128_channels_agrees() -> None:
    model = build(WIDE)
    assert model.config.head_dim == 128
    given = inputs("wide", WIDE, GRID, 9)
    weights = reference.Weights(model.state_dict(), WIDE["num_heads"])
    noise = [tensor(f"wide.noise{step}", (16, *GRID)) for step in range(4)]
    motion = tensor("wide.motion_latents", (16, 2, *GRID[1:]))
    expected = reference.sampled(
        lambda x, t: reference.velocity(weights, x, t, **given), iter(noise), motion.double()
    )
    ours = conditioned_velocity(
        model,
        *(given[name][None] for name in ("condition", "audio", "text", "image")),
        num_motion=2,
    )
    fresh = iter(each[None] for each in noise)
    got = denoise(
        ours, next(fresh), motion[None], shifted_timesteps(SamplerConfig()), fresh.__next__
    )
    assert (got[0] - expected).abs().max() < 1e-4 * expected.std()


@torch.inference_mode()
def test_another_rotary_split_is_seen_at_128_and_not_at_24(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and columns rounded up: what the golden outputs let pass."""
    right = reference.rotation

    def rounded_up(grid: tuple[int, int, int], head_width: int) -> torch.Tensor:
        pairs = head_width // 2
        third = -(-pairs // 3)
        counts = (pairs - 2 * third, third, third)
        parts = [right(grid, 6 * count) for count in counts]
        return torch.cat(
            [
                part[:, i * n : (i + 1) * n]
                for i, (part, n) in enumerate(zip(parts, counts, strict=True))
            ],
            1,
        )

    for config, seen in ((RECORD["cases"][0]["config"], False), (WIDE, True)):
        weights = reference.Weights(build(config).state_dict(), config["num_heads"])
        given = inputs("wide", config, GRID, 9)
        latents = tensor("wide.latents", (16, *GRID))
        monkeypatch.setattr(reference, "rotation", right)
        expected = reference.velocity(weights, latents, 500.0, **given)
        monkeypatch.setattr(reference, "rotation", rounded_up)
        got = reference.velocity(weights, latents, 500.0, **given)
        assert ((got - expected).abs().max() > 1e-3 * expected.std()).item() is seen
