"""Techniques are chosen by words, and what cannot be done is refused by name."""

from __future__ import annotations

import pytest
import torch

from flashtalk.acceleration.apply import check_acceleration
from flashtalk.acceleration.settings import (
    DEFAULT,
    PLAIN,
    SWITCHES,
    VARIABLE,
    Acceleration,
    acceleration_of,
)
from flashtalk.cli.options import ServeOptions
from flashtalk.errors import FlashTalkError
from flashtalk.placement import STREAMED

CPU = torch.device("cpu")


@pytest.mark.parametrize("words", ["none", "attention=math", *SWITCHES, ",".join(SWITCHES)])
def test_words_there_and_back(words: str) -> None:
    assert acceleration_of(words).words == words


def test_nothing_is_on_but_what_was_named() -> None:
    assert acceleration_of("none") == PLAIN
    assert acceleration_of(" compile , attention=flash ") == Acceleration(
        attention="flash", compiled=True, encoder_thread=False
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


def test_bf16_convolutions_ask_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    with pytest.raises(FlashTalkError, match="AVX-512 BF16 or AMX"):
        check_acceleration(acceleration_of("bf16-convolutions"), CPU)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    check_acceleration(acceleration_of("bf16-convolutions"), CPU)
