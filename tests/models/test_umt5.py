"""The text condition with transformers' real umT5 encoder and tokenizer class at toy size."""

import logging

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from flashtalk.models.published.umt5 import CACHED_PROMPTS, TextConditioner, cleaned

TOKENS = 12
WORDS = ["<pad>", "</s>", "<unk>", "a", "person", "talks", "and", "smiles", "café", "&"]


def toy_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


@pytest.fixture
def conditioner() -> TextConditioner:
    torch.manual_seed(0)
    config = UMT5Config(
        vocab_size=len(WORDS), d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=4
    )
    encoder = UMT5EncoderModel(config).eval().requires_grad_(False)
    for parameter in encoder.parameters():
        parameter.normal_(std=0.4)
    return TextConditioner(encoder, toy_tokenizer(), TOKENS)


def published(conditioner: TextConditioner, prompt: str) -> torch.Tensor:
    """Padded and masked, then cut and padded with zeros: as the published pipeline does it."""
    tokens = toy_tokenizer()(
        prompt, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
    )
    states = conditioner.encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state
    count = int(tokens.attention_mask.sum())
    return torch.cat((states[:, :count], torch.zeros(1, TOKENS - count, 16)), dim=1)


@pytest.mark.parametrize("prompt", ["a person talks", "", "a person talks and smiles " * 5])
def test_states_of_the_published_pipeline(conditioner, prompt: str) -> None:
    states = conditioner(prompt)
    assert states.shape == (1, TOKENS, 16)
    assert torch.allclose(states, published(conditioner, prompt), atol=1e-5)


def test_rows_behind_the_prompt_are_exactly_zero(conditioner) -> None:
    states = conditioner("a person talks")  # three words and the end
    assert (states[:, 4:] == 0).all()
    assert (states[:, :4].abs().sum(dim=-1) > 0).all()


def test_a_prompt_is_encoded_once(conditioner) -> None:
    calls = []
    conditioner.encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    first = conditioner("a person talks")
    assert conditioner("  a person\n talks ") is first
    assert len(calls) == 1
    conditioner("a person smiles")
    assert len(calls) == 2
    assert conditioner("a person talks") is first


def test_old_prompts_are_forgotten(conditioner) -> None:
    first = conditioner("a")
    for count in range(2, CACHED_PROMPTS + 2):
        conditioner(" ".join("a" * count))
    assert conditioner("a") is not first


def test_a_long_prompt_is_cut_with_a_notice(conditioner, caplog) -> None:
    long = "a person talks and smiles " * 3
    assert conditioner.notice("a person") is None
    assert conditioner.notice(" ".join("a" * (TOKENS - 1))) is None
    assert "has 16 tokens; the first 12 are used" in conditioner.notice(long)
    with caplog.at_level(logging.WARNING):
        states = conditioner(long)
    assert caplog.messages == [conditioner.notice(long)]
    assert (states.abs().sum(dim=-1) > 0).all()


def test_cleaning() -> None:
    assert cleaned(" a\tperson \n\n talks ") == "a person talks"
    assert cleaned("a &amp;amp; b") == "a & b"
    assert cleaned("cafe\u0301") == "caf\u00e9"
    assert cleaned("\u201chello\u201d, it\u2019s \uff21\uff22") == '"hello", it\'s AB'
    assert cleaned("caf\u00c3\u00a9") == "caf\u00e9"  # UTF-8 that was read as Latin-1


def test_16_bit_states_stay_so_and_serve_training(conditioner) -> None:
    conditioner.bfloat16()
    with torch.inference_mode():
        states = conditioner("a person talks")
    assert states.dtype == torch.bfloat16
    weight = torch.ones(16, dtype=torch.bfloat16, requires_grad=True)
    (states * weight).sum().backward()
    assert weight.grad is not None
