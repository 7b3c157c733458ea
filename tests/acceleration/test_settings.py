"""Techniques are chosen by words, and what cannot be done is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from published_toy import PUBLISHED_TOY

from flashtalk.acceleration.apply import check_acceleration, usual_acceleration
from flashtalk.acceleration.graphs import check_cuda_graphs, recorded
from flashtalk.acceleration.settings import (
    DEFAULT,
    PLAIN,
    SWITCHES,
    VARIABLE,
    Acceleration,
    acceleration_of,
)
from flashtalk.cli.serve_options import ServeOptions
from flashtalk.config import TINY
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.placement import OFFLOAD_ENCODERS, STREAMED

CPU = torch.device("cpu")


@pytest.mark.parametrize("words", ["none", "attention=math", *SWITCHES, ",".join(SWITCHES)])
def test_words_there_and_back(words: str) -> None:
    assert acceleration_of(words).words == words


def test_nothing_is_on_but_what_was_named() -> None:
    assert acceleration_of("none") == PLAIN
    assert acceleration_of(" compile , attention=flash ") == Acceleration(
        attention="flash", compiled=True, encoder_thread=False, picture_thread=False
    )
    assert acceleration_of(DEFAULT.words) == DEFAULT


@pytest.mark.parametrize("words", ["", ",", "turbo", "none,compile", "attention=", "attention=x"])
def test_unknown_words_are_a_sentence(words: str) -> None:
    with pytest.raises(FlashTalkError, match=r"(Known ones:|some of) .*\."):
        acceleration_of(words)


def test_a_variable_takes_the_place_of_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "channels-last")
    assert ServeOptions().accelerated == acceleration_of("channels-last")
    assert ServeOptions(acceleration="none").accelerated == PLAIN


@pytest.mark.parametrize("able", [True, False])
def test_a_processor_that_multiplies_in_16_bits_usually_does(
    able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"avx512_bf16": able, "amx_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    usual = replace(DEFAULT, bf16_convolutions=able)
    assert usual_acceleration(CPU, TINY) == usual
    assert usual_acceleration(torch.device("cuda"), TINY) == DEFAULT
    assert usual_acceleration(CPU, PUBLISHED_TOY) == DEFAULT
    assert Engine.from_pretrained(acceleration=None).acceleration == usual
    assert Engine.from_pretrained().acceleration == DEFAULT


@pytest.mark.parametrize("name", ["efficient", "cudnn", "flash3", "flash-attn", "sage"])
def test_kernels_of_a_gpu_are_refused_on_a_processor(name: str) -> None:
    with pytest.raises(FlashTalkError, match=f"{name}.* needs a CUDA GPU.*attention=sdpa"):
        check_acceleration(acceleration_of(f"attention={name}"), CPU)


def test_compiling_says_what_is_in_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = acceleration_of("compile")
    with pytest.raises(FlashTalkError, match="placement 24gb exclude each other"):
        check_acceleration(compiled, CPU, STREAMED)
    with pytest.raises(FlashTalkError, match="ZeroGPU"):
        check_acceleration(compiled, CPU, gpu_is_lent=True)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(FlashTalkError, match=r"C\+\+ compiler.*no-such-compiler"):
        check_acceleration(compiled, CPU)


def test_what_only_a_gpu_can_do_is_refused_by_name() -> None:
    for word in ("cuda-graphs", "pinned-copies"):
        with pytest.raises(FlashTalkError, match=rf"^{word} .* CUDA GPU.*'cpu'.*Leave the word"):
            check_acceleration(acceleration_of(word), CPU)
    gpu = torch.device("cuda")
    with pytest.raises(FlashTalkError, match="ZeroGPU"):
        check_cuda_graphs(gpu, None, gpu_is_lent=True)
    with pytest.raises(FlashTalkError, match="cuda-graphs and the placement 24gb"):
        check_cuda_graphs(gpu, STREAMED, gpu_is_lent=False)


def test_code_from_ahead_says_what_is_in_its_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    ahead = acceleration_of("ahead")
    check_acceleration(ahead, CPU)
    with pytest.raises(FlashTalkError, match="neither compile nor cuda-graphs"):
        check_acceleration(acceleration_of("ahead,compile"), CPU)
    with pytest.raises(FlashTalkError, match="ahead and the placement 48gb exclude"):
        check_acceleration(ahead, CPU, OFFLOAD_ENCODERS)
    with pytest.raises(FlashTalkError, match=r"needs packages in .*there are none.*the same GPU"):
        check_acceleration(ahead, CPU, gpu_is_lent=True)


def test_joined_products_and_weights_of_8_bits() -> None:
    fused = acceleration_of("fused-qkv")
    check_acceleration(fused, CPU)
    with pytest.raises(FlashTalkError, match="placement 24gb exclude"):
        check_acceleration(fused, CPU, STREAMED)
    with pytest.raises(FlashTalkError, match="placement 48gb go together with fp8-products only"):
        check_acceleration(fused, CPU, OFFLOAD_ENCODERS)
    check_acceleration(acceleration_of("fused-qkv,fp8-products"), CPU, OFFLOAD_ENCODERS)


def test_replaying_is_for_the_published_family(toy_networks: Networks) -> None:
    with pytest.raises(FlashTalkError, match="flashtalk-14b and its kind"):
        recorded(toy_networks)


def test_bf16_convolutions_ask_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    with pytest.raises(FlashTalkError, match="AVX-512 BF16 or AMX"):
        check_acceleration(acceleration_of("bf16-convolutions"), CPU)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    check_acceleration(acceleration_of("bf16-convolutions"), CPU)
