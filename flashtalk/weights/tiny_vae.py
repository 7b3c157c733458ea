"""The tiny autoencoder of Wan 2.1's latents, from the Hub, put beside the whole one.

Its file is read as all others are: tensors alone, every name, shape and type compared first.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch

from flashtalk.config import HubFiles
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.models.published.tiny_vae import Part, TinyVae, TinyWanAutoencoder
from flashtalk.models.published.wan_vae import WanAutoencoder
from flashtalk.weights.pickles import described, read_pickle
from flashtalk.weights.strict import Naming, as_dtype, assign, check

FILE = "taew2_1.pth"
SOURCE = HubFiles("lightx2v/Autoencoders", (FILE,))
"""A branch and no commit: nobody here has seen the repository."""
REMEDY = "Fetch it again, or leave --tiny-vae out."


def checked_part(name: str) -> Part:
    """``name`` if it is a part that the tiny autoencoder can do, else :class:`FlashTalkError`."""
    if name not in get_args(Part):
        raise FlashTalkError(
            f"--tiny-vae must be {' or '.join(get_args(Part))}, got {name!r}. encode: motion frames"
            " alone; both: pictures, too, which lose some sharpness."
        )
    return name  # type: ignore[return-value]  # just checked


def with_tiny_vae(networks: Networks, part: Part, folder: Path | None = None) -> Networks:
    """``networks`` on the host with the tiny autoencoder, which is fetched unless in ``folder``.

    Raises :class:`FlashTalkError` for networks without Wan's autoencoder, and for a file that
    cannot be fetched or is another network's.
    """
    whole, preset = networks.autoencoder, networks.preset
    if not isinstance(whole, WanAutoencoder):
        raise FlashTalkError(
            f"--tiny-vae is for flashtalk-14b and its kind: {preset.name} has an autoencoder of "
            "its own. Leave the option out."
        )
    if folder is None:
        from flashtalk.weights.hub import fetch  # here: the Hub's client takes a second to import

        (folder,) = fetch([SOURCE])
    tiny = read_tiny_vae(folder / FILE, whole.vae.dtype)
    coder = TinyWanAutoencoder(whole, tiny, preset.geometry.motion_frames, part)
    return replace(networks, autoencoder=coder)


def read_tiny_vae(file: Path, dtype: torch.dtype) -> TinyVae:
    """The network of ``file`` on the host, in ``dtype``; :class:`FlashTalkError` for another."""
    with torch.device("meta"):
        tiny = TinyVae()
    state, naming = read_pickle(file, REMEDY), Naming()
    names = check(tiny, described(state, file), naming, f"tiny autoencoder in {file}", REMEDY)
    assign(tiny, {name: as_dtype(state[name], dtype) for name in names}, naming)
    return tiny
