"""Softmax attention, rotary positions and norms under the transformer."""

import pytest
import torch

from flashtalk.models.dit.embeddings import RMSNorm, sinusoidal_embedding, unpatchify
from flashtalk.models.dit.rope import CACHED_GRIDS, RotaryTables, grid_angles, rotate
from flashtalk.models.dit.softmax_attention import attention


def test_sdpa_is_softmax_attention() -> None:
    q, k, v = torch.randn(2, 5, 3, 8), torch.randn(2, 7, 3, 8), torch.randn(2, 7, 3, 8)
    scores = torch.einsum("bqnd,bknd->bnqk", q, k) / 8**0.5
    expected = torch.einsum("bnqk,bknd->bqnd", scores.softmax(-1), v)
    torch.testing.assert_close(attention(q, k, v), expected)


def test_angles_follow_the_three_axes() -> None:
    grid, head_dim = (3, 4, 5), 128  # 22 pairs for time, 21 each for height and width
    angles = grid_angles(grid, head_dim).view(*grid, 64)
    token = angles[2, 1, 3]
    assert token[[0, 22, 43]].tolist() == [2.0, 1.0, 3.0]
    assert token[21].item() == pytest.approx(2 * 10_000 ** (-21 / 22), rel=1e-12)
    assert token[42].item() == pytest.approx(1 * 10_000 ** (-20 / 21), rel=1e-12)


@pytest.mark.parametrize("head_dim", [2, 4, 24, 64])
def test_rotation_makes_scores_relative(head_dim: int) -> None:
    rotation = RotaryTables(head_dim).of((4, 4, 4), torch.device("cpu"))
    q, k = torch.randn(2, 1, 1, 1, head_dim).expand(2, 1, 64, 1, head_dim)
    scores = torch.einsum("bqnd,bknd->qk", rotate(q, rotation), rotate(k, rotation))
    scores = scores.view(4, 4, 4, 4, 4, 4)  # query (t, h, w), key (t, h, w)
    torch.testing.assert_close(scores[:3, :3, :3, :3, :3, :3], scores[1:, 1:, 1:, 1:, 1:, 1:])
    assert (scores[0, 0, 0, 0, 0, 0] - scores[0, 0, 0, 3, 0, 0]).abs() > 1e-3


def test_tables_are_kept_and_bounded() -> None:
    tables, cpu = RotaryTables(12), torch.device("cpu")
    first = tables.of((1, 2, 3), cpu)
    assert tables.of((1, 2, 3), cpu) is first
    for frames in range(2, 2 + CACHED_GRIDS):
        tables.of((frames, 2, 3), cpu)
    assert tables.of((1, 2, 3), cpu) is not first
    assert len(tables._tables) == CACHED_GRIDS


def test_a_table_made_in_inference_mode_can_train() -> None:
    tables, cpu = RotaryTables(12), torch.device("cpu")
    with torch.inference_mode():
        tables.of((1, 2, 3), cpu)
    x = torch.randn(1, 6, 2, 12, requires_grad=True)
    rotate(x, tables.of((1, 2, 3), cpu)).square().sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e3])
def test_rms_norm_divides_by_the_root_mean_square(size: float) -> None:
    x = torch.randn(2, 3, 16, dtype=torch.float64) * size
    norm = RMSNorm(16, eps=1e-6)
    torch.nn.init.normal_(norm.weight)
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight
    torch.testing.assert_close(norm(x.float()), expected.float())


def test_sinusoids_start_with_cosines_and_are_exact_at_1000() -> None:
    embedding = sinusoidal_embedding(torch.tensor([0.0, 1000.0]), 8)
    assert embedding[0].tolist() == [1.0] * 4 + [0.0] * 4
    expected = torch.tensor([1000 * 10_000 ** (-i / 4) for i in range(4)], dtype=torch.float64)
    torch.testing.assert_close(embedding[1, :4], expected.cos().float(), atol=1e-7, rtol=0)


def test_unpatchify_puts_patches_back() -> None:
    video = torch.randn(2, 3, 4, 6, 8)  # [B, C, T, H, W]
    cells = video.view(2, 3, 4, 1, 3, 2, 4, 2).permute(0, 2, 4, 6, 3, 5, 7, 1)
    tokens = cells.reshape(2, 4 * 3 * 4, 1 * 2 * 2 * 3)
    assert torch.equal(unpatchify(tokens, (4, 3, 4), (1, 2, 2)), video)
