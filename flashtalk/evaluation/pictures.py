"""Pictures -> figures: likeness to the portrait, sharpness, color, and change between frames.

No face-recognition network is among this project's requirements. **Likeness is a stand-in**. Faces
are warped so that eyes, nose and mouth corners meet. Then oriented edges around eyes, brows and
nose are compared. It notices a face that melts, blurs or turns into another. It is no proof of
identity, and light matters to it more than to such a network. The study
``lab/evaluation/studies/validate.py`` reports how well it tells held-out people apart.

Letters: N pictures, L landmarks in the order of ``face_code.LANDMARKS``.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import torch

from flashtalk.conditions.lab import rgb_to_lab
from flashtalk.models.tiny.face_code import LANDMARKS

SIDE = 96  # pixels of an aligned face
EYES_DISTANCE = 0.42  # of its side
EYES_HEIGHT = 0.32

# Mean places of 250 rendered portraits: origin between the eyes, unit their distance, y down.
TEMPLATE = {
    "left_eye_outer": (0.70, 0.0),
    "left_eye_inner": (0.30, 0.0),
    "right_eye_inner": (-0.30, 0.0),
    "right_eye_outer": (-0.70, 0.0),
    "nose_tip": (0.0, 0.576),
    "left_mouth_corner": (0.366, 1.006),
    "right_mouth_corner": (-0.366, 1.006),
}
CELL = 8  # pixels of a cell in which edges are pooled and colors averaged
DIRECTIONS = 8
LEAST_SLOPE = 1e-3  # gray levels a pixel, squared: less is no face
LEAST_LAB = 1.0  # length of a Lab color: less is black, of which no share can be told
LAST_LIKENESS_ROW = 8  # of the 12 rows of cells: below are the lips, which are meant to move


def align(pictures: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Pictures [N, H, W, 3] uint8 with points [N, L, 2] in -1..1 -> faces [N, SIDE, SIDE, 3]."""
    chosen = [LANDMARKS.index(name) for name in TEMPLATE]
    template = np.array(list(TEMPLATE.values()))
    target = template * EYES_DISTANCE * SIDE + np.array([SIDE / 2, EYES_HEIGHT * SIDE]) - 0.5
    size = np.array([pictures.shape[2], pictures.shape[1]])
    faces = np.empty((len(pictures), SIDE, SIDE, 3), np.uint8)
    for index, (picture, places) in enumerate(zip(pictures, points, strict=True)):
        matrix = similarity((places[chosen] + 1.0) * size / 2 - 0.5, target)
        faces[index] = cv2.warpAffine(
            np.ascontiguousarray(picture),
            matrix,
            (SIDE, SIDE),
            flags=cv2.INTER_AREA,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return faces


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The turn, scale and shift [2, 3] that brings points [P, 2] closest to others, squared."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    x, y = (source - source_mean).T
    u, v = (target - target_mean).T
    size = (x * x + y * y).sum()
    cosine, sine = (x * u + y * v).sum() / size, (x * v - y * u).sum() / size
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack((matrix, target_mean - matrix @ source_mean))


def edge_features(faces: np.ndarray) -> np.ndarray:
    """Aligned faces [N, SIDE, SIDE, 3] -> unit vectors [N, D] of their oriented edges.

    Histograms of gradient directions in cells (Dalal & Triggs 2005), each normalized over its
    neighborhood so that light weighs less. Only the rows above the lips count.
    """
    gray = faces.astype(np.float32).mean(axis=3)
    down, across = np.gradient(gray, axis=(1, 2))
    size = np.hypot(across, down)
    direction = np.arctan2(down, across) / (2 * np.pi) * DIRECTIONS
    low = np.floor(direction)
    share = direction - low
    cells = SIDE // CELL
    histogram = np.zeros((len(faces), cells, cells, DIRECTIONS), np.float32)
    for offset, weight in ((0, 1.0 - share), (1, share)):
        here = (low.astype(np.int64) + offset) % DIRECTIONS
        for index in range(DIRECTIONS):
            votes = np.where(here == index, size * weight, 0.0)
            pooled = votes.reshape(len(faces), cells, CELL, cells, CELL).sum(axis=(2, 4))
            histogram[..., index] += pooled
    energy = np.square(histogram).sum(axis=3)
    padded = np.pad(energy, ((0, 0), (1, 1), (1, 1)), "edge")
    around = sum(padded[:, i : i + cells, j : j + cells] for i in range(3) for j in range(3))
    histogram /= np.sqrt(around + CELL**4)[..., None]  # the constant: noise of flat skin
    features = np.sqrt(histogram[:, :LAST_LIKENESS_ROW]).reshape(len(faces), -1)
    features -= features.mean(axis=1, keepdims=True)
    return features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-6)


def likeness(faces: np.ndarray, portrait: np.ndarray) -> np.ndarray:
    """Normalized correlation [N] of the edges of faces and of the portrait's aligned face."""
    return edge_features(faces) @ edge_features(portrait[None])[0]


def sharpness(pictures: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How fine the edges of each face are, brows to mouth, in its own pixels: nothing is resampled.

    Returns the energy of the Laplacian over that of the gradient [N], and the former alone [N].
    Compare both with the same of the portrait: below 1 is softer, above 1 harder or noisier. The
    energy alone is mostly that of eyes and falls with their lids, too. Over the gradient's energy
    it says how fine the drawn detail is (that study compares the two, too).
    """
    chosen = [LANDMARKS.index(name) for name in (*TEMPLATE, "left_brow", "right_brow")]
    height, width = pictures.shape[1:3]
    fine, coarse = np.full((2, len(pictures)), np.nan)
    for index, (picture, places) in enumerate(zip(pictures, points[:, chosen], strict=True)):
        corners = (np.stack((places.min(axis=0), places.max(axis=0))) + 1) / 2 * (width, height)
        (left, top), (right, bottom) = corners.astype(int).clip(0, (width, height))
        face = slice(top, bottom + 1), slice(left, right + 1)
        gray = picture.astype(np.float32).mean(axis=2)
        edges = cv2.Laplacian(gray, cv2.CV_32F)[face]
        if edges.size:
            across, down = (
                cv2.Sobel(gray, cv2.CV_32F, *axes, scale=1 / 8)[face] for axes in ((1, 0), (0, 1))
            )
            fine[index] = np.square(edges).mean()
            coarse[index] = (np.square(across) + np.square(down)).mean()
    return fine / np.maximum(coarse, LEAST_SLOPE), fine


def color_difference(faces: np.ndarray, portrait: np.ndarray) -> np.ndarray:
    """CIE76 Delta E [N] of aligned faces to the portrait's, cell by cell above the lips, averaged.

    Cells are compared, because the stream's color match sets the mean over a whole frame equal.
    That mean would hide a face that turns red before a wall that turns green.
    """
    return np.linalg.norm(cell_colors(faces) - cell_colors(portrait[None]), axis=-1).mean(axis=1)


def mean_colors(faces: np.ndarray) -> np.ndarray:
    """Mean Lab [cells, 3] of the cells above the lips over all aligned ``faces``."""
    return cell_colors(faces).mean(axis=0)


def color_drift(colors: np.ndarray, first: np.ndarray) -> tuple[float, float]:
    """How far mean colors [cells, 3] are from earlier ones of the same face, cell by cell.

    Returns the mean CIE76 Delta E. The second value is its mean over the length of each earlier
    color, in percent. The talk is compared with its own beginning. A face that drifts sideways may
    stay as far from the portrait as it was.
    """
    away = np.linalg.norm(colors - first, axis=1)
    length = np.linalg.norm(first, axis=1).clip(LEAST_LAB)
    return float(away.mean()), float((away / length).mean() * 100)


def cell_colors(faces: np.ndarray) -> np.ndarray:
    """Mean Lab of the cells above the lips: [N, cells, 3]."""
    rgb = torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2).float() / 255.0
    lab = torch.nn.functional.avg_pool2d(rgb_to_lab(rgb), CELL)[:, :, :LAST_LIKENESS_ROW]
    return lab.flatten(2).transpose(1, 2).numpy()


def frame_differences(frames: np.ndarray) -> np.ndarray:
    """Mean absolute change [F - 1] from each frame [F, H, W, 3] uint8 to the next, 0..255."""
    return np.array([float(cv2.absdiff(a, b).mean()) for a, b in pairwise(frames)])
