"""Batches gathered on a device are those that are made clip by clip."""

import numpy as np
import pytest
import torch

from flashtalk.config import TINY
from flashtalk.models.tiny.face_code import FEATURES
from lab.training.data.chunks import buckets_of, speech_of
from lab.training.data.gpu_dataset import GpuSampler
from lab.training.data.latents import LatentClip

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def clips() -> list[LatentClip]:
    rng = np.random.default_rng(0)
    return [
        LatentClip(
            codes=rng.standard_normal((frames, len(FEATURES), 8, 8)).astype(np.float16),
            reference=rng.standard_normal((len(FEATURES), 8, 8)).astype(np.float16),
            samples=(0.1 * rng.standard_normal(frames * 640)).astype(np.float32),
            curves=np.zeros((frames, 2), np.float32),
            closed=rng.random(frames).astype(np.float32),
        )
        for frames in (60, 75)
    ]


@pytest.fixture(scope="module")
def sampler(clips: list[LatentClip]) -> GpuSampler:
    return GpuSampler(clips, TINY, CPU, versions=2, seed=0)


@pytest.mark.parametrize("bucket", buckets_of(TINY), ids=lambda bucket: f"{bucket.frames} frames")
@pytest.mark.parametrize("turned", [0, 1])
def test_chunks_are_the_clips_own(clips, sampler, bucket, turned: int) -> None:
    preset = bucket.fitted(TINY)
    clip, start = np.array([0, 1, 1]), np.array([0, 3, 36])
    latents, reference, weight, closed, samples = sampler.gather(
        preset, clip, start, np.full(3, turned), np.zeros(3, np.int64)
    )
    for index, (number, first) in enumerate(zip(clip, start, strict=True)):
        own = clips[number]
        window, own_weight, own_reference = own.window(first, bucket.frames, bool(turned))
        assert np.array_equal(latents[index].numpy(), window)
        assert np.array_equal(reference[index].numpy(), own_reference)
        assert np.array_equal(weight[index].numpy(), own_weight)
        assert np.array_equal(closed[index].numpy(), own.closed[first : first + bucket.frames])
        heard = speech_of(own.samples, int(first), preset.geometry)
        assert np.array_equal(samples[index].numpy(), heard)


def test_a_version_is_another_sound_of_the_same_length(sampler) -> None:
    chosen = np.zeros(3, np.int64)
    *_, samples = sampler.gather(TINY, chosen, chosen, chosen, np.arange(3))
    spoken = samples[:, -10_000:]
    assert not torch.equal(spoken[0], spoken[1]) and not torch.equal(spoken[1], spoken[2])
    assert sampler.sounds.shape == (2, 3, TINY.geometry.speech_window_samples + 75 * 640)


def test_draws_stay_within_each_clip_and_hear_everything(sampler, monkeypatch) -> None:
    asked: list[tuple[np.ndarray, ...]] = []
    frames = set()
    gather = sampler.gather

    def noted(preset, *chosen):
        frames.add(preset.geometry.chunk_frames)
        ends = chosen[1] + preset.geometry.chunk_frames + preset.geometry.lookahead_frames
        asked.append((*chosen, ends))
        return gather(preset, *chosen)

    monkeypatch.setattr(sampler, "gather", noted)
    for _ in range(40):
        preset, (latents, *_) = sampler.draw(8)
        assert latents.shape[2] == preset.geometry.chunk_latents
    clip, start, turned, version, end = (np.concatenate(each) for each in zip(*asked, strict=True))
    assert frames == {33, 17}
    assert start.min() == 0 and (end <= sampler.lengths[clip]).all()
    assert (end == sampler.lengths[clip]).any()
    assert set(clip) == {0, 1} and set(turned) == {0, 1} and set(version) == {0, 1, 2}
    assert 0.3 < (version == 0).mean() < 0.5  # six in ten are degraded


def test_nothing_to_draw_from_is_refused(clips) -> None:
    with pytest.raises(ValueError, match="got 2 clips and 0 versions"):
        GpuSampler(clips, TINY, CPU, versions=0)
    with pytest.raises(ValueError, match="got 0 clips"):
        GpuSampler([], TINY, CPU, versions=1)
