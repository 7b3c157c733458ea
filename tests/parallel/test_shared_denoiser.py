"""2 and 4 processes over gloo: a talk on shared tokens is the talk of one process."""

from __future__ import annotations

import multiprocessing
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from published_toy import PUBLISHED_TOY, build_published_toy, states
from scenes import scene_of
from torch import Tensor

from flashtalk.conditions import gather_conditions
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.parallel.denoiser import GONE, SharedDenoiser, shareable
from flashtalk.parallel.ranks import join_ranks, rank_count, rank_device, shares
from flashtalk.stream.chunk import advance
from flashtalk.stream.state import opening_state

TOLERANCE = 1e-4
"""Root mean square in pictures of -1 .. 1; random weights make more of it in single pixels."""
WAIT_S = 300  # a slow machine is not a failure
SIZES = ((80, 32), (112, 16))
"""Height and width: 5 and 7 rows of patches, which neither 2 nor 4 processes divide."""
HEADS = 5
CPU = torch.device("cpu")


def networks() -> Networks:
    """The toy with heads that no process count divides."""
    config = replace(PUBLISHED_TOY.transformer, dim=40, heads=HEADS)
    return build_published_toy(replace(PUBLISHED_TOY, transformer=config))


@torch.inference_mode()
def videos_of(made: Networks) -> list[Tensor]:
    """Two chunks at each size."""
    videos = []
    for size in SIZES:
        geometry = made.preset.geometry.sized(*size)
        sized = replace(made, preset=replace(made.preset, geometry=geometry))
        coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(2)) * 2 - 1
        portrait = torch.nn.functional.interpolate(coarse, size, mode="bilinear")
        conditions = gather_conditions(sized, portrait, **states(0))
        scene, state = scene_of(sized, conditions), opening_state(conditions, 3)
        speech = sized.preset.transformer.speech
        shape = (1, 13, speech.window_frames, speech.layers, speech.width)
        heard = torch.randn(shape, generator=torch.Generator().manual_seed(4))
        for _ in range(2):
            video, state = advance(scene, state, heard)
            videos.append(video)
    return videos


def work(rank: int, count: int, port: int, file: Path, dies: bool) -> None:
    """One of the processes: rank 0 writes down what it saw."""
    place = {"RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    torch.set_num_threads(1)
    ranks, made = join_ranks(CPU), networks()
    shared = SharedDenoiser(made.transformer, ranks)
    if not ranks.leads:
        if not dies:
            shared.follow()
        os._exit(0)  # a copy of the test's process must not clean up after it
    try:
        torch.save(videos_of(replace(made, transformer=shared)), file)
        shared.end()
    except FlashTalkError as error:
        torch.save(str(error), file)
    os._exit(0)


def together(count: int, file: Path, dies: bool = False) -> object:
    """What rank 0 of ``count`` processes wrote. They are forked: nothing is imported again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    running = [
        multiprocessing.get_context("fork").Process(
            target=work, args=(rank, count, port, file, dies)
        )
        for rank in range(count)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join(WAIT_S)
        assert process.exitcode == 0
    return torch.load(file)


@pytest.fixture(scope="module")
def alone() -> list[Tensor]:
    return videos_of(networks())


@pytest.mark.parametrize("count", [2, 4])
def test_a_talk_on_shared_tokens(count: int, alone: list[Tensor], tmp_path: Path) -> None:
    found = together(count, tmp_path / "videos.pt")
    assert isinstance(found, list) and len(found) == len(alone)
    for video, expected in zip(found, alone, strict=True):
        away = (video - expected).abs()
        assert away.square().mean().sqrt() < TOLERANCE and away.max() < 10 * TOLERANCE


def test_a_process_that_is_gone_ends_the_talk_with_a_sentence(tmp_path: Path) -> None:
    assert together(2, tmp_path / "sentence.pt", dies=True) == GONE


def test_what_cannot_be_shared_is_a_sentence(toy_networks: Networks) -> None:
    transformer = networks().transformer
    shareable(transformer, 5, 5)
    with pytest.raises(FlashTalkError, match=r"6 processes.* 5 heads and 9 rows.*node 5 or less"):
        shareable(transformer, 6, 9)
    with pytest.raises(FlashTalkError, match=r"4 processes.* 3 rows.*node 3 or less"):
        shareable(transformer, 4, 3)
    with pytest.raises(FlashTalkError, match="flashtalk-tiny runs in one process"):
        shareable(toy_networks.transformer, 2, 8)


@pytest.mark.parametrize(("count", "parts"), [(7, 3), (4, 4), (48, 8), (9, 2)])
def test_shares_are_contiguous_and_even(count: int, parts: int) -> None:
    found = shares(count, parts)
    assert [number for start, stop in found for number in range(start, stop)] == [*range(count)]
    sizes = [stop - start for start, stop in found]
    assert len(found) == parts and max(sizes) - min(sizes) <= 1


def test_variables_that_torchrun_would_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert rank_count() == 1
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(FlashTalkError, match="number from 1 up, got 'two'"):
        rank_count()
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(FlashTalkError, match="torchrun --nproc-per-node 4"):
        rank_count()
    monkeypatch.setenv("LOCAL_RANK", "3")
    with pytest.raises(FlashTalkError, match=r"GPUs \(\d+\)"):
        rank_device("cuda")
    assert rank_device("cpu") == "cpu"
