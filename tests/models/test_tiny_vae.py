"""The tiny autoencoder: its published layout, its order of frames, and what a session gives it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hub_server import running
from published_toy import build_published_toy, states
from scenes import scene_of
from torch import Tensor, nn

from flashtalk.acceleration.graphs import recorded, unrecorded
from flashtalk.conditions import gather_conditions
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.models.published.tiny_vae import (
    Dividing,
    Frames,
    Joining,
    Recalling,
    TinyVae,
    TinyWanAutoencoder,
)
from flashtalk.stream.chunk import advance
from flashtalk.stream.state import opening_state
from flashtalk.weights.tiny_vae import FILE, SOURCE, read_tiny_vae, with_tiny_vae


@pytest.fixture(scope="module")
def tiny() -> TinyVae:
    torch.manual_seed(0)
    return TinyVae().eval().requires_grad_(False)


def test_names_and_shapes_are_the_published_ones(tiny: TinyVae) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in tiny.state_dict().items()}
    assert len(shapes) == 2 * 9 * 6 + 2 * 4 + 2 * 2 * 3  # looking back; first and last; between
    expected = {
        "encoder.0.weight": (64, 3, 3, 3),
        "encoder.2.conv.weight": (64, 128, 1, 1),
        "encoder.3.weight": (64, 64, 3, 3),
        "encoder.4.conv.0.weight": (64, 128, 3, 3),
        "encoder.12.conv.weight": (64, 64, 1, 1),
        "encoder.16.conv.4.bias": (64,),
        "encoder.17.weight": (16, 64, 3, 3),
        "decoder.1.weight": (256, 16, 3, 3),
        "decoder.5.conv.2.weight": (256, 256, 3, 3),
        "decoder.7.conv.weight": (256, 256, 1, 1),
        "decoder.8.weight": (128, 256, 3, 3),
        "decoder.13.conv.weight": (256, 128, 1, 1),
        "decoder.14.weight": (64, 128, 3, 3),
        "decoder.19.conv.weight": (128, 64, 1, 1),
        "decoder.20.weight": (64, 64, 3, 3),
        "decoder.22.bias": (3,),
    }
    assert {name: shapes[name] for name in expected} == expected


def one_by_one(layers: Frames, frames: list[Tensor]) -> list[Tensor]:
    """Frame after frame with a memory, as one who watches live would compute."""
    for layer in layers:
        made: list[Tensor] = []
        before, waiting = torch.zeros_like(frames[0]), []
        for frame in frames:
            if isinstance(layer, Recalling):
                more = layer.conv(torch.cat((frame, before), dim=1))
                made.append(torch.relu(more + frame))
                before = frame
            elif isinstance(layer, Joining):
                waiting.append(frame)
                if len(waiting) == layer.stride:
                    made.append(layer.conv(torch.cat(waiting, dim=1)))
                    waiting = []
            elif isinstance(layer, Dividing):
                made += layer.conv(frame).chunk(layer.stride, dim=1)
            else:
                made.append(layer(frame))
        frames = made
    return frames


def test_all_frames_at_once_are_frame_after_frame(tiny: TinyVae) -> None:
    draw = torch.Generator().manual_seed(1)
    video = torch.rand(1, 3, 5, 16, 24, generator=draw) * 2 - 1
    frames = [*((video + 1) / 2).unbind(2)]
    expected = one_by_one(tiny.encoder, [*frames, *3 * [frames[-1]]])  # whole latents at the end
    latents = tiny.encode(video)
    torch.testing.assert_close(latents, torch.stack(expected, dim=2))
    assert latents.shape == (1, 16, 2, 2, 3)
    shown = one_by_one(tiny.decoder, [*latents.unbind(2)])[3:]  # the first latent is one frame
    pictures = tiny.decode(latents)
    assert pictures.shape == video.shape
    torch.testing.assert_close(pictures, torch.stack(shown, dim=2).clamp(0, 1) * 2 - 1)


def published(tiny: TinyVae, part: str) -> Networks:
    """The published toy with latents as wide as the tiny autoencoder's."""
    networks = build_published_toy()
    narrow = TinyVae()  # the toy's latents have four channels
    narrow.encoder[-1] = nn.Conv2d(64, 4, 3, padding=1)
    narrow.decoder[1] = nn.Conv2d(4, 256, 3, padding=1)
    coder = TinyWanAutoencoder(networks.autoencoder, narrow.eval().requires_grad_(False), 5, part)
    return replace(networks, autoencoder=coder)


@pytest.mark.parametrize("part", ["encode", "both"])
def test_a_session_encodes_pictures_and_feeds_no_latents_back(tiny: TinyVae, part: str) -> None:
    networks = published(tiny, part)
    coder, geometry = networks.autoencoder, networks.preset.geometry
    portrait = torch.rand(1, 3, geometry.height_px, geometry.width_px) * 2 - 1
    with torch.inference_mode():
        conditions = gather_conditions(networks, portrait, **states(0))
        clip = networks.transformer.reference_clip(portrait, geometry.chunk_frames)
        torch.testing.assert_close(conditions.reference_latents, coder.whole.encode(clip))
        scene = scene_of(networks, conditions)
        speech = networks.preset.transformer.speech
        shape = (1, geometry.chunk_frames, speech.window_frames, speech.layers, speech.width)
        video, state = advance(scene, opening_state(conditions, 0), torch.randn(shape))
        assert torch.equal(state.motion_latents, coder.tiny.encode(video[:, :, -5:]))
        latents = torch.randn(1, 4, 3, 2, 4)
        decoder = coder.whole if part == "encode" else coder.tiny
        assert torch.equal(coder.decode(latents, skip_frames=2), decoder.decode(latents)[:, :, 2:])
    assert unrecorded(recorded(networks)) == networks


def test_the_file_is_fetched_and_read_strictly(
    tiny: TinyVae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    torch.save({name: each.half() for name, each in tiny.state_dict().items()}, folder / FILE)
    networks = build_published_toy()
    with running({SOURCE.repo_id: folder}, tmp_path / "cache", monkeypatch) as hub:
        found = with_tiny_vae(networks, "encode").autoencoder
        assert hub.sent
    assert isinstance(found, TinyWanAutoencoder) and found.whole is networks.autoencoder
    for name, tensor in found.tiny.state_dict().items():
        assert torch.equal(tensor, tiny.state_dict()[name].half().float())
    state = torch.load(folder / FILE)
    state["decoder.7.conv.weight"] = torch.zeros(512, 256, 1, 1)
    torch.save(state, folder / FILE)
    with pytest.raises(FlashTalkError, match=r"decoder.7.conv.weight of shape \[512.*--tiny-vae"):
        read_tiny_vae(folder / FILE, torch.float32)
    del state["decoder.7.conv.weight"]
    torch.save(state, folder / FILE)
    with pytest.raises(FlashTalkError, match="lacks 1 of"):
        read_tiny_vae(folder / FILE, torch.float32)


def test_what_it_is_not_for_is_a_sentence(toy_networks: Networks) -> None:
    with pytest.raises(FlashTalkError, match="has an autoencoder of its own"):
        with_tiny_vae(toy_networks, "encode")
    with pytest.raises(FlashTalkError, match="must be encode or both, got 'decode'"):
        Engine.from_pretrained("flashtalk-tiny", tiny_vae="decode")
