import torch

from flashtalk.models.face_code import MOUTH
from flashtalk.models.mouth import (
    MouthPainter,
    MouthPlace,
    follow,
    lens,
    soft_edges,
    window_corners,
)


def place(gap: float, center: tuple[float, float] = (0.0, 0.2)) -> MouthPlace:
    """A mouth 0.36 wide with lips ``gap`` spreads apart."""
    numbers = torch.zeros(1, len(MOUTH))
    numbers[0, MOUTH.index("lip_gap")] = gap
    numbers[0, MOUTH.index("lip_width")] = 2.0
    return MouthPlace(torch.tensor([center]), numbers)


def points(*xy: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = torch.tensor(xy).T
    return x[None, None], y[None, None]


def test_the_lens_lies_between_the_lips() -> None:
    x, y = points((0.0, 0.2), (0.0, 0.23), (0.0, 0.26), (0.17, 0.23), (0.3, 0.2))
    inside = lens(place(gap=3.2), x, y)[0, 0]  # 0.08 apart in the middle
    assert inside[0] > 0
    assert inside[1] > 0
    assert inside[2] < 0, "below the lower lip"
    assert inside[3] < 0, "lips come together toward the corners"
    assert inside[4] < 0, "beyond the corner"


def test_a_closed_mouth_has_no_opening() -> None:
    x, y = points(*((0.02 * i - 0.2, 0.02 * j) for i in range(20) for j in range(20)))
    assert lens(place(gap=0.0), x, y).max() <= 0.0


def test_a_place_is_followed_along_the_flow() -> None:
    torch.manual_seed(0)
    across = torch.linspace(-1, 1, 32)
    offset = torch.stack((0.1 + 0.05 * across.expand(32, 32), torch.full((32, 32), -0.07)))[None]
    target = torch.tensor([[0.1, 0.3]])
    found = follow(offset, target)
    x = found[0, 0].item()
    assert abs(x + 0.1 + 0.05 * x * 32 / 31 - 0.1) < 2e-3
    assert abs(found[0, 1].item() - 0.37) < 1e-4


def test_windows_stay_inside_the_picture() -> None:
    centers = torch.tensor([[0.0, 0.0], [-1.0, -1.0], [1.0, 1.0]])
    corners = window_corners(centers, 256, 256)
    rows, columns = MouthPainter.window_of(256, 256)
    assert corners.tolist() == [[128 - rows // 2, 128 - columns // 2], [0, 0], [192, 160]]


def test_the_window_fades_into_the_picture() -> None:
    share = soft_edges(64, 96, torch.zeros(1))
    assert share[0, 0, 32, 48] == 1.0
    assert share[0, 0, 0].max() < 0.1
    assert share[0, 0, :, -1].max() < 0.1


def test_a_veil_shows_its_color_and_no_veil_the_portrait() -> None:
    torch.manual_seed(0)
    painter = MouthPainter(16)
    portrait = torch.rand(1, 3, 64, 64) * 2 - 1
    corners = torch.tensor([[20, 12]])
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 3, 64, 64), False)
    positions = grid[:, 20:36, 12:36]
    with torch.no_grad():
        painter.paint.weight.zero_()
        painter.flow.weight.zero_()
        painter.paint.bias.copy_(torch.tensor([0.5] * 48 + [40.0] * 16))
        veiled = painter(place(0.0), positions, portrait, corners, (64, 64))
        painter.paint.bias[48:] = -40.0
        bare = painter(place(0.0), positions, portrait, corners, (64, 64))
    assert torch.allclose(veiled.picture, torch.full((1, 3, 16, 24), 0.5), atol=1e-5)
    assert torch.allclose(bare.picture, portrait[:, :, 20:36, 12:36], atol=1e-5)
