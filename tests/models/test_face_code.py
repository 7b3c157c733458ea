import torch
from faces import face

from flashtalk.models.tiny.face_code import (
    FEATURES,
    FLOW_PLACE,
    FLOW_UNIT,
    GROUP_FRAMES,
    MOUTH,
    MOUTH_SIGMA,
    UNITS,
    flow_of,
    frame_codes,
    frames_of,
    groups_of,
    index_of,
    paint,
    with_flow,
)
from flashtalk.models.tiny.feature_state import read_center, read_values

SIZE = (8, 8)


def number(code: torch.Tensor, name: str) -> float:
    rest, spread = UNITS[name]
    numbers = read_values(code, read_center(code), MOUTH, MOUTH_SIGMA, SIZE)
    return numbers[0, MOUTH.index(name)].item() * spread + rest


def test_what_is_painted_can_be_read() -> None:
    for shift in ((0.0, 0.0), (0.11, -0.07)):
        code = paint(face(shift, gap=0.06), torch.zeros(1, 2), SIZE)
        middle = torch.tensor([[shift[0], 0.305 + shift[1]]])
        assert (read_center(code) - middle).abs().max() < 0.02  # 2.5 pixels of 256
        assert abs(number(code, "lip_gap") - 0.06) < 0.004
        assert abs(number(code, "lip_width") - 0.32) < 0.02


def test_noise_of_cells_hardly_moves_the_lips() -> None:
    torch.manual_seed(0)
    code = paint(face(), torch.zeros(1, 2), SIZE)
    noisy = [number(code + 0.1 * torch.randn_like(code), "lip_gap") for _ in range(50)]
    assert torch.tensor(noisy).std() < 0.1 * UNITS["lip_gap"][1]


def test_a_face_elsewhere_is_painted_elsewhere() -> None:
    here = paint(face(), torch.zeros(1, 2), SIZE)
    there = paint(face((0.25, 0.0)), torch.zeros(1, 2), SIZE)  # one cell to the right
    assert torch.allclose(here[..., :-1], there[..., 1:], atol=1e-5)
    assert not torch.allclose(here, there, atol=0.1)


def test_flow_is_taken_out_and_put_back() -> None:
    latents = torch.randn(2, GROUP_FRAMES * len(FEATURES), *SIZE)
    flow = flow_of(latents)
    assert flow.shape == (2, GROUP_FRAMES, 2, *SIZE)
    code, known = frame_codes(latents), flow.flatten(0, 1)
    assert torch.allclose(with_flow(code, known), code, atol=1e-6)
    moved = with_flow(code, known + 1.0)
    lid = index_of("lid")
    assert torch.equal(moved[:, lid], code[:, lid])
    assert torch.allclose(moved[:, FLOW_PLACE] * FLOW_UNIT, known + 1.0, atol=1e-6)


def test_groups_and_frames_are_two_views_of_the_same() -> None:
    frames = torch.randn(3, 9, 2)
    groups = groups_of(frames)
    assert groups.shape == (3, 3, GROUP_FRAMES, 2)
    assert torch.allclose(frames_of(groups), frames, atol=1e-6)
