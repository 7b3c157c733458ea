"""The adapter of the Wan 2.1 autoencoder, with diffusers' real class at toy size."""

import pytest
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from flashtalk.models.published.wan_vae import WanAutoencoder

MEAN = [-0.3, 0.2, 0.05]
DEVIATION = [0.5, 2.0, 1.3]


def toy_vae() -> AutoencoderKLWan:
    torch.manual_seed(0)
    vae = AutoencoderKLWan(
        base_dim=4,
        z_dim=3,
        dim_mult=[1, 1, 2, 2],
        num_res_blocks=1,
        latents_mean=MEAN,
        latents_std=DEVIATION,
    )
    return vae.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLWan:
    return toy_vae()


def clip(frames: int, height: int = 16, width: int = 24, batch: int = 1) -> Tensor:
    shape = (batch, 3, frames, height, width)
    return torch.rand(shape, generator=torch.Generator().manual_seed(frames)) * 2 - 1


@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (5, 2), (9, 3), (17, 5)])
@torch.inference_mode()
def test_one_plus_4k_frames_are_one_plus_k_latents(vae, frames: int, latents: int) -> None:
    autoencoder = WanAutoencoder(vae)
    encoded = autoencoder.encode(clip(frames), None)
    assert encoded.shape == (1, 3, latents, 2, 3)
    assert autoencoder.decode(encoded, None).shape == (1, 3, frames, 16, 24)


def test_other_numbers_of_frames_are_refused(vae) -> None:
    with pytest.raises(ValueError, match=r"got 6 frames, expected 1 \+ 4 k"):
        WanAutoencoder(vae).encode(clip(6), None)


@torch.inference_mode()
def test_latents_are_the_posterior_mode_normalized_by_channel(vae) -> None:
    video = clip(5, batch=2)
    got = WanAutoencoder(vae).encode(video, None)
    raw = vae.encode(video).latent_dist.mean
    for channel in range(3):
        expected = (raw[:, channel] - MEAN[channel]) / DEVIATION[channel]
        assert torch.allclose(got[:, channel], expected, atol=1e-6)


@torch.inference_mode()
def test_the_round_trip_is_that_of_diffusers(vae) -> None:
    autoencoder, video = WanAutoencoder(vae), clip(9)
    expected = vae.decode(vae.encode(video).latent_dist.mode()).sample
    got = autoencoder.decode(autoencoder.encode(video, None), None)
    assert torch.allclose(got, expected, atol=1e-5)
    assert got.abs().max() <= 1.0


@pytest.mark.parametrize("skip", [0, 1, 4, 5, 8])
@torch.inference_mode()
def test_skipping_frames_is_slicing(vae, skip: int) -> None:
    autoencoder = WanAutoencoder(vae)
    latents = torch.randn(1, 3, 3, 2, 3)
    whole = autoencoder.decode(latents, None)
    assert torch.equal(autoencoder.decode(latents, None, skip_frames=skip), whole[:, :, skip:])


@torch.inference_mode()
def test_the_first_frame_stands_alone(vae) -> None:
    """So the first latent of portrait and gray frames is the portrait's, and no call leaks."""
    autoencoder, video = WanAutoencoder(vae), clip(9)
    alone = autoencoder.encode(video[:, :, :1], None)
    assert torch.allclose(autoencoder.encode(video, None)[:, :, :1], alone, atol=1e-6)
    latents = autoencoder.encode(video, None)
    first = autoencoder.decode(latents[:, :, :2], None)  # earlier frames need no later latent
    assert torch.allclose(autoencoder.decode(latents, None)[:, :, :5], first, atol=1e-5)


@torch.inference_mode()
def test_16_bit_weights_give_float32_latents_normalized_in_float32() -> None:
    exact, video = WanAutoencoder(toy_vae()), clip(5)
    rough = WanAutoencoder(toy_vae()).bfloat16()
    latents = rough.encode(video, None)
    assert latents.dtype == torch.float32
    raw = rough.vae.encode(video.bfloat16()).latent_dist.mode().float()
    mean, deviation = (torch.tensor(v)[:, None, None, None] for v in (MEAN, DEVIATION))
    assert torch.equal(latents, (raw - mean) / deviation)
    decoded = rough.decode(latents, None)
    assert decoded.dtype == torch.float32
    assert (decoded - exact.decode(exact.encode(video, None), None)).abs().mean() < 0.05


def test_statistics_made_in_inference_serve_training_too(vae) -> None:
    autoencoder = WanAutoencoder(vae)
    with torch.inference_mode():
        autoencoder.encode(clip(1), None)
    latents = torch.randn(1, 3, 2, 2, 3, requires_grad=True)
    autoencoder.decode(latents, None).square().sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().max() > 0
