"""The published system once more, told plainly and in double precision, from its description.

Nothing of the package is used: the transformer is written out here over a dictionary of tensors,
rotary positions as complex numbers, attention as a softmax of products. The encoders are the
libraries' own classes, loaded with their own ``from_pretrained``. Slow and short: a yardstick for
tests at toy size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import ftfy
import numpy as np
import pyloudnorm
import torch
from diffusers import AutoencoderKLWan
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    AutoTokenizer,
    CLIPVisionModelWithProjection,
    UMT5EncoderModel,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

FPS, RATE_HZ = 25, 16_000
CHUNK, MOTION, WINDOW_S = 33, 5, 8
NEW = CHUNK - MOTION
TIMES = [1000.0, 750.0, 500.0, 250.0]
SHIFT = 5.0


# --- the transformer ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Weights:
    """Tensors under their published names, as functions of what they do."""

    tensors: Mapping[str, Tensor]
    heads: int

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name].double()

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self[f"{name}.weight"].T + self[f"{name}.bias"]

    def layer_norm(self, name: str, x: Tensor, eps: float) -> Tensor:
        return normalized(x, eps) * self[f"{name}.weight"] + self[f"{name}.bias"]

    def rms_norm(self, name: str, x: Tensor) -> Tensor:
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * self[f"{name}.weight"]

    def split(self, x: Tensor) -> Tensor:
        """[L, dim] -> [N, L, D]."""
        return x.view(len(x), self.heads, -1).transpose(0, 1)


def normalized(x: Tensor, eps: float) -> Tensor:
    centered = x - x.mean(-1, keepdim=True)
    return centered / (centered.pow(2).mean(-1, keepdim=True) + eps).sqrt()


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """[N, L, D] -> [L, N * D]."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    return (scores.softmax(-1) @ v).transpose(0, 1).flatten(1)


def rotation(grid: tuple[int, int, int], head_width: int) -> Tensor:
    """Unit complex numbers [L, D / 2]: time first, then rows, then columns."""
    pairs = head_width // 2
    third = pairs // 3
    places = torch.cartesian_prod(*(torch.arange(n) for n in grid)).double()
    turns = []
    for axis, count in enumerate((pairs - 2 * third, third, third)):
        frequency = 10_000.0 ** (-torch.arange(count, dtype=torch.float64) / count)
        turns.append(places[:, axis, None] * frequency)
    return torch.exp(1j * torch.cat(turns, dim=1))


def turned(x: Tensor, by: Tensor) -> Tensor:
    """[N, L, D] whose neighbors (2i, 2i+1) are one complex number each."""
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * by).flatten(-2)


def audio_tokens(w: Weights, audio: Tensor) -> Tensor:
    """Windows [1 + 4k, 5, layers, width] -> [1 + k, M, C]: four frames make one latent frame."""
    first = w.linear("audio_proj.proj1", audio[:1].flatten(1)).relu()
    groups = audio[1:].unflatten(0, (-1, 4))  # [k, 4, 5, layers, width]
    heard = torch.cat(
        [
            groups[:, 0, :3],  # the first frame and what was before it
            groups[:, 1, 2:3],
            groups[:, 2, 2:3],
            groups[:, 3, 2:],  # the last frame and what comes after it
        ],
        dim=1,
    )
    later = w.linear("audio_proj.proj1_vf", heard.flatten(1)).relu()
    hidden = w.linear("audio_proj.proj2", torch.cat([first, later])).relu()
    width = len(w["audio_proj.norm.weight"])
    tokens = w.linear("audio_proj.proj3", hidden).unflatten(-1, (-1, width))
    return w.layer_norm("audio_proj.norm", tokens, 1e-5)


def velocity(
    w: Weights,
    latents: Tensor,
    timestep: float,
    condition: Tensor,
    text: Tensor,
    image: Tensor,
    audio: Tensor,
) -> Tensor:
    """The network's output for latents [16, T, h, w], condition [20, T, h, w], text [L, C],
    image [tokens, C] and speech windows [1 + 4k, 5, layers, width]."""
    patched = torch.cat([latents, condition])[None].double()
    kernel, bias = w["patch_embedding.weight"], w["patch_embedding.bias"]
    x = F.conv3d(patched, kernel, bias, stride=(1, 2, 2))[0]  # [dim, T, h/2, w/2]
    grid = tuple(x.shape[1:])
    x = x.flatten(1).T

    half = w["time_embedding.0.weight"].shape[1] // 2
    angle = timestep * 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    waves = torch.cat([angle.cos(), angle.sin()])[None]
    time = w.linear("time_embedding.2", F.silu(w.linear("time_embedding.0", waves)))
    six = w.linear("time_projection.1", F.silu(time)).view(6, -1)

    text = w.linear("text_embedding.2", gelu(w.linear("text_embedding.0", text.double())))
    image = w.layer_norm("img_emb.proj.0", image.double(), 1e-5)
    image = F.gelu(w.linear("img_emb.proj.1", image))
    image = w.layer_norm("img_emb.proj.4", w.linear("img_emb.proj.3", image), 1e-5)
    sounds = audio_tokens(w, audio.double())

    turn = rotation(grid, x.shape[1] // w.heads)
    count = 1 + max(int(name.split(".")[1]) for name in w.tensors if name.startswith("blocks."))
    for index in range(count):
        x = block(w, f"blocks.{index}.", x, six, turn, text, image, sounds)

    shift, scale = w["head.modulation"][0] + time
    x = w.linear("head.head", normalized(x, 1e-6) * (1 + scale) + shift)
    x = x.view(*grid, 1, 2, 2, -1)  # [T, h/2, w/2, 1, 2, 2, C]
    return x.permute(6, 0, 3, 1, 4, 2, 5).reshape(latents.shape)


def block(
    w: Weights,
    name: str,
    x: Tensor,
    six: Tensor,
    turn: Tensor,
    text: Tensor,
    image: Tensor,
    sounds: Tensor,
) -> Tensor:
    shift, scale, gate, late_shift, late_scale, late_gate = w[f"{name}modulation"][0] + six
    self_, cross, heard = f"{name}self_attn", f"{name}cross_attn", f"{name}audio_cross_attn"

    y = normalized(x, 1e-6) * (1 + scale) + shift
    q = turned(w.split(w.rms_norm(f"{self_}.norm_q", w.linear(f"{self_}.q", y))), turn)
    k = turned(w.split(w.rms_norm(f"{self_}.norm_k", w.linear(f"{self_}.k", y))), turn)
    x = x + gate * w.linear(f"{self_}.o", attend(q, k, w.split(w.linear(f"{self_}.v", y))))

    y = w.layer_norm(f"{name}norm3", x, 1e-6)
    q = w.split(w.rms_norm(f"{cross}.norm_q", w.linear(f"{cross}.q", y)))
    found = torch.zeros_like(x)
    for states, end in ((text, ""), (image, "_img")):
        k = w.rms_norm(f"{cross}.norm_k{end}", w.linear(f"{cross}.k{end}", states))
        found += attend(q, w.split(k), w.split(w.linear(f"{cross}.v{end}", states)))
    x = x + w.linear(f"{cross}.o", found)

    y = w.linear(f"{heard}.q_linear", w.layer_norm(f"{name}norm_x", x, 1e-6))
    frames = []
    for part, tokens in zip(y.chunk(len(sounds)), sounds, strict=True):
        k, v = w.linear(f"{heard}.kv_linear", tokens).chunk(2, dim=-1)
        frames.append(attend(w.split(part), w.split(k), w.split(v)))
    x = x + w.linear(f"{heard}.proj", torch.cat(frames))

    y = normalized(x, 1e-6) * (1 + late_scale) + late_shift
    return x + late_gate * w.linear(f"{name}ffn.2", gelu(w.linear(f"{name}ffn.0", y)))


def gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


# --- sampling -------------------------------------------------------------------------------------
def shifted() -> list[float]:
    times = [t / 1000 for t in (*TIMES, 0.0)]
    return [1000 * SHIFT * t / (1 + (SHIFT - 1) * t) for t in times]


def sampled(predict, noise: Iterator[Tensor], motion: Tensor) -> Tensor:
    """Clean latents [16, T, h, w] that begin with ``motion`` [16, m, h, w]."""
    latents = next(noise).double().clone()
    latents[:, : motion.shape[1]] = motion
    times = shifted()
    for now, then in pairwise(times):
        clean = latents - now / 1000 * predict(latents, now)
        fresh = next(noise).double() if then else torch.zeros_like(clean)
        latents = (1 - then / 1000) * clean + then / 1000 * fresh
        latents[:, : motion.shape[1]] = motion
    return latents


# --- color ----------------------------------------------------------------------------------------
WHITE = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)
TO_XYZ = torch.tensor(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    dtype=torch.float64,
)
TO_RGB = torch.tensor(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ],
    dtype=torch.float64,
)


def lab_of(rgb: Tensor) -> Tensor:
    """[..., 3] in 0..1 -> L, a, b."""
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = (linear @ TO_XYZ.T / WHITE).clamp(1e-8, 1.0)
    f = torch.where(xyz > 0.008856, xyz ** (1 / 3), (903.3 * xyz + 16) / 116)
    fx, fy, fz = f.unbind(-1)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=-1)


def rgb_of(lab: Tensor) -> Tensor:
    """L, a, b [..., 3] -> 0..1."""
    lightness, a, b = lab.unbind(-1)
    fy = (lightness + 16) / 116
    x, z = (
        torch.where(f**3 > 0.008856, f**3, (116 * f - 16) / 903.3)
        for f in (fy + a / 500, fy - b / 200)
    )
    y = torch.where(lightness > 903.3 * 0.008856, fy**3, lightness / 903.3)
    linear = torch.stack([x, y, z], dim=-1) * WHITE @ TO_RGB.T
    high = 1.055 * linear.clamp(min=1e-12) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, high, 12.92 * linear).clamp(0, 1)


def matched(video: Tensor, portrait: Tensor) -> Tensor:
    """Video [3, F, H, W] in -1..1 with the Lab means and deviations of ``portrait`` [3, H, W]."""
    wanted = lab_of((portrait.permute(1, 2, 0) + 1) / 2).flatten(0, 1)
    frames = []
    for frame in video.unbind(1):
        lab = lab_of((frame.permute(1, 2, 0) + 1) / 2)
        mean, spread = lab.mean((0, 1)), lab.std((0, 1), correction=0)
        spread = torch.where(spread < 1e-8, 1.0, spread)
        lab = (lab - mean) * wanted.std(0, correction=0) / spread + wanted.mean(0)
        frames.append(rgb_of(lab).permute(2, 0, 1) * 2 - 1)
    return torch.stack(frames, dim=1)


# --- the whole system -----------------------------------------------------------------------------
class PublishedSystem:
    """Everything of a folder in the published layout, in double precision."""

    def __init__(self, folder: Path, heads: int, text_tokens: int) -> None:
        shards = folder.glob("diffusion_pytorch_model*.safetensors")
        tensors = {name: t for shard in shards for name, t in load_file(shard).items()}
        self.weights = Weights(tensors, heads)
        self.text_tokens = text_tokens
        self.vae = AutoencoderKLWan.from_pretrained(folder / "vae").double().eval()
        text = UMT5EncoderModel.from_pretrained(folder / "text_encoder", dtype=torch.float64)
        self.text = text.eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
        image = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder")
        self.image = image.double().eval()
        self.speech = Wav2Vec2Model.from_pretrained(folder / "wav2vec2").double().eval()
        self.extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder / "wav2vec2")

    @torch.no_grad()
    def talk(
        self, portrait: np.ndarray, prompt: str, samples: np.ndarray, noise: list[Iterator[Tensor]]
    ) -> list[Tensor]:
        """Chunks [3, 28, H, W] in -1..1 of a portrait [H, W, 3] in 0..255, for as many chunks as
        there is noise."""
        picture = (torch.from_numpy(portrait.copy()).double().permute(2, 0, 1) / 255 - 0.5) * 2
        text, image = self.text_states(prompt), self.image_states(picture)
        clip = torch.zeros(3, CHUNK, *picture.shape[1:], dtype=torch.float64)
        clip[:, 0] = picture
        reference = self.encode(clip)
        mask = torch.zeros(4, *reference.shape[1:], dtype=torch.float64)
        mask[:, 0] = 1
        condition = torch.cat([mask, reference])
        motion = self.encode(picture[:, None])
        heard = np.zeros(WINDOW_S * RATE_HZ)
        step = NEW * RATE_HZ // FPS
        chunks = []
        for index, each in enumerate(noise):
            heard = np.concatenate([heard, samples[index * step : (index + 1) * step]])
            heard = heard[-WINDOW_S * RATE_HZ :]
            audio = self.speech_windows(heard)
            latents = sampled(
                lambda x, t, audio=audio: velocity(
                    self.weights, x, t, condition, text, image, audio
                ),
                each,
                motion,
            )
            video = matched(self.decode(latents), picture)
            motion = self.encode(video[:, -MOTION:])
            chunks.append(video[:, MOTION:])
        return chunks

    def text_states(self, prompt: str) -> Tensor:
        """[L, C] with zeros behind the prompt."""
        plain = " ".join(ftfy.fix_text(prompt).split())
        tokens = self.tokenizer(
            plain,
            padding="max_length",
            truncation=True,
            max_length=self.text_tokens,
            return_tensors="pt",
        )
        states = self.text(tokens.input_ids, tokens.attention_mask).last_hidden_state[0]
        return states * tokens.attention_mask[0, :, None]

    def image_states(self, picture: Tensor) -> Tensor:
        size = self.image.config.image_size
        small = F.interpolate(picture[None], (size, size), mode="bicubic", align_corners=False)
        mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
        deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
        pixels = ((small * 0.5 + 0.5) - mean) / deviation
        return self.image(pixels, output_hidden_states=True).hidden_states[-2][0]

    def speech_windows(self, heard: np.ndarray) -> Tensor:
        """8 s of speech -> [33, 5, layers, width]: the last frames and two on either side."""
        loudness = pyloudnorm.Meter(RATE_HZ).integrated_loudness(heard)
        if abs(loudness) <= 100:
            heard = pyloudnorm.normalize.loudness(heard, loudness, -23.0)
        values = self.extractor(heard, sampling_rate=RATE_HZ).input_values[0]
        frames = WINDOW_S * FPS
        sound = self.speech.feature_extractor(torch.from_numpy(np.asarray(values)).double()[None])
        sound = F.interpolate(sound, size=frames, mode="linear", align_corners=True)
        states: list[Tensor] = []
        hooks = [
            layer.register_forward_hook(lambda _, __, state: states.append(state[0]))
            for layer in self.speech.encoder.layers
        ]
        self.speech.encoder(self.speech.feature_projection(sound.transpose(1, 2))[0])
        for hook in hooks:
            hook.remove()
        layers = torch.stack(states, dim=1)  # [200, layers, width]
        rows = torch.arange(frames - CHUNK, frames)[:, None] + torch.arange(-2, 3)
        return layers[rows.clamp(0, frames - 1)]

    def encode(self, clip: Tensor) -> Tensor:
        """[3, 1 + 4k, H, W] -> [16, 1 + k, h, w]."""
        mean, deviation = self.statistics()
        return (self.vae.encode(clip[None]).latent_dist.mean[0] - mean) / deviation

    def decode(self, latents: Tensor) -> Tensor:
        mean, deviation = self.statistics()
        return self.vae.decode((latents * deviation + mean)[None]).sample[0].clamp(-1, 1)

    def statistics(self) -> list[Tensor]:
        config = self.vae.config
        return [
            torch.tensor(each, dtype=torch.float64).view(-1, 1, 1, 1)
            for each in (config.latents_mean, config.latents_std)
        ]
