import pytest
import torch

from lab.training.precision import mixed_precision


def test_bfloat16_is_used_where_asked_and_weights_stay_as_they_are() -> None:
    layer = torch.nn.Linear(8, 8)
    x = torch.randn(2, 8)
    with mixed_precision("bfloat16"):
        assert layer(x).dtype is torch.bfloat16
    with mixed_precision("float32"):
        assert layer(x).dtype is torch.float32
    assert layer.weight.dtype is torch.float32


def test_another_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="'float8'"), mixed_precision("float8"):
        pass
