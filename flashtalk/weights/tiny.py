"""The embedded family's networks <-> a folder of safetensors shards, strictly.

A folder holds ``config.json`` (format, preset, dtype and the SHA-256 of every shard) and
``NAME-0000k-of-0000n.safetensors`` for each network::

    assets/flashtalk-tiny/config.json
                          transformer-00001-of-00002.safetensors ...

Shards stay small enough for any repository host. One may lie in another folder, which the manifest
then names relative to its own. Models that differ in one network share the others. Whatever does
not fit exactly (a missing or changed file, another format, preset or shape) is a
:class:`FlashTalkError`; nothing is loaded in part and nothing is guessed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from flashtalk.config import Preset
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks, build_denoiser
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.speech_encoder import SpeechEncoder

FORMAT = 1
MANIFEST = "config.json"
SHARD_BYTES = 9_000_000
HEADER_BYTES_PER_TENSOR = 256  # name, dtype, shape and offsets in a shard's header, generously

_PAINTER_NAMES = {
    "edge_shift": "shift",
    "film": "known",
    "stem": "first",
    "stem_norm": "norm",
    "down": "wide",
    "up": "narrow",
    "merge": "second",
    "merge_norm": "last_norm",
    "trunk_out": "last",
    "detail": "paint",
    "edge_textures": "prints",
    "texture_shift": "print_shift",
    "shading": "light",
    "sdf_gain": "lens_gain",
    "hidden_gain": "own_lens_gain",
}
_MOUTH_NAMES = {"default_identity": "usual", "jaw_textures": "teeth", "jaw_transform": "stand"}

STORED_NAMES: dict[str, dict[str, str]] = {
    "transformer": {
        "flow_anchor": "hand_over",
        "flow_anchor.flow_prior": "hand_over.face_like",
    },
    "autoencoder": {
        "pyramid.finest_static": "pyramid.still",
        "reader.refiner": "reader.second_look",
        **{
            f"decoder.{painter}.{ours}": f"decoder.{painter}.{theirs}"
            for painter in ("mouth", "cover", "eye", "lids")
            for ours, theirs in _PAINTER_NAMES.items()
        },
        **{
            f"decoder.{painter}.{ours}": f"decoder.{painter}.{theirs}"
            for painter in ("mouth", "cover")
            for ours, theirs in _MOUTH_NAMES.items()
        },
    },
    "speech_encoder": {},
}
"""For each network the attributes whose tensors have another name in the shards.

Attribute path -> stored path, both from the network down. An entry stands for all below it, and
the longest one that fits a name counts.
"""


@dataclass(frozen=True)
class Manifest:
    """What ``config.json`` says about a folder of weights."""

    preset: str
    """Name of the preset that the weights were made for."""
    dtype: str
    """Stored floating-point type, ``bfloat16`` or ``float32``."""
    shards: dict[str, dict[str, str]]
    """For each network its shard files, in order and relative to the folder, with their SHA-256."""
    format: int = FORMAT


def build_networks(preset: Preset) -> Networks:
    """The networks of ``preset`` with new random weights, float32 on the CPU, in eval mode."""
    if preset.autoencoder is None or preset.speech_encoder is None:
        raise FlashTalkError(
            f"{preset.name} is not built here: its autoencoder and its encoders are published ones "
            "that come with their weights. Load it with Engine.from_pretrained."
        )
    return Networks(
        preset=preset,
        transformer=build_denoiser(preset.transformer).eval(),
        # channels last: twice as fast on processors
        autoencoder=PortraitAutoencoder(preset.autoencoder)
        .eval()
        .to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        speech_encoder=SpeechEncoder(preset.speech_encoder).eval(),
    )


def modules_of(networks: Networks) -> dict[str, nn.Module]:
    """The networks that there are, by the names that their files carry."""
    members = {
        "transformer": networks.transformer,
        "autoencoder": networks.autoencoder,
        "speech_encoder": networks.speech_encoder,
        "text_encoder": networks.text_encoder,
        "image_encoder": networks.image_encoder,
    }
    return {name: member for name, member in members.items() if isinstance(member, nn.Module)}


# --- names --------------------------------------------------------------------------------------
def stored_name(network: str, name: str) -> str:
    """The shards' name of the tensor ``name`` in the state dict of ``network``."""
    return _renamed(name, STORED_NAMES.get(network, {}))


def attribute_name(network: str, stored: str) -> str:
    """The reverse of :func:`stored_name`."""
    table = STORED_NAMES.get(network, {})
    return _renamed(stored, {theirs: ours for ours, theirs in table.items()})


def _renamed(name: str, table: Mapping[str, str]) -> str:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        beginning = ".".join(parts[:length])
        if beginning in table:
            return ".".join((table[beginning], *parts[length:]))
    return name


# --- saving -------------------------------------------------------------------------------------
def save_weights(
    folder: str | Path,
    preset_name: str,
    modules: Mapping[str, nn.Module],
    dtype: torch.dtype = torch.bfloat16,
    *,
    shard_bytes: int = SHARD_BYTES,
    sharing: str | Path | None = None,
) -> Manifest:
    """Writes ``modules`` (by network name) to ``folder`` in shards of at most ``shard_bytes``.

    Floating-point tensors are stored as ``dtype``, others as they are. Shards that ``sharing``,
    another folder of weights, has to the byte are named there and not written again. The manifest
    is replaced last, then old shards are removed: an interrupted save never passes for a finished
    one.
    """
    folder = Path(folder)
    elsewhere = {} if sharing is None else _shared_shards(Path(sharing), folder)
    folder.mkdir(parents=True, exist_ok=True)
    split = {
        name: _split(_stored(name, module.state_dict(), dtype), shard_bytes)
        for name, module in modules.items()
    }
    shards: dict[str, dict[str, str]] = {name: {} for name in modules}
    for name, parts in split.items():
        for number, part in enumerate(parts, start=1):
            file = f"{name}-{number:05d}-of-{len(parts):05d}.safetensors"
            content = save(part)
            digest = hashlib.sha256(content).hexdigest()
            if digest in elsewhere:
                file = elsewhere[digest]
            else:
                _replace(folder / file, content)
            shards[name][file] = digest
    manifest = Manifest(preset=preset_name, dtype=str(dtype).removeprefix("torch."), shards=shards)
    _replace(folder / MANIFEST, (json.dumps(asdict(manifest), indent=2) + "\n").encode())
    kept = {file for files in shards.values() for file in files}
    for old in folder.glob("*.safetensors"):
        if old.name not in kept:
            old.unlink()
    return manifest


def _shared_shards(sharing: Path, folder: Path) -> dict[str, str]:
    """By SHA-256 the shards of ``sharing``, as ``folder`` names them."""
    if sharing.resolve() == folder.resolve():
        raise FlashTalkError(
            f"{folder} cannot share files with itself. Name another folder of weights."
        )
    way = Path(os.path.relpath(sharing.resolve(), folder.resolve()))
    listed = read_manifest(sharing).shards.values()
    return {digest: (way / file).as_posix() for each in listed for file, digest in each.items()}


def _stored(network: str, state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {
        stored_name(network, name): tensor.detach()
        .to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        .contiguous()
        for name, tensor in state.items()
    }


def _split(state: Mapping[str, Tensor], shard_bytes: int) -> list[dict[str, Tensor]]:
    """Tensors in their order, packed into as few consecutive shards as the limit allows."""
    parts: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in state.items():
        size = tensor.nbytes + HEADER_BYTES_PER_TENSOR
        if size > shard_bytes:
            raise FlashTalkError(
                f"{name} alone takes {size:,} bytes, more than a shard may ({shard_bytes:,}). "
                "Raise shard_bytes."
            )
        if filled + size > shard_bytes:
            parts.append({})
            filled = 0
        parts[-1][name] = tensor
        filled += size
    return parts


def _replace(path: Path, content: bytes) -> None:
    """Writes the whole file beside its place, then moves it there."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    temporary.replace(path)


# --- loading ------------------------------------------------------------------------------------
def load_networks(folder: str | Path, preset: Preset) -> Networks:
    """Builds the networks of ``preset`` and loads them from ``folder``: float32, CPU, eval mode."""
    networks = build_networks(preset)
    load_weights(folder, preset.name, modules_of(networks))
    return networks


def read_manifest(folder: str | Path) -> Manifest:
    """The folder's manifest; :class:`FlashTalkError` if there is none that can be read."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise FlashTalkError(
            f"No weights in {folder}: {MANIFEST} is missing. Fetch the folder again (the weights "
            "are part of the repository) or save_weights() into it."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(**content)
        valid = all(isinstance(files, dict) for files in manifest.shards.values())
    except (ValueError, TypeError, AttributeError) as error:
        raise FlashTalkError(f"{path} cannot be read ({error}). Fetch the file again.") from error
    if manifest.format != FORMAT or not valid:
        raise FlashTalkError(
            f"{path} is of format {manifest.format}, this version reads format {FORMAT}. "
            "Fetch weights and code of the same release."
        )
    return manifest


def load_weights(folder: str | Path, preset_name: str, modules: Mapping[str, nn.Module]) -> None:
    """Fills ``modules`` (by network name) from ``folder``; converts to each parameter's own dtype.

    A folder may hold more networks than are asked for. All files are read and checked before the
    first module is touched. Raises :class:`FlashTalkError` naming the file and the remedy.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest.preset != preset_name:
        raise FlashTalkError(
            f"{folder / MANIFEST} says that these are weights of {manifest.preset}, but "
            f"{preset_name} was asked for. Choose the matching preset or folder."
        )
    states = {name: _read_state(folder, manifest, name) for name in modules}
    for name, module in modules.items():
        expected = {stored_name(name, key): value for key, value in module.state_dict().items()}
        _check_fit(folder, name, expected, states[name])
    for name, module in modules.items():
        module.load_state_dict(
            {attribute_name(name, key): tensor for key, (tensor, _) in states[name].items()}
        )


def _read_state(folder: Path, manifest: Manifest, name: str) -> dict[str, tuple[Tensor, str]]:
    """Tensors of one network by stored name, each with the file it came from."""
    if name not in manifest.shards:
        raise FlashTalkError(
            f"{folder / MANIFEST} lists no files for the {name}. Save all networks of the preset "
            "into this folder, or fetch it again."
        )
    state: dict[str, tuple[Tensor, str]] = {}
    for file, digest in manifest.shards[name].items():
        path = folder / file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise FlashTalkError(
                f"{path} is missing or unreadable ({error.strerror}). Fetch it again and put it "
                f"beside {MANIFEST}."
            ) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise FlashTalkError(
                f"{path} is damaged: {len(content):,} bytes whose checksum differs from the one "
                f"in {MANIFEST}. Fetch the file again (a few hundred bytes of text mean that a "
                "git client left a pointer instead of the file)."
            )
        try:
            tensors = load(content)
        except SafetensorError as error:
            raise FlashTalkError(
                f"{path} is not a safetensors file ({error}). Save or fetch it again."
            ) from error
        state.update({key: (tensor, file) for key, tensor in tensors.items()})
    return state


def _check_fit(
    folder: Path,
    name: str,
    expected: Mapping[str, Tensor],
    state: Mapping[str, tuple[Tensor, str]],
) -> None:
    remedy = "Fetch weights and code of the same release, or train again."
    missing = [key for key in expected if key not in state]
    if missing:
        raise FlashTalkError(
            f"The {name} files in {folder} lack {len(missing)} of {len(expected)} tensors, "
            f"first {missing[0]}. {remedy}"
        )
    for key in sorted(state.keys() - expected.keys()):
        raise FlashTalkError(
            f"{folder / state[key][1]} holds {key}, which the {name} does not have. {remedy}"
        )
    for key in expected:
        tensor, file = state[key]
        if tensor.shape != expected[key].shape:
            raise FlashTalkError(
                f"{folder / file} holds {key} of shape {list(tensor.shape)}, the {name} expects "
                f"{list(expected[key].shape)}. {remedy}"
            )
