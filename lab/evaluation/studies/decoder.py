"""How well the embedded decoder draws held-out clips from their true codes.

    python -m lab.evaluation.studies.decoder --clips DIR --weights assets/flashtalk-tiny --out docs

A transformer without error would give true codes to the decoder. With ``--round-trip`` frames are
also encoded and decoded. That may come nearer to the frames than their true codes: the flow is
fitted to what the decoder draws.

A copy of the portrait draws a clip well in which little moves. So PSNR says something only beside
that of the copy. Groups of four frames are put together by how good a copy would be.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.errors import command
from flashtalk.evaluation.pictures import frame_differences
from flashtalk.evaluation.series import border_jump, correlation
from flashtalk.models.pixels import to_pixels
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.face_code import GROUP_FRAMES, frame_codes
from flashtalk.models.tiny.landmarks import FaceReader
from lab.evaluation.measures.reading import load_autoencoder, read_faces
from lab.options import TINY_WEIGHTS, read_options, set_up
from lab.training.data.clips import Clip, ClipSet, pixels_of
from lab.training.data.codec_dataset import (
    any_place,
    as_float,
    collate,
    lids_shut,
    opened,
    painted,
    sample,
)
from lab.training.data.pictures import Pictures
from lab.training.tiny.quality import group_psnr, psnr_db, true_guidance
from lab.training.tiny.supervision import guidance_of

log = logging.getLogger(__name__)

BANDS_DB = (0, 18, 20, 22, 24, 26, 28, 30, 99)  # PSNR of a copy of the portrait
FRAMES_AT_ONCE = 28
PICTURES_EACH = 2  # other pictures that move as each clip does
IRIS_PX = 2.0  # half of it, in pictures of 256
LEAST_OPEN_PX = 20  # between the lips, a pixel away from them: less shows nothing
LEAST_DEVIATION = 0.01  # of the lip gap of a clip in which somebody speaks, in units of the curves


@dataclass(frozen=True)
class ShutLids:
    """The eyes' box where lids shut, which no portrait shows, against the true frames."""

    psnr_db: float
    detail: float
    """Gradient energy over the true one: below 1 lids are blurred or have lost their lashes."""
    delta_e: float
    """CIE76 difference of colors at the scale of an iris: eyes that shine through stain lids."""


@dataclass(frozen=True, eq=False)
class DrawnClip:
    """One clip as the decoder draws it."""

    name: str
    psnr_db: np.ndarray
    """[G, 2, 2] of G groups: whole frame and mouth's box, drawn and copied from the portrait."""
    opening_correlation: float
    """Lip opening read from the drawn frames against that read from the true ones.

    It is NaN in clips without speech, whose lips rest.
    """
    flicker: float
    """Frame difference where a new latent begins over that inside, by the same of the true ones."""
    outlines: tuple[float, float]
    """Share of the pictures that lies near an outline, and of the squared error there."""
    lip_detail: float
    """Gradient energy between the lips over the true one; NaN if they do not open."""
    lids: ShutLids | None
    """None if nobody blinks."""


@torch.inference_mode()
def from_true_codes(autoencoder: PortraitAutoencoder, clip: Clip) -> np.ndarray:
    """All whole groups of ``clip`` drawn from its true codes: [F, H, W, 3] uint8."""
    codes = torch.from_numpy(painted(clip)[0][: whole_groups(clip)].astype(np.float32))
    guidance = true_guidance(autoencoder, clip)
    return joined(autoencoder.decoder(p, guidance) for p in codes.split(FRAMES_AT_ONCE))


@torch.inference_mode()
def round_trip(autoencoder: PortraitAutoencoder, clip: Clip) -> np.ndarray:
    """The same read from the frames: portrait prepared as a session does, encoded, decoded."""
    guidance = autoencoder.prepare(as_float(pixels(clip.portrait[None])))
    frames = as_float(pixels(clip.frames[: whole_groups(clip)]))
    drawn = []
    for part in frames.split(FRAMES_AT_ONCE):
        # one frame before, so that the others lie in the same groups as with true codes
        video = torch.cat((part[:1], part)).transpose(0, 1)[None]
        latents = autoencoder.encode(video, guidance)
        drawn.append(autoencoder.decode(latents, guidance, skip_frames=1)[0].transpose(0, 1))
    return joined(drawn)


def whole_groups(clip: Clip) -> int:
    """Frames of ``clip`` that fill groups."""
    return len(clip.frames) // GROUP_FRAMES * GROUP_FRAMES


def pixels(pictures: np.ndarray) -> Tensor:
    """Pictures [F, H, W, 3] as [F, 3, H, W] uint8."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)


def joined(parts: Iterable[Tensor]) -> np.ndarray:
    """Pictures [., 3, H, W] in [-1, 1], one after another, as a session shows them."""
    return np.concatenate([to_pixels(part.transpose(0, 1)) for part in parts])


def compare(reader: FaceReader, clip: Clip, drawn: np.ndarray) -> DrawnClip:
    """Frames ``drawn`` [F, H, W, 3] against the first F of ``clip``."""
    true = np.array(clip.frames[: len(drawn)])
    shown = as_float(pixels(drawn)).split(GROUP_FRAMES)
    psnr = [group_psnr(clip, GROUP_FRAMES * index, group) for index, group in enumerate(shown)]
    near = near_outlines(clip.parts[: len(drawn)], true.shape[1])
    square = np.square(drawn.astype(np.float32) - true).mean(axis=-1)
    openings = [read_faces(reader, frames).opening for frames in (drawn, true)]
    mouths = [opened(clip, frame) for frame in range(len(drawn))]
    return DrawnClip(
        name=clip.name,
        psnr_db=np.array([[[g[p], g[f"{p}_copy"]] for p in ("whole", "mouth")] for g in psnr]),
        opening_correlation=correlation(*openings) if spoken(clip) else float("nan"),
        flicker=latent_jump(drawn) / latent_jump(true),
        outlines=(float(near.mean()), float(square[near].sum() / square.sum())),
        lip_detail=detail_between_lips(drawn, true, mouths),
        lids=shut_lids(clip, drawn, true),
    )


def shut_lids(clip: Clip, drawn: np.ndarray, true: np.ndarray) -> ShutLids | None:
    """How lids are ``drawn`` where they shut in ``clip``; both [F, H, W, 3]."""
    blinks = np.flatnonzero(lids_shut(clip)[: len(drawn)])
    if not len(blinks):
        return None
    energy, square, color = [], [], []
    for frame in blinks:
        rows, columns = pixels_of(clip.eyes_box(int(frame)), true.shape[2])
        pair = [each[frame].astype(np.float32) for each in (drawn, true)]
        labs = [
            cv2.cvtColor(cv2.GaussianBlur(each / 255, (0, 0), IRIS_PX), cv2.COLOR_RGB2LAB)
            for each in pair
        ]
        gray = [each.mean(axis=2) for each in pair]
        energy.append([gradient_energy(each)[rows, columns].sum() for each in gray])
        square.append(float(np.square(pair[0] - pair[1])[rows, columns].mean()))
        color.append(np.linalg.norm(labs[0] - labs[1], axis=2)[rows, columns].mean())
    made, shown = np.sum(energy, axis=0)
    return ShutLids(
        psnr_db=psnr_db(torch.tensor(square) / 255**2),
        detail=float(made / shown),
        delta_e=float(np.mean(color)),
    )


def gradient_energy(gray: np.ndarray) -> np.ndarray:
    """Squared steps to neighboring pixels [H, W] of one picture [H, W]."""
    down, across = np.gradient(gray)
    return np.square(down) + np.square(across)


def detail_between_lips(drawn: np.ndarray, true: np.ndarray, mouths: Sequence[np.ndarray]) -> float:
    """Gradient energy of teeth and tongue as drawn over that of the true ones; NaN without any.

    Both [F, H, W, 3]; ``mouths`` are the shares [H, W] of each pixel that lie between the true
    lips. All frames whose lips are open together. Below 1 teeth are blurred or missing; whether
    they are the right ones, it does not say.
    """
    energy = np.zeros(2)
    for frame, mouth in enumerate(mouths):
        # gradients look one pixel around: lips themselves must not count
        inside = cv2.erode((mouth >= 1.0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        if inside.sum() < LEAST_OPEN_PX:
            continue
        for index, pictures in enumerate((drawn, true)):
            gray = pictures[frame].astype(np.float32).mean(axis=2)
            energy[index] += gradient_energy(gray)[inside].sum()
    return float(energy[0] / energy[1]) if energy[1] > 0.0 else float("nan")


def near_outlines(parts: np.ndarray, side_px: int) -> np.ndarray:
    """Where another part of the picture is at most a cell away.

    Labels [F, g, g] of the renderer -> [F, side_px, side_px] bool.
    """
    labels = torch.from_numpy(parts.astype(np.float32))[:, None]
    highest = F.max_pool2d(labels, 3, stride=1, padding=1)
    lowest = -F.max_pool2d(-labels, 3, stride=1, padding=1)
    near = F.interpolate((highest != lowest).float(), size=(side_px, side_px), mode="nearest")
    return near[:, 0].numpy() > 0


def spoken(clip: Clip) -> bool:
    """Whether lips open in it."""
    return float(clip.curve("lip_gap").std()) > LEAST_DEVIATION


def latent_jump(frames: np.ndarray) -> float:
    """Frame difference where a new latent begins over that inside."""
    return border_jump(frame_differences(frames), 0, GROUP_FRAMES)


def measured(
    autoencoder: PortraitAutoencoder,
    clips: Sequence[Clip],
    draw: Callable[[PortraitAutoencoder, Clip], np.ndarray],
) -> dict[str, object]:
    """Figures of ``clips`` as ``draw`` has them, logged clip by clip."""
    drawn = []
    for clip in clips:
        drawn.append(compare(autoencoder.reader, clip, draw(autoencoder, clip)))
        log.info(
            "%s, clip %s: whole %.1f dB (copy %.1f), mouth %.1f dB (copy %.1f)",
            draw.__name__,
            clip.name,
            *drawn[-1].psnr_db.mean(axis=0).flatten(),
        )
    found = report(drawn)
    for name, value in found.items():
        for line in value if isinstance(value, list) else [value]:
            log.info("%s: %s", name, line)
    return found


def report(drawn: Sequence[DrawnClip]) -> dict[str, object]:
    """Figures of all clips together."""
    psnr = np.concatenate([clip.psnr_db for clip in drawn])
    bands = []
    for lowest, highest in pairwise(BANDS_DB):
        band: dict[str, object] = {"copy_db": [lowest, highest]}
        for place, name in enumerate(("whole", "mouth")):
            copied = psnr[:, place, 1]
            chosen = psnr[(copied >= lowest) & (copied < highest), place, 0]
            behind = sum(
                bool(((each >= lowest) & (each < highest)).any())
                for each in (clip.psnr_db[:, place, 1] for clip in drawn)
            )
            band[name] = {
                "groups": len(chosen),
                "clips": behind,
                "psnr_db": round(float(chosen.mean()), 2) if len(chosen) else None,
            }
        bands.append(band)
    correlations = {each.name: each.opening_correlation for each in drawn if spoken_in(each)}
    details = [each.lip_detail for each in drawn if not np.isnan(each.lip_detail)]
    outlines = np.mean([each.outlines for each in drawn], axis=0).round(2).tolist()
    (whole, whole_copy), (mouth, mouth_copy) = psnr.mean(axis=0).round(2).tolist()
    return {
        "clips": len(drawn),
        "groups": len(psnr),
        "whole_db": whole,
        "whole_copy_db": whole_copy,
        "mouth_db": mouth,
        "mouth_copy_db": mouth_copy,
        "opening_correlation": round(float(np.mean(list(correlations.values()))), 3),
        "opening_correlation_lowest": round(min(correlations.values()), 3),
        "opening_correlation_lowest_clip": min(correlations, key=correlations.__getitem__),
        "flicker": round(float(np.mean([each.flicker for each in drawn])), 3),
        "detail_between_lips": _spread(details),
        "shut_lids": {
            name: _spread([getattr(each.lids, name) for each in drawn if each.lids])
            for name in ("psnr_db", "detail", "delta_e")
        },
        "near_outlines": {"of_picture": outlines[0], "of_square_error": outlines[1]},
        "by_copy": bands,
    }


@torch.inference_mode()
def moved_pictures(
    autoencoder: PortraitAutoencoder, clips: Sequence[Clip], pictures: Pictures
) -> dict[str, float | int]:
    """How well other pictures, and writing, are drawn that move as ``clips`` do, from true codes.

    Only smooth flow without painting counts (:mod:`lab.training.data.pictures`). Returns the mean
    PSNR of groups of four frames in dB, and that of a copy.
    """
    rng = np.random.default_rng(0)
    found = []
    for clip in clips:
        for _ in range(PICTURES_EACH):
            batch = collate([pictures.moved(sample(clip, rng, False, any_place), rng)])
            true = as_float(batch.frames.flatten(0, 1))
            codes = frame_codes(batch.codes)
            drawn = autoencoder.decoder(codes, guidance_of(autoencoder, batch))
            counted = F.interpolate(batch.weight, size=true.shape[-2:], mode="nearest") > 0
            found.append(
                [
                    psnr_db(((shown - true) / 2).square()[counted.expand_as(true)])
                    for shown in (drawn, batch.portraits.expand_as(true))
                ]
            )
    drawn_db, copy_db = np.mean(found, axis=0).round(2).tolist()
    return {"groups": len(found), "psnr_db": drawn_db, "copy_db": copy_db}


def spoken_in(clip: DrawnClip) -> bool:
    """Whether somebody speaks in it, so that its lips can be compared."""
    return not np.isnan(clip.opening_correlation)


def _spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Summary of clips: how many, median, least and most."""
    if not values:
        return {"clips": 0, "median": None, "lowest": None, "highest": None}
    named = {"median": np.median(values), "lowest": min(values), "highest": max(values)}
    return {"clips": len(values)} | {name: round(float(v), 3) for name, v in named.items()}


@dataclass(frozen=True, kw_only=True)
class DecoderStudy:
    """Judge how well the embedded decoder draws held-out clips from their true codes."""

    clips: Path
    """Folder of clips, as ``python -m lab.synthesis`` makes them."""
    weights: Path = TINY_WEIGHTS
    """Folder of the embedded model's weights."""
    out: Path | None = None
    """Folder for decoder.json."""
    round_trip: bool = False
    """Also read the frames: portrait prepared as a session does, encoded, decoded."""
    pictures: Path | None = None
    """Also draw the pictures in this folder, moved as the clips move; no training saw them."""
    threads: int = 1
    """Threads of the processor."""


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(DecoderStudy, arguments)
    set_up(config.threads)
    autoencoder = load_autoencoder(config.weights)
    clips = ClipSet(config.clips, held_out=True).clips
    found = measured(autoencoder, clips, from_true_codes)
    if config.round_trip:
        found["round_trip"] = measured(autoencoder, clips, round_trip)
    if config.pictures:
        found["pictures"] = moved_pictures(autoencoder, clips, Pictures(config.pictures))
        log.info("pictures: %s", found["pictures"])
    if config.out:
        config.out.mkdir(parents=True, exist_ok=True)
        (config.out / "decoder.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
