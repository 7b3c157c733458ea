import torch

from flashtalk.models.tiny.painter import IDENTITY_CHANNELS
from lab.training.tiny.networks import TRAINED, trained_in_part
from lab.training.tiny.teeth import ROWS, DonorTeeth


def test_everybody_has_teeth_of_their_own() -> None:
    torch.manual_seed(0)
    teeth = DonorTeeth()
    codes = teeth(torch.tensor([3, 70, 3, ROWS + 70]))
    assert codes.shape == (4, IDENTITY_CHANNELS)
    assert torch.equal(codes[0], codes[2])
    assert torch.equal(codes[1], codes[3])
    assert not torch.allclose(codes[0], codes[1])


def test_the_painter_of_mouths_learns_alone() -> None:
    model = trained_in_part("teeth", None)
    learned = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert learned
    assert all(name.startswith("decoder.mouth.") for name in learned)
    assert any(name.endswith(".jaw_textures") for name in learned)
    assert TRAINED["teeth"] == ("decoder.mouth.",)
    assert not model.decoder.mouth.default_identity.requires_grad
