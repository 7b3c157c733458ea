"""The rows of the table whose weights are in the repository: whoever doubts it can run it."""

from pathlib import Path

import pytest
import torch

from flashtalk.weights.checkpoint import find_checkpoint
from lab.evaluation.runs import Variant

ROWS = Path(__file__).parents[3] / "docs" / "evaluation" / "rows"


@pytest.mark.parametrize("row", sorted(path.name for path in ROWS.iterdir() if path.is_dir()))
def test_a_row_is_what_ships_but_for_its_transformer(row: str) -> None:
    shipped = find_checkpoint("flashtalk-tiny").load(torch.device("cpu"))
    networks = Variant(row, str(ROWS / row)).load(torch.device("cpu"))
    for name in ("autoencoder", "speech_encoder"):
        expected = getattr(shipped, name).state_dict()
        for key, value in getattr(networks, name).state_dict().items():
            assert torch.equal(value, expected[key]), key
    expected = shipped.transformer.state_dict()
    differing = [
        key
        for key, value in networks.transformer.state_dict().items()
        if not torch.equal(value, expected[key])
    ]
    assert len(differing) > 0.9 * len(list(networks.transformer.parameters()))
