"""Wan 2.1's own encoders, told once more: modules under the names of its .pth files, at toy size.

What they compute is written plainly, so that a wrong name or a swapped tensor shows in numbers. The
autoencoder's names alone are here: its modules compute nothing, diffusers' table is what is tried.
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, HEADS, BUCKETS = 32, 4, 32


class Bare(nn.Module):
    """A module that holds others and parameters."""

    def __init__(self, **members: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, member in members.items():
            setattr(self, name, member)


# --- umT5 -----------------------------------------------------------------------------------------
class RootNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


def linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)


class TextBlock(nn.Module):
    def __init__(self, width: int, inner: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = RootNorm(width), RootNorm(width)
        self.attn = Bare(
            q=linear(width, inner),
            k=linear(width, inner),
            v=linear(width, inner),
            o=linear(inner, width),
        )
        self.ffn = Bare(
            gate=nn.Sequential(linear(width, hidden)),
            fc1=linear(width, hidden),
            fc2=linear(hidden, width),
        )
        self.pos_embedding = Bare(embedding=nn.Embedding(BUCKETS, HEADS))

    def forward(self, x: Tensor) -> Tensor:
        y, attn = self.norm1(x), self.attn
        q, k, v = (
            each(y).unflatten(-1, (HEADS, -1)).transpose(0, 1) for each in (attn.q, attn.k, attn.v)
        )
        bias = self.pos_embedding.embedding(buckets(len(x))).permute(2, 0, 1)
        shares = (q @ k.transpose(-1, -2) + bias).softmax(-1)  # no scale
        x = x + attn.o((shares @ v).transpose(0, 1).flatten(1))
        y, ffn = self.norm2(x), self.ffn
        return x + ffn.fc2(ffn.fc1(y) * F.gelu(ffn.gate(y), approximate="tanh"))


def buckets(length: int) -> Tensor:
    """Which of the 32 distances lies between two tokens: 16 before, 16 behind, far ones shared."""
    apart = torch.arange(length)[None] - torch.arange(length)[:, None]
    half, exact = BUCKETS // 2, BUCKETS // 4
    far = exact + (
        torch.log(apart.abs().clamp(min=1) / exact) / math.log(128 / exact) * (half - exact)
    ).long().clamp(max=half - exact - 1)
    return (apart > 0) * half + torch.where(apart.abs() < exact, apart.abs(), far)


class TextEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(64, WIDTH)
        self.blocks = nn.ModuleList(TextBlock(WIDTH, 32, 48) for _ in range(2))
        self.norm = RootNorm(WIDTH)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids [L] -> [L, width]."""
        x = self.token_embedding(ids)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


# --- CLIP -----------------------------------------------------------------------------------------
class PictureBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Bare(to_qkv=nn.Linear(width, 3 * width), proj=nn.Linear(width, width))
        self.mlp = nn.Sequential(nn.Linear(width, 48), nn.GELU(), nn.Linear(48, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.heads, -1)).transpose(0, 1)
            for each in self.attn.to_qkv(self.norm1(x)).chunk(3, dim=-1)
        )
        shares = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        x = x + self.attn.proj((shares @ v).transpose(0, 1).flatten(1))
        return x + self.mlp(self.norm2(x))


class PictureTower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width, patch, tokens = 32, 14, 5
        self.patch_embedding = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.cls_embedding = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embedding = nn.Parameter(torch.zeros(1, tokens, width))
        self.pre_norm, self.post_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = nn.Sequential(*(PictureBlock(width, 16) for _ in range(3)))
        self.head = nn.Parameter(torch.zeros(width, 20))

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [3, 28, 28] -> [5, width], before the last block."""
        patches = self.patch_embedding(pixels[None])[0].flatten(1).T
        x = torch.cat([self.cls_embedding[0], patches]) + self.pos_embedding[0]
        return self.transformer[:-1](self.pre_norm(x))


def clip() -> nn.Module:
    """The tower, and what stands in for the text tower beside it."""
    text = Bare(token_embedding=nn.Embedding(10, 8), norm=nn.LayerNorm(8))
    return Bare(visual=PictureTower(), textual=text, log_scale=nn.Parameter(torch.zeros(())))


# --- the autoencoder ------------------------------------------------------------------------------
def conv(inputs: int, outputs: int, kernel: int | tuple[int, int, int] = 3) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, kernel)


def gain(width: int, axes: int = 3) -> nn.Module:
    return Bare(gamma=nn.Parameter(torch.ones(width, *[1] * axes)))


def residual(inputs: int, outputs: int) -> nn.Module:
    nothing = nn.Identity()
    layers = (gain(inputs), nothing, conv(inputs, outputs), gain(outputs), nothing, nothing)
    body = nn.Sequential(*layers, conv(outputs, outputs))
    shortcut = conv(inputs, outputs, 1) if inputs != outputs else nothing
    return Bare(residual=body, shortcut=shortcut)


def middle(width: int) -> nn.Module:
    attention = Bare(
        norm=gain(width, 2),
        to_qkv=nn.Conv2d(width, 3 * width, 1),
        proj=nn.Conv2d(width, width, 1),
    )
    return nn.Sequential(residual(width, width), attention, residual(width, width))


def autoencoder(base: int = 8, latent: int = 16) -> nn.Module:
    widths = [base, base, 2 * base, 4 * base, 4 * base]
    down: list[nn.Module] = []
    for level, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        down += [residual(inputs, outputs), residual(outputs, outputs)]
        if level < 3:
            spatial = nn.Sequential(nn.Identity(), nn.Conv2d(outputs, outputs, 3))
            temporal = {"time_conv": conv(outputs, outputs, (3, 1, 1))} if level else {}
            down.append(Bare(resample=spatial, **temporal))
    up: list[nn.Module] = []
    widths = [4 * base, 4 * base, 4 * base, 2 * base, base]
    for level, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        inputs = inputs // 2 if level else inputs
        up += [residual(inputs, outputs), residual(outputs, outputs), residual(outputs, outputs)]
        if level < 3:
            spatial = nn.Sequential(nn.Identity(), nn.Conv2d(outputs, outputs // 2, 3))
            temporal = {"time_conv": conv(outputs, 2 * outputs, (3, 1, 1))} if level < 2 else {}
            up.append(Bare(resample=spatial, **temporal))
    wide, nothing = 4 * base, nn.Identity()
    return Bare(
        encoder=Bare(
            conv1=conv(3, base),
            downsamples=nn.Sequential(*down),
            middle=middle(wide),
            head=nn.Sequential(gain(wide), nothing, conv(wide, 2 * latent)),
        ),
        conv1=conv(2 * latent, 2 * latent, 1),
        conv2=conv(latent, latent, 1),
        decoder=Bare(
            conv1=conv(latent, wide),
            middle=middle(wide),
            upsamples=nn.Sequential(*up),
            head=nn.Sequential(gain(base), nothing, conv(base, 3)),
        ),
    )


@cache
def original_modules() -> dict[str, nn.Module]:
    """``vae``, ``text`` and ``clip``, with weights that all matter; the same ones each time."""
    torch.manual_seed(6)
    modules = {"vae": autoencoder(), "text": TextEncoder(), "clip": clip()}
    for module in modules.values():
        module.requires_grad_(False)
        for name, parameter in module.named_parameters():
            gain = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            parameter.normal_(std=0.15).add_(gain)
    modules["text"].bfloat16()
    return modules
