"""Stage 1 of a published checkpoint, and the command for both families."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clip_files import make_clip, write_clip
from stage1_losses import loss_of

from flashtalk.config import TINY, Preset
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.denoiser import TinyDenoiser
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from flashtalk.weights import modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from lab.training import loop, recipes, stage1
from lab.training.checkpoints.export import save_published
from lab.training.data.chunks import (
    Bucket,
    ChunkBatch,
    buckets_of,
)
from lab.training.data.video_dataset import draw_windows, gather_chunks
from lab.training.distributed import ALONE, Alone
from lab.training.loop import read_checkpoint
from lab.training.losses.stage1_loss import (
    PUBLISHED_LOSS,
    TINY_LOSS,
    drop_conditions,
)
from lab.training.options import Splitting
from lab.training.stage1 import Stage1, fit_transformer
from lab.training.tiny import stage1 as tiny_stage1

SIZES = ((64, 64), (96, 64))
SHORT_BUCKETS = (Bucket(17, 64, 64), Bucket(17, 96, 64))


# --- a published checkpoint -----------------------------------------------------------------------
@pytest.fixture
def networks(checkpoint: Path) -> Networks:
    return find_checkpoint(checkpoint).load(ALONE.device)


@pytest.fixture
def chunks(networks: Networks) -> tuple[Preset, ChunkBatch]:
    """Two chunks of 17 frames, upright, as the checkpoint's own encoders see them."""
    preset = buckets_of(networks.preset, SIZES)[-1].fitted(networks.preset)
    windows = draw_windows([make_clip()], preset.geometry, 2, np.random.default_rng(0))
    return preset, gather_chunks(replace(networks, preset=preset), windows, "blurred")


def test_windows_become_latents_and_conditions_of_the_checkpoint(networks, chunks) -> None:
    preset, batch = chunks
    assert batch.latents.shape == batch.reference.shape == (2, 16, 5, 12, 8)
    assert batch.weight.shape == (2, 1, 5, 12, 8)
    assert batch.speech.shape == (2, 17, 5, 2, 16)
    assert batch.text.shape == batch.null_text.shape and batch.image.shape[0] == 2
    assert batch.control is None
    # the first latent is the first frame's alone: a session can start from motion latents
    windows = draw_windows([make_clip()], preset.geometry, 2, np.random.default_rng(0))
    motion_latents = networks.autoencoder.encode(windows.video[:, :, :5])
    torch.testing.assert_close(motion_latents, batch.latents[:, :, :2])


def test_conditions_are_left_out_of_the_published_loss(networks, chunks) -> None:
    preset, usual = chunks
    other_speech = replace(usual, speech=torch.randn_like(usual.speech))
    other_text = replace(usual, text=torch.randn_like(usual.text))
    other_null = replace(usual, null_text=torch.randn_like(usual.null_text))
    model = networks.transformer.requires_grad_(False)

    def same(other: ChunkBatch, **settings: float) -> bool:
        one, two = (loss_of(model, each, preset, **settings) for each in (usual, other))
        return one == two

    nothing = {"no_speech": 1.0, "no_text": 1.0}
    assert same(other_speech, **nothing) and same(other_text, **nothing)
    assert not same(other_null, **nothing)
    everything = {"no_speech": 0.0, "no_text": 0.0}
    assert not same(other_speech, **everything) and not same(other_text, **everything)
    assert same(other_null, **everything)
    assert not same(replace(usual, image=-usual.image), **nothing)


def test_speech_is_never_left_out_where_text_is_kept() -> None:
    torch.manual_seed(0)
    count = 4000
    speech, text = torch.ones(count, 1, 1, 1, 1), torch.ones(count, 1, 1)
    heard, read = drop_conditions(speech, text, torch.zeros_like(text), PUBLISHED_LOSS)
    heard, read = heard.flatten(), read.flatten()
    assert abs((1 - heard).mean() - PUBLISHED_LOSS.no_speech) < 0.01
    assert abs((1 - read).mean() - PUBLISHED_LOSS.no_text) < 0.015
    assert (heard >= read).all()


def test_faces_and_mouths_weigh_more_in_the_published_loss(networks, chunks) -> None:
    preset, usual = chunks
    even = replace(usual, weight=torch.ones_like(usual.weight))
    model = networks.transformer.requires_grad_(False)
    assert loss_of(model, usual, preset) != loss_of(model, even, preset)
    assert loss_of(model, even, preset) == pytest.approx(
        loss_of(model, replace(even, weight=7.0 * even.weight), preset)
    )


def toy(out: Path, steps: int, **settings: object) -> Stage1:
    """Stage 1 of the toy checkpoint, which is given as networks."""
    given = {"data": Path("clips"), "weights": "toy", "rate": 1e-3, "accumulate": 1}
    return Stage1(out=out, steps=steps, **given, **settings)


def test_steps_train_the_transformer_alone_and_go_on_identically(
    checkpoint: Path, tmp_path: Path
) -> None:
    clips = [make_clip(20), make_clip(17, seed=1)]
    states = {}
    for out, stops in (("straight", [2]), ("stopped", [1, 2])):
        for steps in stops:
            networks = find_checkpoint(checkpoint).load(ALONE.device)
            config = toy(tmp_path / out, steps, splitting=Splitting(recompute=True))
            fit_transformer(networks, clips, SHORT_BUCKETS, config)
        states[out] = networks.transformer.state_dict()
    start = find_checkpoint(checkpoint).load(ALONE.device)
    for name, module in modules_of(start).items():
        after = modules_of(networks)[name].state_dict()
        same = [torch.equal(value, after[key]) for key, value in module.state_dict().items()]
        assert np.mean(same) < 0.1 if name == "transformer" else all(same)
    assert all(torch.equal(states["stopped"][k], v) for k, v in states["straight"].items())


def test_ranks_share_the_bucket_and_nothing_else(networks, tmp_path: Path) -> None:
    seen = []
    hook = networks.transformer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for index in range(2):
        ranks = Alone()
        ranks.index = index
        config = toy(tmp_path / str(index), steps=3)
        fit_transformer(networks, [make_clip(17)], SHORT_BUCKETS, config, ranks)
    hook.remove()
    first, other = seen[:3], seen[3:]
    assert [each.shape for each in first] == [each.shape for each in other]
    assert len({each.shape for each in first}) == len(SHORT_BUCKETS)
    assert not any(map(torch.equal, first, other))


@pytest.mark.parametrize(
    ("name", "value"), [("no_speech", 1.5), ("temporal_weight", -1.0), ("batch", 0)]
)
def test_impossible_settings_are_refused(name: str, value: float, tmp_path: Path) -> None:
    usual = toy(tmp_path, steps=1) if name == "batch" else TINY_LOSS
    with pytest.raises(ValueError, match=f"{name} must be"):
        replace(usual, **{name: value})


# --- the command ----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip, and what the recipes of Stage 1 begin with."""
    folder = tmp_path_factory.mktemp("runs")
    encoder = SpeechEncoder(TINY.speech_encoder).state_dict()
    heard = {f"encoder.{name}": value for name, value in encoder.items()}
    loop.write_checkpoint(folder / "speech", {"average": heard})
    start = TinyDenoiser(TINY.transformer).state_dict()
    for before in ("before", "stage2"):
        loop.write_checkpoint(folder / before, {"average": start})
    write_clip(folder / "clips", make_clip(40))
    return folder


@pytest.mark.parametrize(
    "recipe", [recipes.stage1_tiny, recipes.stage1_tiny_end, recipes.stage1_tiny_after]
)
def test_the_recipes_train_the_embedded_model(recipe, runs: Path, tmp_path: Path) -> None:
    small = {"steps": 1, "batch": 1, "threads": torch.get_num_threads(), "device": "cpu"}
    config = replace(recipe(runs), out=tmp_path / "run", **small)
    recipes.run(config)
    made = read_checkpoint(tmp_path / "run")
    assert made["step"] == 1 == made["optimizer"]["state"][0]["step"]
    assert set(made["average"]) == set(TinyDenoiser(TINY.transformer).state_dict())


def test_the_command_trains_the_embedded_model(runs: Path, tmp_path: Path) -> None:
    arguments = ["--data", runs / "clips", "--out", tmp_path / "run", "--speech", runs / "speech"]
    arguments += ["--steps", 1, "--batch", 1, "--threads", torch.get_num_threads(), "--causal"]
    assert tiny_stage1.main([*map(str, arguments)]) == 0
    assert read_checkpoint(tmp_path / "run")["step"] == 1


def test_the_recipe_trains_a_checkpoint_and_export_reads_it(
    checkpoint: Path, runs: Path, tmp_path: Path
) -> None:
    config = replace(
        recipes.stage1_14b(runs),
        weights=str(checkpoint),
        out=tmp_path / "run",
        steps=1,
        accumulate=1,
        size=("64x64",),
        threads=torch.get_num_threads(),
        device="cpu",
        splitting=Splitting(recompute=True),
    )
    recipes.run(config)
    save_published(checkpoint, tmp_path / "run", tmp_path / "out", torch.bfloat16)
    assert (tmp_path / "out" / "config.json").is_file()
    average = read_checkpoint(tmp_path / "run")["average"]
    assert set(average) == set(
        find_checkpoint(checkpoint).load(ALONE.device).transformer.state_dict()
    )


@pytest.mark.parametrize(
    ("command", "given", "message"),
    [
        (stage1, [], "--weights"),
        (tiny_stage1, [], "--speech"),
        (stage1, ["--weights", "flashtalk-tiny", "--speech", "runs/speech"], "options: --speech"),
        (tiny_stage1, ["--weights", "a", "--speech", "runs/speech"], "options: --weights"),
    ],
)
def test_what_does_not_go_together_is_named(command, given, message, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["--data", "clips", "--out", "run", *given])
    assert message in capsys.readouterr().err


def test_an_embedded_model_is_no_published_checkpoint(capsys) -> None:
    given = ["--data", "clips", "--out", "run", "--weights", "flashtalk-tiny"]
    assert stage1.main([*given, "--threads", str(torch.get_num_threads())]) == 2
    assert "an embedded model. Train it with python -m" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize(
    ("command", "what"),
    [(tiny_stage1, ["--speech", "runs/speech"]), (stage1, ["--weights", "checkpoints/14b"])],
)
def test_a_gpu_that_is_not_there_is_named(command, what, capsys, tmp_path) -> None:
    write_clip(tmp_path / "clips", make_clip(40))
    given = ["--data", str(tmp_path / "clips"), "--out", str(tmp_path / "run"), "--device", "cuda"]
    assert command.main([*given, *what]) == 2
    assert "PyTorch sees 0 CUDA GPUs" in capsys.readouterr().err
