"""Stage 2 at toy size: the real networks, losses and loop."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from flashtalk.config import FOURTEEN_B, TINY, Preset
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from flashtalk.models.networks import Networks
from flashtalk.weights import build_networks
from lab.options import TINY_WEIGHTS, read_options
from lab.training import recipes, stage2
from lab.training.checkpoints.import_checkpoint import import_checkpoint
from lab.training.data.talks import Person, TalkSource, covering, load_people
from lab.training.loop import load_average, read_checkpoint
from lab.training.losses.stage2_loss import Stage2Config
from lab.training.options import Splitting
from lab.training.stage2 import Stage2, distill

CONFIG = Stage2Config(chunks=2, batch=1, audio_guidance=3.0)


def toy(out: Path, steps: int, **settings: object) -> Stage2:
    """Stage 2 of toy networks, which are given as they are."""
    usual = {"data": Path("clips"), "rate": 1e-3, "critic_rate": 1e-3, "loss": CONFIG}
    return Stage2(out=out, steps=steps, **usual | settings)


def train(networks: Networks, source: TalkSource, out: Path, steps: int) -> Networks:
    config = toy(out, steps, warmup_steps=1, log_every=2, critic_ratio=2)
    return distill(networks, source, config)


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


def test_five_updates_of_the_critic_to_one_of_the_generator(
    toy_networks, source, tmp_path: Path
) -> None:
    """The paper's ratio, unless another one is asked for."""
    config = toy(tmp_path, 5, loss=replace(CONFIG, chunks=1))
    assert config.critic_ratio == 5
    distill(toy_networks, source, config)
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    updates = [each["optimizer"]["state"][0]["step"] for each in (saved, *saved["others"].values())]
    assert updates == [1, 5]


def test_only_the_student_goes_without_the_flow_prior(speech: np.ndarray, tmp_path: Path) -> None:
    networks = build_networks(TINY)
    picture = np.random.default_rng(0).integers(0, 255, (1, 256, 256, 3), dtype=np.uint8)
    source = TalkSource([Person(picture, speech)], TINY.geometry)
    config = toy(tmp_path, 1, loss=Stage2Config(chunks=1, batch=1), flow_prior=False)
    learner = distill(networks, source, config)
    assert not learner.transformer.flow_anchor.corrects
    assert networks.transformer.flow_anchor.corrects


@pytest.fixture
def talking_clip(speech: np.ndarray, tmp_path: Path) -> Path:
    """A clip of one picture, as if its video had been unpacked before."""
    picture = np.random.default_rng(0).integers(0, 255, (1, 256, 256, 3), dtype=np.uint8)
    folder = tmp_path / "clips"
    (folder / "cache").mkdir(parents=True)
    soundfile.write(folder / "a.wav", speech, 16_000)
    (folder / "a.mp4").touch()
    np.save(folder / "cache" / "a.npy", picture)
    return folder


def test_attention_looks_back_only_if_asked(talking_clip: Path, tmp_path: Path) -> None:
    """Both losses are computed with it: neither is what it is without."""
    given = ["--data", str(talking_clip), "--weights", "flashtalk-tiny", "--chunks", "1"]
    given += ["--batch", "1", "--steps", "1", "--log-every", "1"]
    given += ["--threads", str(torch.get_num_threads())]

    def first_losses(run: str, *options: str) -> dict[str, float]:
        out = tmp_path / run
        assert stage2.main([*given, "--out", str(out), *options]) == 0
        return json.loads((out / "log.jsonl").read_text())

    plain, again = first_losses("plain"), first_losses("again")
    causal = first_losses("causal", "--causal")
    for name in ("dmd", "critic"):
        assert plain[name] == pytest.approx(again[name], rel=1e-3)
        assert plain[name] != pytest.approx(causal[name], rel=1e-2)


def test_the_recipe_distills_the_embedded_model(talking_clip: Path, tmp_path: Path) -> None:
    import_checkpoint(TINY_WEIGHTS, tmp_path)  # what Stage 2 begins with
    recipe = recipes.stage2_tiny(tmp_path)
    config = replace(
        recipe,
        out=tmp_path / "distilled",
        steps=1,
        threads=torch.get_num_threads(),
        device="cpu",
        loss=replace(recipe.loss, batch=1, draws=2, chunks=1),
    )
    recipes.run(config)
    made, start = (read_checkpoint(tmp_path / name) for name in ("distilled", "stage1"))
    assert made["step"] == 1 and made["average"].keys() == start["average"].keys()
    assert not torch.equal(made["model"]["head.head.weight"], start["average"]["head.head.weight"])


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


# --- command line ---------------------------------------------------------------------------------
def test_missing_options_are_named(capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        stage2.main(["--out", "here"])
    assert "--data" in capsys.readouterr().err


def test_a_missing_training_is_named(capsys, tmp_path) -> None:
    arguments = ["--data", "clips", "--out", str(tmp_path), "--runs", str(tmp_path)]
    assert stage2.main([*arguments, "--threads", str(torch.get_num_threads())]) == 2
    assert f"no checkpoint in {tmp_path / 'speech'}" in capsys.readouterr().err


def settings(preset: Preset, *arguments: str) -> Stage2Config:
    given = ["--data", "clips", "--out", "run", *arguments]
    config = read_options(Stage2, given).loss
    config.require_fit(preset)
    return config


def test_the_command_line_sets_what_it_says_and_nothing_else() -> None:
    assert settings(FOURTEEN_B) == settings(TINY) == Stage2Config()
    given = settings(
        FOURTEEN_B, "--negative-prompt", "dull", "--teacher-motion", "noised", "--motion-weight=0"
    )
    expected = Stage2Config(negative_prompt="dull", teacher_motion="noised", motion_weight=0.0)
    assert given == expected


def test_the_documented_training_of_the_14b_is_the_published_recipe() -> None:
    page = (Path(__file__).parents[3] / "docs" / "run-the-14b.md").read_text(encoding="utf-8")
    command = page.split("-m lab.training.stage2 \\\n")[1].split("```")[0]
    config = read_options(Stage2, command.replace("\\\n", " ").split())
    assert (config.rate, config.critic_rate) == (2e-6, 4e-7)
    assert (config.steps, config.loss.chunks, config.critic_ratio) == (200, 5, 5)
    assert config.splitting == Splitting(shard=True, recompute=True) and config.device == "cuda"
    assert config.loss == Stage2Config(batch=1, motion_weight=1.0)
    recipe = recipes.stage2_14b(Path("runs"))
    assert config == replace(recipe, data=Path("clips"), loss=config.loss)
    assert recipe.loss == Stage2Config(batch=1)


def test_what_the_embedded_model_cannot_do_is_said(caplog) -> None:
    with pytest.raises(FlashTalkError, match=r"flashtalk-tiny.* Use --teacher-motion clean"):
        settings(TINY, "--teacher-motion", "noised")
    for preset, told in ((FOURTEEN_B, False), (TINY, True)):
        caplog.clear()
        settings(preset)
        assert not caplog.text
        settings(preset, "--motion-weight", "1")
        assert ("--motion-weight does nothing for flashtalk-tiny" in caplog.text) is told


@pytest.mark.parametrize(("name", "value"), [("chunks", 0), ("batch", 0), ("audio_guidance", -1.0)])
def test_impossible_settings_are_refused(name, value) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        Stage2Config(**{name: value})
