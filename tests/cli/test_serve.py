"""``flashtalk serve``, as far as it can be looked at without serving the page."""

import pytest

from flashtalk.cli.serve import warms_up


@pytest.mark.parametrize(
    ("device", "gpu_is_lent", "warm"),
    [("cpu", False, True), ("cuda", False, True), ("cpu", True, True), ("cuda", True, False)],
)
def test_a_gpu_that_is_lent_to_visits_is_not_warmed_up_before_one(
    device: str, gpu_is_lent: bool, warm: bool
) -> None:
    assert warms_up(device, gpu_is_lent) is warm
