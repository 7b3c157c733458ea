from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from scenes import pieces_of, scene_of
from torch import Tensor

from flashtalk.conditions import gather_conditions
from flashtalk.models.networks import Networks
from flashtalk.stream.chunk import split_bounds
from flashtalk.stream.state import opening_state
from flashtalk.stream.workers import WorkerPool


def test_results_come_in_order_and_in_the_callers_mode() -> None:
    parts = WorkerPool(3)
    with torch.inference_mode():
        made = parts.map(lambda n: torch.full((2,), float(n)) * 2, range(7))
        assert all(tensor.is_inference() for tensor in made)
    assert [tensor[0].item() for tensor in made] == [0, 2, 4, 6, 8, 10, 12]
    weight = torch.ones(2, requires_grad=True)
    torch.stack(parts.map(lambda n: n * weight, (1.0, 2.0))).sum().backward()
    assert weight.grad.tolist() == [3.0, 3.0]


def test_an_error_in_a_part_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        WorkerPool(2).map(lambda n: 1 / n, (1, 0))


def test_no_workers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        WorkerPool(0)


def test_threads_born_later_compute_as_before() -> None:
    torch.set_num_threads(2)
    try:
        parts = WorkerPool(3)
        assert parts.map(lambda _: torch.get_num_threads(), range(9)) == [1] * 9
        with ThreadPoolExecutor(1) as born_later:
            assert born_later.submit(torch.get_num_threads).result() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 9])
def test_bounds_cover_every_frame_once(parts: int) -> None:
    bounds = split_bounds(5, 33, 4, parts)
    assert len(bounds) == min(parts, 7)
    assert [frame for start, stop in bounds for frame in range(start, stop)] == list(range(5, 33))
    assert all((stop - start) % 4 == 0 for start, stop in bounds)


@pytest.mark.parametrize("first", [0, 8])
def test_the_video_is_the_same_however_many_work_on_it(
    toy_networks: Networks, toy_portrait: Tensor, first: int
) -> None:
    conditions = gather_conditions(toy_networks, toy_portrait)
    speech = torch.randn(1, 33, 5, 2, 8, generator=torch.Generator().manual_seed(5))

    def made(workers: int) -> Tensor:
        scene = scene_of(toy_networks, conditions, workers=WorkerPool(workers))
        return torch.cat(pieces_of(scene, opening_state(conditions, 0), speech, first)[0], dim=2)

    # Equal but for the order of sums: other batch sizes, other convolution kernels.
    assert torch.allclose(made(2), made(1), atol=1e-3)
