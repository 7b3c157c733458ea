"""The video transformer at toy size: what depends on what, shapes, precision, first training."""

import copy
from dataclasses import replace

import pytest
import torch
from scenes import velocity_of

from flashtalk.config import FOURTEEN_B, TINY, SpeechFeatures, TransformerConfig
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.tiny.denoiser import TinyDenoiser

TOY = TransformerConfig(
    dim=32,
    ffn_dim=48,
    heads=2,
    layers=2,
    latent_channels=3,
    mask_channels=1,
    speech=SpeechFeatures(layers=2, width=5),
    audio_hidden=8,
    audio_tokens=3,
    audio_width=7,
    frequency_dim=16,
)
TOY_TEXT = replace(TOY, text_dim=9, text_tokens=6, image_dim=10, image_tokens=4)


def toy(config: TransformerConfig = TOY) -> VideoTransformer:
    """A model with every parameter random: a new one has closed gates and a zero head."""
    torch.manual_seed(0)
    model = VideoTransformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model


def inputs(config: TransformerConfig, batch: int = 1, grid=(3, 4, 6)) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    channels, speech = config.latent_channels, config.speech
    frames = 1 + config.temporal_stride * (grid[0] - 1)
    given = {
        "latents": random(batch, channels, *grid),
        "timestep": torch.linspace(900.0, 100.0, batch),
        "condition_latents": random(batch, config.in_channels - channels, *grid),
        "speech": random(batch, frames, speech.window_frames, speech.layers, speech.width),
    }
    if config.text_dim:
        given["text"] = random(batch, 4, config.text_dim)
        given["image"] = random(batch, config.image_tokens, config.image_dim)
    return given


@pytest.mark.parametrize("config", [TOY, TOY_TEXT], ids=["speech", "text"])
def test_every_input_changes_the_velocity(config: TransformerConfig) -> None:
    model, given = toy(config), inputs(config)
    with torch.inference_mode():
        velocity = velocity_of(model, **given)
        assert velocity.shape == given["latents"].shape
        for name, value in given.items():
            changed = velocity_of(model, **{**given, name: value.cos()})
            assert (changed - velocity).abs().max() > 1e-3, name


def test_a_batch_is_its_samples() -> None:
    model, given = toy(TOY_TEXT), inputs(TOY_TEXT, batch=3)
    with torch.inference_mode():
        together = velocity_of(model, **given)
        alone = [
            velocity_of(model, **{k: v[i : i + 1] for k, v in given.items()}) for i in range(3)
        ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("window", "stride"), [(5, 4), (3, 2), (7, 3)])
def test_a_latent_hears_its_own_frames(window: int, stride: int) -> None:
    speech = SpeechFeatures(layers=1, width=2, window_frames=window)
    model = toy(replace(TOY, speech=speech, temporal_stride=stride, audio_hidden=64))
    features = torch.randn(1, 1 + 2 * stride, window, 1, 2, requires_grad=True)
    tokens = model.project_speech(features)
    half = window // 2
    for latent in range(3):
        (gradient,) = torch.autograd.grad(
            tokens[:, latent].square().sum(), features, retain_graph=True
        )
        heard = {tuple(i) for i in gradient.abs().sum((0, 3, 4)).nonzero().tolist()}
        # As moments: window position p of frame f is the sound at frame f + p - half.
        if latent == 0:
            expected = {(0, p) for p in range(window)}
        else:
            first, last = 1 + stride * (latent - 1), stride * latent
            expected = {(f, half) for f in range(first, last + 1)}
            expected |= {(first, p) for p in range(half)}
            expected |= {(last, p) for p in range(half, window)}
        assert heard == expected


def test_sound_reaches_only_its_own_latent_frame() -> None:
    attend = toy().blocks[0].audio_cross_attn
    x, tokens = torch.randn(2, 3 * 4, TOY.dim), torch.randn(2, 3, TOY.audio_tokens, TOY.audio_width)
    louder = tokens.clone()
    louder[:, 1] *= 2
    with torch.inference_mode():
        moved = (attend(x, louder) - attend(x, tokens)).abs().amax(dim=(0, 2)) > 0
    assert moved.view(3, 4).all(dim=1).tolist() == [False, True, False]
    assert moved.sum() == 4


def test_text_padding_is_attended_and_equals_explicit_zeros() -> None:
    model, given = toy(TOY_TEXT), inputs(TOY_TEXT)
    zeros = torch.zeros(1, 2, TOY_TEXT.text_dim)
    with torch.inference_mode():
        padded = velocity_of(model, **{**given, "text": torch.cat((given["text"], zeros), dim=1)})
        torch.testing.assert_close(velocity_of(model, **given), padded)


def test_a_new_model_predicts_zero_and_every_parameter_learns() -> None:
    torch.manual_seed(0)
    model, given = VideoTransformer(TOY_TEXT), inputs(TOY_TEXT, batch=2)
    assert velocity_of(model, **given).abs().max() == 0
    start = copy.deepcopy(dict(model.named_parameters()))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(25):
        loss = (velocity_of(model, **given) - given["latents"]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    still = [n for n, p in model.named_parameters() if torch.equal(p, start[n])]
    assert not still


def test_sixteen_bit_weights_keep_the_timestep_in_float32() -> None:
    model, given = toy(), inputs(TOY)
    half = copy.deepcopy(model).bfloat16()
    seen = []
    half.blocks[0].register_forward_pre_hook(
        lambda _, args: seen.append((args[0].dtype, args[1].dtype))
    )
    with torch.inference_mode():
        expected, velocity = velocity_of(model, **given), velocity_of(half, **given)
    assert seen == [(torch.bfloat16, torch.float32)]
    assert velocity.dtype == torch.float32
    assert (velocity - expected).std() < 0.05 * expected.std()


def test_autocast_leaves_the_time_embedding_alone() -> None:
    model, x = toy(), torch.randn(1, TOY.frequency_dim)
    with torch.inference_mode():
        expected = model.time_projection(model.time_embedding(x))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(model.time_projection(model.time_embedding(x)), expected)


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (TOY, {"latents": torch.zeros(1, 3, 3, 5, 6)}, "not whole patches"),
        (TOY, {"speech": torch.zeros(1, 5, 5, 2, 5)}, "speech for 2 latent frames, expected 3"),
        (TOY, {"speech": torch.zeros(1, 8, 5, 2, 5)}, "speech frames - 1: 7"),
        (TOY, {"text": torch.zeros(1, 4, 9)}, "no text input"),
        (TOY_TEXT, {"text": None}, "text was not given"),
        (TOY_TEXT, {"image": None}, "image was not given"),
        (TOY_TEXT, {"text": torch.zeros(1, 7, 9)}, "7 text tokens, expected at most 6"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(config, change, message) -> None:
    with pytest.raises(ValueError, match=message):
        velocity_of(toy(config), **{**inputs(config), **change})


def test_the_14b_has_the_published_parameters() -> None:
    with torch.device("meta"):
        model = VideoTransformer(FOURTEEN_B.transformer)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    # Wan 2.1 image-to-video 14B: 1,303 tensors; InfiniteTalk's audio modules: 330.
    assert len(shapes) == 1303 + 330
    assert shapes["patch_embedding.weight"] == (5120, 36, 1, 2, 2)
    assert shapes["time_projection.1.weight"] == (30720, 5120)
    assert shapes["img_emb.proj.4.bias"] == (5120,)
    assert shapes["blocks.39.cross_attn.norm_k_img.weight"] == (5120,)
    assert shapes["blocks.39.audio_cross_attn.kv_linear.weight"] == (10240, 768)
    assert shapes["audio_proj.proj1.weight"] == (512, 46080)
    assert shapes["audio_proj.proj1_vf.weight"] == (512, 73728)
    assert shapes["head.head.weight"] == (64, 5120)
    assert shapes["head.modulation"] == (1, 2, 5120)


def test_the_tiny_one_has_no_text_modules_and_predicts_a_chunk() -> None:
    model = TinyDenoiser(TINY.transformer)
    names = model.state_dict().keys()
    assert not [n for n in names if "cross_attn.k_img" in n or "text" in n or "norm3" in n]
    geometry = TINY.geometry
    grid = (geometry.chunk_latents, geometry.latent_height, geometry.latent_width)
    given = inputs(TINY.transformer, grid=grid)
    with torch.inference_mode():
        velocity = velocity_of(model, **given, num_motion=geometry.num_motion)
    assert velocity.shape == (1, TINY.transformer.latent_channels, *grid)
    with pytest.raises(ValueError, match="num_motion is 0; expected 1 or more"):
        velocity_of(model, **given, num_motion=0)
