"""Stage 1: what is clean, noised and left out of a chunk, and its steps for both families."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clip_files import make_clip, write_clip
from published_checkpoint import write_checkpoint
from torch import Tensor, nn

from flashtalk.config import TINY, Preset
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.denoiser import TinyDenoiser
from flashtalk.models.tiny.face_code import FEATURES, FLOW
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from flashtalk.stream.schedule import shifted_timesteps
from flashtalk.weights import modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from lab.training import loop, recipes, stage1
from lab.training.checkpoints.export import save_published
from lab.training.data.chunks import (
    SHORT_CHUNK_FRAMES,
    Bucket,
    ChunkBatch,
    buckets_of,
    windowed_features,
)
from lab.training.data.latents import LatentClip, LatentSampler
from lab.training.data.video_dataset import draw_windows, gather_chunks
from lab.training.distributed import ALONE, Alone
from lab.training.loop import read_checkpoint
from lab.training.losses.stage1_loss import (
    PLAIN,
    PUBLISHED_LOSS,
    TINY_LOSS,
    Objective,
    chunk_loss,
    draw_times,
    drop_conditions,
)
from lab.training.options import Splitting
from lab.training.stage1 import Stage1, fit_transformer
from lab.training.tiny import stage1 as tiny_stage1
from lab.training.tiny.objective import (
    FLOW_NOISE,
    MOTION_NOISE,
    TinyObjective,
    set_carried_share,
)

TINY_OBJECTIVE = TinyObjective(TINY.transformer)
SIZES = ((64, 64), (96, 64))
SHORT_BUCKETS = (Bucket(17, 64, 64), Bucket(17, 96, 64))


# --- the embedded model ---------------------------------------------------------------------------
@pytest.fixture(scope="module")
def sampler() -> LatentSampler:
    rng = np.random.default_rng(0)
    clip = LatentClip(
        codes=rng.standard_normal((60, len(FEATURES), 8, 8)).astype(np.float16),
        reference=rng.standard_normal((len(FEATURES), 8, 8)).astype(np.float16),
        samples=(0.1 * rng.standard_normal(60 * 640)).astype(np.float32),
        curves=np.zeros((60, 2), np.float32),
        closed=np.zeros(60, np.float32),
    )
    return LatentSampler([clip], TINY, seed=0)


@pytest.fixture(scope="module")
def model() -> TinyDenoiser:
    torch.manual_seed(0)
    model = TinyDenoiser(TINY.transformer).requires_grad_(False)
    set_carried_share(model)
    for name, parameter in model.named_parameters():  # new ones have closed gates
        if "flow_anchor" not in name and "smoothing" not in name and parameter.dim() > 1:
            parameter.normal_(std=0.05)
    return model


def embedded(sampler: LatentSampler) -> tuple[Preset, ChunkBatch]:
    """Two chunks with random speech."""
    preset, (latents, reference, weight, closed, _) = sampler.draw(2)
    features = preset.transformer.speech
    frames = preset.geometry.chunk_frames
    speech = torch.randn(2, frames, features.window_frames, features.layers, features.width)
    return preset, ChunkBatch(latents, reference, weight, speech, closed)


def loss_of(
    model: nn.Module,
    chunks: ChunkBatch,
    preset: Preset,
    objective: Objective | None = None,
    **settings,
) -> float:
    """Always with the same random numbers; ``settings`` are of the loss."""
    torch.manual_seed(1)
    recipe, usual = (
        (PUBLISHED_LOSS, PLAIN) if chunks.text is not None else (TINY_LOSS, TINY_OBJECTIVE)
    )
    recipe = replace(recipe, **settings)
    return chunk_loss(model, chunks, preset, recipe, objective or usual)[0].item()


def test_batches_have_one_length_and_all_lengths_come(sampler, model) -> None:
    encoder = SpeechEncoder(TINY.speech_encoder).eval().requires_grad_(False)
    lengths, losses = {TINY.geometry.chunk_frames, SHORT_CHUNK_FRAMES}, {}
    for _ in range(60):
        preset, (latents, reference, weight, closed, samples) = sampler.draw(2)
        frames = preset.geometry.chunk_frames
        assert latents.shape[2] == weight.shape[2] == preset.geometry.chunk_latents
        assert closed.shape == (2, frames)
        assert samples.shape == (2, preset.geometry.speech_window_samples)
        if frames not in losses:
            speech = windowed_features(encoder, samples, preset)
            assert speech.shape[1] == frames
            chunks = ChunkBatch(latents, reference, weight, speech, closed)
            losses[frames] = loss_of(model, chunks, preset)
        if len(losses) == len(lengths):
            break
    assert set(losses) == lengths
    assert all(np.isfinite(loss) and loss > 0 for loss in losses.values())


class KnownFlow(nn.Module):
    """In the network's place: the true velocity, as far as its input tells it, and an error.

    Given latents tell no velocity; what is said there must not matter.
    """

    def __init__(self, true: Tensor, error_at: int | None, anchored: bool) -> None:
        super().__init__()
        self.anchored = anchored
        self.true = true
        self.error_at = error_at

    def project_speech(self, speech: Tensor) -> Tensor:
        return speech

    def condition(self, reference: Tensor, *_: Tensor | int | None) -> Tensor:
        return reference

    def forward(self, noisy: Tensor, timestep: Tensor, *_: Tensor, num_motion: int) -> Tensor:
        motion = num_motion
        assert motion in (1, 2)
        assert not torch.equal(noisy[:, :, motion], self.true[:, :, motion])
        velocity = (noisy - self.true) / (timestep / 1000.0).view(-1, 1, 1, 1, 1)
        velocity[:, :, :motion] = 100.0
        if self.error_at is not None:
            velocity[:, :, motion + self.error_at] += 1.0
        return velocity


@pytest.mark.parametrize("anchored", [False, True])
def test_a_chunk_teaches_the_flow_behind_the_latents_that_are_given(anchored, toy_networks) -> None:
    preset = toy_networks.preset
    torch.manual_seed(0)
    latents = torch.randn(2, 44, 9, 2, 2)
    chunks = ChunkBatch(
        latents=latents,
        reference=torch.randn(2, 44, 1, 2, 2),
        weight=torch.ones_like(latents),
        speech=torch.randn(2, 33, 5, 2, 8),
    )
    for _ in range(8):  # a single given latent and two
        figures = [
            chunk_loss(KnownFlow(latents, error_at, anchored), chunks, preset, TINY_LOSS)[1]
            for error_at in (None, 0)
        ]
        assert figures[0]["flow"] < 1e-6 and figures[0]["temporal"] < 1e-6
        assert figures[1]["flow"] > 1e-4 and figures[1]["temporal"] > 1e-4


def test_without_speech_the_loss_does_not_depend_on_it(sampler, model) -> None:
    preset, chunks = embedded(sampler)
    other = replace(chunks, speech=torch.randn_like(chunks.speech))
    for dropped, same in ((1.0, True), (0.0, False)):
        losses = [loss_of(model, each, preset, no_speech=dropped) for each in (chunks, other)]
        assert (losses[0] == losses[1]) is same


class Bending(TinyObjective):
    """Motion latents are bent, but carry no noise."""

    def motion_noise(self, motion_latents: Tensor) -> Tensor:
        return torch.zeros_like(motion_latents)


@pytest.mark.parametrize(("share", "motion"), [(1.0, 1), (0.0, 2)])
def test_a_cold_start_has_one_motion_latent_and_else_there_are_two(
    sampler, model, share: float, motion: int
) -> None:
    preset, chunks = embedded(sampler)
    given = []
    hook = model.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
    loss_of(model, chunks, preset, Bending(TINY.transformer), cold_start=share)
    hook.remove()
    latents, _, condition = given[0][:3]
    mask = condition[0, 0, :, 0, 0]
    assert mask.tolist() == [1.0] * motion + [0.0] * (len(mask) - motion)
    if motion == 1:  # with two, both are bent
        assert torch.equal(latents[:, :, :1], chunks.latents[:, :, :1])
    assert not torch.equal(latents[:, :, motion], chunks.latents[:, :, motion])


@pytest.mark.parametrize(("motion", "share"), [(1, 1.0), (2, 0.0)])
def test_what_is_given_is_outside_the_loss(sampler, model, motion: int, share: float) -> None:
    preset, chunks = embedded(sampler)
    usual = loss_of(model, chunks, preset, cold_start=share)
    for latent, same in ((motion - 1, True), (motion, False)):
        weight = chunks.weight.clone()
        weight[:, :, latent, 0] *= 100.0
        other = loss_of(model, replace(chunks, weight=weight), preset, cold_start=share)
        assert (other == usual) is same


def test_half_of_the_times_are_the_samplers_and_the_others_are_shifted() -> None:
    torch.manual_seed(0)
    visited = torch.tensor(shifted_timesteps(TINY.sampler)[:-1]) / 1000
    times = draw_times(20_000, TINY.sampler, 0.5)
    at_a_step = torch.isin(times, visited)
    assert abs(at_a_step.float().mean() - 0.5) < 0.01
    for step in visited:
        assert abs((times == step).float().mean() - 0.125) < 0.01
    for chosen in (times[~at_a_step], draw_times(20_000, TINY.sampler, 0.0)):
        assert chosen.min() > 0.0 and chosen.max() <= 1.0
        uniform = chosen / (5.0 - 4.0 * chosen)  # the shift by 5, undone
        quarters = torch.tensor([(uniform < quarter).float().mean() for quarter in (0.25, 0.5)])
        torch.testing.assert_close(quarters, torch.tensor([0.25, 0.5]), atol=0.015, rtol=0)
    assert torch.isin(draw_times(100, TINY.sampler, 1.0), visited).all()


def test_motion_noise_is_weak_where_motion_encoding_is_exact() -> None:
    torch.manual_seed(0)
    noise = TINY_OBJECTIVE.motion_noise(torch.zeros(3000, 4 * len(FEATURES), 1, 2, 2))
    spread = noise.unflatten(1, (4, -1)).square().mean(dim=(0, 1, 3, 4, 5)).sqrt()
    for name, value in zip(FEATURES, spread, strict=True):
        strength = FLOW_NOISE if name in FLOW else MOTION_NOISE
        assert value.item() == pytest.approx(strength / 3**0.5, rel=0.1)  # share uniform in 0..1
    # one share for all of a chunk: some chunks have nearly none
    each = noise[:, 4].square().mean(dim=(1, 2, 3)).sqrt()
    assert each.min() < 0.05 * each.max()


def test_only_the_objective_of_the_embedded_model_adds_it(sampler, model) -> None:
    preset, chunks = embedded(sampler)
    given = []
    hook = model.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0][:, :, :1]))
    for objective in (PLAIN, TINY_OBJECTIVE):
        loss_of(model, chunks, preset, objective, cold_start=1.0)
    hook.remove()
    assert torch.equal(given[0], chunks.latents[:, :, :1])
    assert 0.0 < (given[1] - given[0]).abs().mean() < MOTION_NOISE


@pytest.mark.parametrize(
    ("name", "value"), [("no_speech", 1.5), ("temporal_weight", -1.0), ("batch", 0)]
)
def test_impossible_settings_are_refused(name: str, value: float, tmp_path: Path) -> None:
    usual = toy(tmp_path, steps=1) if name == "batch" else TINY_LOSS
    with pytest.raises(ValueError, match=f"{name} must be"):
        replace(usual, **{name: value})


# --- a published checkpoint -----------------------------------------------------------------------
@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("stage1") / "toy-14b")


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
    # the first latent is the first frame's alone: what a session hands over, it can start from
    windows = draw_windows([make_clip()], preset.geometry, 2, np.random.default_rng(0))
    handed_over = networks.autoencoder.encode(windows.video[:, :, :5])
    torch.testing.assert_close(handed_over, batch.latents[:, :, :2])


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_finds_about_the_same_loss(sampler, model) -> None:
    """Its random numbers are others: what is compared is the mean of several batches."""
    gpu = copy.deepcopy(model).cuda()
    means = []
    for network, device in ((model, "cpu"), (gpu, "cuda")):
        losses = []
        for _ in range(8):
            preset, chunks = embedded(sampler)
            parts = {
                name: value.to(device) for name, value in vars(chunks).items() if value is not None
            }
            losses.append(
                chunk_loss(network, ChunkBatch(**parts), preset, TINY_LOSS, TINY_OBJECTIVE)[
                    0
                ].item()
            )
        means.append(np.mean(losses))
    assert means[1] == pytest.approx(means[0], rel=0.3)
