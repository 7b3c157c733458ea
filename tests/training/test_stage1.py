"""Chunks of Stage 1: two lengths, what is clean and what the loss sees."""

import numpy as np
import pytest
import torch

from flashtalk.config import TINY
from flashtalk.models.face_code import FEATURES
from flashtalk.models.speech_encoder import SpeechEncoder
from flashtalk.models.transformer import VideoTransformer
from flashtalk.training.latents import LatentClip
from flashtalk.training.stage1 import (
    SHORT_CHUNK_FRAMES,
    ChunkSampler,
    chunk_loss,
    set_hand_over,
    speech_of,
    windowed_features,
)


@pytest.fixture
def sampler() -> ChunkSampler:
    rng = np.random.default_rng(0)
    clip = LatentClip(
        codes=rng.standard_normal((60, len(FEATURES), 8, 8)).astype(np.float16),
        reference=rng.standard_normal((len(FEATURES), 8, 8)).astype(np.float16),
        samples=(0.1 * rng.standard_normal(60 * 640)).astype(np.float32),
        curves=np.zeros((60, 2), np.float32),
        closed=np.zeros(60, np.float32),
    )
    return ChunkSampler([clip], TINY, seed=0)


def test_batches_have_one_length_and_all_lengths_come(sampler: ChunkSampler) -> None:
    torch.manual_seed(0)
    encoder = SpeechEncoder(TINY.speech_encoder).eval()
    model = VideoTransformer(TINY.transformer)
    set_hand_over(model)
    lengths, losses = {TINY.geometry.chunk_frames, SHORT_CHUNK_FRAMES}, {}
    for _ in range(40):
        preset, (latents, reference, weight, closed, samples) = sampler.draw(2)
        frames = preset.geometry.chunk_frames
        assert latents.shape[2] == weight.shape[2] == preset.geometry.chunk_latents
        assert closed.shape == (2, frames)
        assert samples.shape == (2, preset.geometry.speech_window_samples)
        if frames not in losses:
            with torch.no_grad():
                speech = windowed_features(encoder, samples, preset)
            assert speech.shape[1] == frames
            loss, _ = chunk_loss(model, latents, reference, weight, closed, speech, preset)
            losses[frames] = loss.item()
        if len(losses) == len(lengths):
            break
    assert set(losses) == lengths
    assert all(np.isfinite(loss) and loss > 0 for loss in losses.values())


def test_speech_ends_with_what_is_heard_ahead_of_the_chunk(sampler: ChunkSampler) -> None:
    clip, window = sampler.clips[0], TINY.geometry.speech_window_samples
    heard = speech_of(clip, start=4, preset=TINY)
    end = (4 + TINY.geometry.chunk_frames + TINY.geometry.lookahead_frames) * 640
    assert len(heard) == window
    np.testing.assert_array_equal(heard[-640:], clip.samples[end - 640 : end])
    assert not heard[: window - end].any()
