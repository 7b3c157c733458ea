"""The counter of live bytes, against PyTorch's own allocator and against what can be added up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from flashtalk.config import SpeechFeatures, TransformerConfig
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.published.wan_vae import WanAutoencoder
from lab.memory.live_bytes import LiveBytes, counted

KB = 1024


def peak_of(run: Callable[[], object], device: str) -> int:
    with counted(device) as counter:
        run()
    return counter.peak


def test_tensors_count_from_their_making_to_their_last_reference() -> None:
    with counted("cpu") as counter:
        a = torch.zeros(256)  # 1 KB
        b = a + 1
        assert (counter.live, counter.peak) == (2 * KB, 2 * KB)
        view = a.view(16, 16).t()[2:]
        del a
        assert counter.live == 2 * KB  # the view holds the storage
        del view
        assert counter.live == KB
        b.add_(1)
        assert counter.peak == 2 * KB
        counter.start_phase()
        assert counter.peak == KB
        c = torch.cat((b, b))
        assert counter.peak == 3 * KB
    assert (b.numel(), c.numel()) == (256, 512)


def test_weights_and_earlier_tensors_do_not_count() -> None:
    layer = nn.Linear(64, 64)
    x = torch.zeros(4, 64)
    with counted("cpu") as counter:
        y = layer(x)
        y = layer.weight.t() @ y.t()
    assert counter.peak == 2 * 4 * 64 * 4


def test_other_devices_do_not_count() -> None:
    with counted("meta") as counter:
        host = torch.zeros(1000)
        moved = host.to("meta")
    assert counter.peak == moved.numel() * 4


def test_answers_that_are_remembered_are_the_same() -> None:
    def run() -> None:
        x = torch.zeros(2, 8, 16, device="meta")
        for _ in range(3):
            y = F.layer_norm(x, (16,)).transpose(1, 2)
            z = torch.cat((y, y.contiguous()), dim=1).to(torch.bfloat16)
            w = z * 2 + z.new_ones(32, 1)
            _ = w.float().amax(dim=1, keepdim=True).expand(-1, 3, -1)

    forgetful = LiveBytes()
    forgetful._remembered = lambda func, given, args, kwargs: func(*args, **kwargs)
    with torch.no_grad(), forgetful:
        run()
    assert peak_of(run, "meta") == forgetful.peak


@pytest.mark.parametrize("width", [64, 384])
def test_attention_counts_as_fused(width: int) -> None:
    shape = (1, 2, 512, width)
    q = torch.zeros(shape, dtype=torch.bfloat16, device="meta")
    peak = peak_of(lambda: F.scaled_dot_product_attention(q, q, q), "meta")
    accumulator = 4 * q.numel() if width > 256 else 0
    assert peak == 2 * q.numel() + 4 * 2 * 512 + accumulator  # and no 512 x 512
    with counted("meta"):
        result = F.scaled_dot_product_attention(query=q, key=q[:, :, :9], value=q[:, :, :9])
    assert result.shape == q.shape
    assert result.transpose(1, 2).is_contiguous()  # as the kernels leave it


def test_attention_with_gradients_counts_what_is_kept_and_what_comes_back() -> None:
    shape = (1, 2, 512, 64)
    q = torch.zeros(shape, dtype=torch.bfloat16, device="meta", requires_grad=True)
    size, log_sum = 2 * q.numel(), 4 * 2 * 512
    with counted("meta", gradients=True) as counter:
        result = F.scaled_dot_product_attention(q, q * 1, q * 1)
        assert counter.live == 3 * size + log_sum  # two copies and the result
        gradient = torch.zeros_like(result)
        torch.autograd.grad(result, q, gradient)
    workspace = log_sum + 2 * size  # D and dQ in float32
    assert counter.peak == 4 * size + log_sum + workspace + 3 * size


# --- against the allocator ------------------------------------------------------------------------
def allocator_peak(run: Callable[[], object]) -> int:
    """From the log of PyTorch's allocator, as the profiler writes it.

    Blocks that the operator which took them gives back itself are left out: they are workspaces of
    this processor's kernels, and a GPU's kernels have others.
    """
    with (
        torch.no_grad(),
        profile(
            activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True
        ) as profiler,
    ):
        run()
    taken: dict[int, tuple[int, int, int]] = {}  # address -> size, time, end of the operator
    blocks: list[tuple[int, int, int]] = []  # time taken, time given back, size

    def walk(events: list, operators: list) -> None:
        for event in events:
            if event.tag.name == "Allocation":
                fields = event.extra_fields
                if fields.alloc_size > 0:
                    # the innermost operator is the one that only allocates
                    owner = operators[-2:][0] if operators else event
                    taken[fields.ptr] = (fields.alloc_size, event.start_time_ns, owner.end_time_ns)
                elif fields.ptr in taken:
                    size, start, end = taken.pop(fields.ptr)
                    if event.start_time_ns > end:
                        blocks.append((start, event.start_time_ns, size))
            else:
                walk(event.children, [*operators, event])

    walk(profiler.profiler.kineto_results.experimental_event_tree(), [])
    changes = [change for a, b, size in blocks for change in ((a, size), (b, -size))]
    changes += [(start, size) for size, start, _ in taken.values()]
    live = peak = 0
    for _, change in sorted(changes):
        live += change
        peak = max(peak, live)
    return peak


CONFIG = TransformerConfig(
    dim=64,
    ffn_dim=160,
    heads=4,
    layers=2,
    latent_channels=4,
    mask_channels=4,
    speech=SpeechFeatures(layers=2, width=8),
    audio_hidden=16,
    audio_tokens=4,
    audio_width=16,
    frequency_dim=16,
    text_dim=32,
    text_tokens=16,
    image_dim=24,
    image_tokens=17,
)


def transformer_step(device: str, layers: int = 2) -> Callable[[], object]:
    with torch.device(device):
        transformer = VideoTransformer(replace(CONFIG, layers=layers)).eval().requires_grad_(False)
        latents, timestep = torch.zeros(1, 4, 5, 32, 24), torch.zeros(1)
        condition, tokens = torch.zeros(1, 8, 5, 32, 24), torch.zeros(1, 5, 4, 16)
        text, image = torch.zeros(1, 16, 32), torch.zeros(1, 17, 24)
    return lambda: transformer(latents, timestep, condition, tokens, text=text, image=image)


def wan(device: str) -> tuple[Callable[[], object], Callable[[], object]]:
    from diffusers import AutoencoderKLWan

    with torch.device(device):
        vae = AutoencoderKLWan(
            base_dim=4, z_dim=4, num_res_blocks=1, latents_mean=[0.0] * 4, latents_std=[1.0] * 4
        )
        autoencoder = WanAutoencoder(vae.eval().requires_grad_(False))
        latents, video = torch.zeros(1, 4, 3, 8, 6), torch.zeros(1, 3, 9, 64, 48)
    return lambda: autoencoder.decode(latents, skip_frames=5), lambda: autoencoder.encode(video)


def test_the_transformer_agrees_with_the_allocator() -> None:
    run = transformer_step("cpu")
    run()  # rotary tables are made once
    real = allocator_peak(run)
    assert peak_of(run, "cpu") == pytest.approx(real, rel=0.02)
    assert peak_of(transformer_step("meta"), "meta") == pytest.approx(real, rel=0.05)


@pytest.mark.parametrize("direction", [0, 1], ids=["decode", "encode"])
def test_the_autoencoder_agrees_with_the_allocator(direction: int) -> None:
    run = wan("cpu")[direction]
    real = allocator_peak(run)
    assert peak_of(run, "cpu") == pytest.approx(real, rel=0.02)
    assert peak_of(wan("meta")[direction], "meta") == pytest.approx(real, rel=0.02)


def test_more_blocks_need_no_more_memory() -> None:
    two, five = (peak_of(transformer_step("meta", layers), "meta") for layers in (2, 5))
    assert two == five
