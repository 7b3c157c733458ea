"""Stage 2 at toy size: the real networks, losses and loop."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from published_checkpoint import write_checkpoint
from torch import Tensor

from flashtalk.config import FOURTEEN_B, TINY
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from flashtalk.models.transformer import VideoTransformer
from flashtalk.stream.chunk import Networks
from flashtalk.training import stage2
from flashtalk.training.distributed import checkpoint_activations
from flashtalk.training.export import save_published
from flashtalk.training.loop import LoopConfig, load_average
from flashtalk.training.memory import count_parameters, plan_memory
from flashtalk.training.self_correction import Distillation, Stage2Config
from flashtalk.training.stage2 import distill
from flashtalk.training.talks import Person, TalkSource, covering, load_people
from flashtalk.weights import build_networks
from flashtalk.weights.checkpoint import find_checkpoint
from flashtalk.weights.published import TRANSFORMER
from flashtalk.weights.strict import assign, check, read, survey

CONFIG = Stage2Config(chunks=2, batch=1, audio_guidance=3.0)


@pytest.fixture(scope="module")
def source(speech: np.ndarray, toy_networks: Networks) -> TalkSource:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (2, 5, 64, 64, 3), dtype=np.uint8)
    people = [
        Person(each, samples) for each, samples in zip(pictures, np.split(speech, 2), strict=True)
    ]
    return TalkSource(people, toy_networks.preset.geometry)


@pytest.fixture
def losses(toy_networks: Networks, source: TalkSource) -> Callable[..., Distillation]:
    def make(**settings) -> Distillation:
        generator, fake = (
            copy.deepcopy(toy_networks.transformer).requires_grad_(True) for _ in range(2)
        )
        learner = replace(toy_networks, transformer=generator)
        config = replace(CONFIG, **settings)
        return Distillation(learner, toy_networks.transformer, fake, source, config)

    return make


def gradient_of(model: torch.nn.Module) -> float:
    return sum(p.grad.abs().sum().item() for p in model.parameters() if p.grad is not None)


def test_each_loss_trains_its_own_network(losses) -> None:
    distillation = losses()
    generator, fake = distillation.networks.transformer, distillation.fake_score
    loss, figures = distillation.generator_step(0)
    loss.backward()
    assert gradient_of(generator) > 0 and gradient_of(fake) == 0
    assert set(figures) == {"dmd", "real_gap", "score_gap", "motion"}
    generator.zero_grad()
    loss, figures = distillation.critic_step(0)
    loss.backward()
    assert gradient_of(fake) > 0 and gradient_of(generator) == 0
    assert not any(p.requires_grad for p in distillation.real_score.parameters())


def test_without_guidance_two_equal_scores_leave_the_generator_alone(losses) -> None:
    """At the start the fake score is the real one: all that pulls is the guidance."""
    _, figures = losses(audio_guidance=1.0, motion_weight=0.0).generator_step(0)
    assert figures["score_gap"] < 1e-5 * figures["real_gap"]
    _, guided = losses(motion_weight=0.0).generator_step(0)
    assert guided["score_gap"] > 0.003 * guided["real_gap"]


def test_a_step_repeats_itself_and_every_step_and_seed_is_another(losses) -> None:
    values = [
        losses(seed=seed).critic_step(index)[0].item()
        for seed, index in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert values[0] == values[1]
    assert len(set(values)) == 3


@pytest.mark.parametrize(
    "setting", [{"teacher_motion": "noised"}, {"times": "interval"}, {"draws": 3}]
)
def test_options_change_the_gradient(losses, setting) -> None:
    usual, _ = losses().generator_step(1)
    other, figures = losses(**setting).generator_step(1)
    assert other.item() != usual.item()
    assert np.isfinite(list(figures.values())).all()


def test_several_draws_judge_the_same_chunk_and_keep_motion_latents_clean(losses) -> None:
    distillation = losses(draws=3)
    talk, chunk, exit_step, chance = distillation._chunk(0, 0)
    noisy, noise, times = distillation._noised(chunk, exit_step, chance)
    assert noisy.shape == noise.shape == (3, *chunk.estimate.shape[1:])
    assert len(set(times.tolist())) == 3
    given = noisy[:, :, : chunk.motion]
    assert torch.equal(given, chunk.state.motion_latents.expand_as(given))
    one = distillation._velocity(distillation.real_score, talk, chunk, noisy, times)
    assert one.shape == noisy.shape and not torch.equal(one[0], one[1])


def train(networks: Networks, source: TalkSource, out: Path, steps: int) -> Networks:
    loop = LoopConfig(out, steps, learning_rate=1e-3, warmup_steps=1, final_share=1.0, log_every=2)
    return distill(networks, source, CONFIG, loop, critic_rate=1e-3, critic_ratio=2)


def test_a_stopped_training_continues_identically(toy_networks, source, tmp_path: Path) -> None:
    before = [p.clone() for p in toy_networks.transformer.parameters()]
    straight = train(toy_networks, source, tmp_path / "straight", 4).transformer.state_dict()
    train(toy_networks, source, tmp_path / "stopped", 3)
    again = train(toy_networks, source, tmp_path / "stopped", 4).transformer.state_dict()
    assert all(torch.equal(again[name], value) for name, value in straight.items())
    one, other = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("straight", "stopped")
    )
    for key in ("average", "model"):
        assert all(torch.equal(other[key][name], value) for name, value in one[key].items())
    critic, again = (each["others"]["fake_score"]["model"] for each in (one, other))
    assert all(torch.equal(again[name], value) for name, value in critic.items())
    # two updates of the generator, four of the critic
    assert one["optimizer"]["state"][0]["step"] == 2
    assert one["others"]["fake_score"]["optimizer"]["state"][0]["step"] == 4
    # the teacher has not moved, the student has
    assert all(map(torch.equal, before, toy_networks.transformer.parameters()))
    assert not torch.equal(straight["head.head.weight"], toy_networks.transformer.head.head.weight)
    # what ships is read as a Stage 1 checkpoint is
    shipped = load_average(tmp_path / "straight", copy.deepcopy(toy_networks.transformer))
    assert torch.equal(shipped.head.head.weight, one["average"]["head.head.weight"])


def test_only_the_student_lets_errors_stay(speech: np.ndarray, tmp_path: Path) -> None:
    networks = build_networks(TINY)
    picture = np.random.default_rng(0).integers(0, 255, (1, 256, 256, 3), dtype=np.uint8)
    source = TalkSource([Person(picture, speech)], TINY.geometry)
    loop = LoopConfig(tmp_path, 1, learning_rate=1e-3)
    config = Stage2Config(chunks=1, batch=1)
    learner = distill(networks, source, config, loop, critic_rate=1e-3, errors_stay=True)
    assert learner.transformer.hand_over.errors_stay
    assert not networks.transformer.hand_over.errors_stay


def test_recomputing_activations_changes_neither_gradients_nor_names(losses) -> None:
    gradients = []
    for recompute in (False, True):
        distillation = losses()
        generator = distillation.networks.transformer
        if recompute:
            checkpoint_activations(generator)
        assert set(generator.state_dict()) == set(distillation.real_score.state_dict())
        distillation.generator_step(3)[0].backward()
        gradients.append([p.grad for p in generator.parameters()])
    assert all(map(torch.equal, *gradients))


# --- data -----------------------------------------------------------------------------------------
def test_talks_have_the_models_size_and_enough_speech(source: TalkSource) -> None:
    portraits, samples = source.draw(3, 4, np.random.default_rng(1))
    assert portraits.shape == (3, 3, 64, 64)
    assert portraits.min() >= -1.0 and portraits.max() <= 1.0
    ahead = 5 * 640
    assert samples.shape == (3, 4 * 17_920 + ahead) and samples.dtype == torch.float32
    again = source.draw(3, 4, np.random.default_rng(1))
    assert torch.equal(again[0], portraits) and torch.equal(again[1], samples)


def test_pictures_cover_other_sizes() -> None:
    geometry = ChunkGeometry(height_px=128, width_px=64, spatial_stride=32)
    across = torch.linspace(-1, 1, 100).expand(1, 3, 50, 100)
    cut: Tensor = covering(across, geometry)
    assert cut.shape == (1, 3, 128, 64)
    assert cut.mean().abs() < 0.02 and cut.max() < 0.4  # the middle quarter of the width


def test_other_sound_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(FlashTalkError, match="no clips to train on"):
        load_people(tmp_path, 16_000)
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 8_000)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(FlashTalkError, match="8000 Hz"):
        load_people(tmp_path, 16_000)


# --- memory ---------------------------------------------------------------------------------------
def test_the_plan_counts_the_real_network(toy_networks: Networks) -> None:
    counts = count_parameters(toy_networks.preset)
    whole = sum(p.numel() for p in toy_networks.transformer.parameters())
    layers = [
        sum(p.numel() for p in block.parameters()) for block in toy_networks.transformer.blocks
    ]
    assert counts.whole == whole == counts.around + sum(layers)
    one = plan_memory(counts, 1, torch.bfloat16)
    assert (one.generator, one.fake_score, one.real_score) == (20 * whole, 16 * whole, 2 * whole)
    assert one.gathered == 0
    two = plan_memory(counts, 2, torch.bfloat16)
    assert two.generator == 10 * whole and two.gathered > 0


def test_the_plan_of_the_14b_is_printed_without_data(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["stage2", "--plan", "--preset", FOURTEEN_B.name])
    assert stage2.main() == 0
    printed = capsys.readouterr().out
    assert "18,882,046,784 parameters" in printed
    assert [int(line.split()[0]) for line in printed.splitlines()[4:11]] == [1, 2, 4, 8, 16, 32, 64]


def test_missing_options_are_named(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["stage2", "--out", "here"])
    assert stage2.main() == 2
    assert "needs --data" in capsys.readouterr().err


def test_a_missing_training_is_named(monkeypatch, capsys, tmp_path) -> None:
    arguments = ["--data", "clips", "--out", str(tmp_path), "--runs", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["stage2", *arguments])
    assert stage2.main() == 2
    assert f"no checkpoint in {tmp_path / 'speech'}" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("chunks", 0), ("batch", 0), ("audio_guidance", -1.0)])
def test_impossible_settings_are_refused(name, value) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        Stage2Config(**{name: value})


# --- export ---------------------------------------------------------------------------------------
def test_what_began_as_a_published_checkpoint_is_exported_as_one(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "published")
    preset = find_checkpoint(source).preset
    trained = VideoTransformer(preset.transformer)
    (tmp_path / "run").mkdir()
    torch.save({"average": trained.state_dict()}, tmp_path / "run" / "checkpoint.pt")
    save_published(source, tmp_path / "run", tmp_path / "out", torch.float32)

    stored = survey(tmp_path / "out", TRANSFORMER, "")
    read_back = VideoTransformer(preset.transformer)
    shapes = {name: entry.shape for name, entry in stored.items()}
    names = check(read_back, shapes, TRANSFORMER, "transformer", "")
    assign(read_back, read(stored, names, torch.float32), TRANSFORMER)
    for name, value in trained.state_dict().items():
        assert torch.equal(read_back.state_dict()[name], value)
    config = (tmp_path / "out" / "config.json").read_text()
    assert config == (source / "config.json").read_text()
