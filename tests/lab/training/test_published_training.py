"""Stage 2 of the published family at toy size: text, CLIP, Wan VAE, guidance in three passes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from flashtalk.models.networks import Networks
from flashtalk.stream.denoise import hold_motion
from flashtalk.weights.checkpoint import find_checkpoint
from flashtalk.weights.layout import TRANSFORMER
from flashtalk.weights.strict import read, survey
from lab.training import recipes
from lab.training.checkpoints.export import save_published
from lab.training.data.talks import Person, TalkSource
from lab.training.loop import read_checkpoint
from lab.training.losses.stage2_loss import Distillation, Stage2Config
from lab.training.options import Splitting
from lab.training.stage2 import distill

SIDE = 32  # pixels; the smallest that leaves the autoencoder something to do
CONFIG = Stage2Config(chunks=2, batch=1, negative_prompt="something else")


@pytest.fixture(scope="module")
def networks(checkpoint: Path) -> Networks:
    loaded = find_checkpoint(checkpoint).load(torch.device("cpu"))
    loaded.transformer.requires_grad_(False)
    return replace(loaded, preset=loaded.preset.with_size((SIDE, SIDE)))


@pytest.fixture(scope="module")
def talks(networks: Networks, speech: np.ndarray) -> TalkSource:
    pictures = np.random.default_rng(0).integers(0, 255, (3, SIDE, SIDE, 3), dtype=np.uint8)
    return TalkSource([Person(pictures, speech)], networks.preset.geometry)


class Passes:
    """Inputs and outputs of a network, pass by pass."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Tensor]] = []

    def __call__(self, _: object, given: tuple[Tensor, ...], named: dict, velocity: Tensor) -> None:
        names = ("noisy", "timestep", "condition", "audio_tokens", "text", "image")
        seen = dict(zip(names, given, strict=True)) | named | {"velocity": velocity}
        self.seen.append(seen)


@pytest.fixture
def passes(networks: Networks) -> Iterator[Passes]:
    """Of the teacher."""
    passes = Passes()
    hook = networks.transformer.register_forward_hook(passes, with_kwargs=True)
    yield passes
    hook.remove()


@pytest.mark.parametrize("motion", ["clean", "noised"])
def test_the_teacher_is_guided_over_speech_and_text(networks, talks, passes, motion) -> None:
    """Three passes: neither, speech without the prompt, both."""
    student = copy.deepcopy(networks.transformer)
    config = replace(CONFIG, teacher_motion=motion)
    losses = Distillation(
        replace(networks, transformer=student), networks.transformer, student, talks, config
    )
    talk, chunk, exit_step, chance = losses._chunk(2, 0)
    assert chunk.num_motion == 2  # a second chunk, read back by the autoencoder
    noisy, _, times = losses._noised(chunk, exit_step, chance)
    with torch.no_grad():
        real = losses.real_estimate(talk, chunk, noisy, times)
        silent = networks.transformer.project_speech(torch.zeros_like(chunk.speech))
    both, neither, spoken = passes.seen

    prompt, other = (networks.text_encoder(p) for p in (networks.preset.prompt, "something else"))
    assert not torch.equal(prompt, other)
    for each, text in ((both, prompt), (neither, other), (spoken, other)):
        assert torch.equal(each["text"], text)
        assert torch.equal(each["image"], talk.conditions.image)
    assert torch.equal(neither["audio_tokens"], silent)
    assert torch.equal(both["audio_tokens"], spoken["audio_tokens"])
    assert not torch.equal(both["audio_tokens"], silent)

    given = both["noisy"][:, :, : chunk.num_motion]
    assert torch.equal(hold_motion(both["noisy"], chunk.state.motion_latents), noisy)
    assert torch.equal(given, chunk.state.motion_latents) is (motion == "clean")
    share = times.view(-1, 1, 1, 1, 1)
    if motion == "noised":
        noise = (given - (1 - share) * chunk.state.motion_latents) / share
        assert noise.std().item() == pytest.approx(1.0, abs=0.25)
    guided = (
        neither["velocity"]
        + CONFIG.audio_guidance * (spoken["velocity"] - neither["velocity"])
        + CONFIG.text_guidance * (both["velocity"] - spoken["velocity"])
    )
    torch.testing.assert_close(real, both["noisy"] - share * guided, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(both["velocity"], spoken["velocity"], atol=1e-3)
    assert not torch.allclose(neither["velocity"], spoken["velocity"], atol=1e-3)


def test_what_the_recipe_distills_is_a_published_checkpoint_again(
    networks, talks, checkpoint: Path, tmp_path: Path
) -> None:
    config = replace(
        recipes.stage2_14b(tmp_path),
        out=tmp_path / "run",
        steps=1,
        rate=1e-3,
        critic_rate=1e-3,
        accumulate=1,
        warmup_steps=1,
        device="cpu",
        loss=replace(CONFIG, chunks=1),
        splitting=Splitting(recompute=True),
    )
    learner = distill(networks, talks, config)
    save_published(checkpoint, tmp_path / "run", tmp_path / "out", torch.float32)

    stored = survey(tmp_path / "out", TRANSFORMER, "")
    read_back = dict(read(stored, dict.fromkeys(stored), torch.float32))
    trained = read_checkpoint(tmp_path / "run")["average"]
    assert set(read_back) == set(trained) == set(networks.transformer.state_dict())
    assert all(torch.equal(read_back[name], value) for name, value in trained.items())
    before = networks.transformer.state_dict()
    moved = [name for name, value in trained.items() if not torch.equal(value, before[name])]
    assert len(moved) > 0.9 * len(trained)
    assert not any(p.isnan().any() for p in learner.transformer.parameters())
    config_file = (tmp_path / "out" / "config.json").read_text()
    assert config_file == (checkpoint / "config.json").read_text()
