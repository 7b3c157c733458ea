"""The denoisers compile as one graph: nothing in a step breaks it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from test_transformer import TOY_TEXT, inputs
from torch import nn

from flashtalk.config import TINY, TransformerConfig
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.tiny.denoiser import TinyDenoiser

TINY_TOY = replace(TINY.transformer, dim=32, ffn_dim=48, heads=2, layers=2, flow_prior_cells=(4, 6))


@pytest.mark.parametrize(
    ("build", "config"), [(VideoTransformer, TOY_TEXT), (TinyDenoiser, TINY_TOY)]
)
@torch.inference_mode()
def test_a_step_is_one_graph(
    build: Callable[[TransformerConfig], nn.Module], config: TransformerConfig
) -> None:
    torch.manual_seed(0)
    model = build(config).eval()
    for parameter in model.parameters():
        parameter.normal_(std=0.1)
    given = inputs(config)
    given["audio_tokens"] = model.project_speech(given.pop("speech"))
    expected = model(**given, num_motion=2)
    explained = torch._dynamo.explain(model)(**given, num_motion=2)
    assert (explained.graph_count, explained.graph_break_count) == (1, 0)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert torch.equal(compiled(**given, num_motion=2), expected)
