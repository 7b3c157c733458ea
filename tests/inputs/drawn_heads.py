"""A drawn head of known geometry: enough of a face for the detector, nobody's photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


@dataclass(frozen=True)
class Drawn:
    """A picture with one head and where the head is."""

    image: Image.Image
    eyes_y_px: float
    center_x_px: float
    head_px: float


def draw_head(canvas: Image.Image, center_x: float, eyes_y: float, head: float) -> None:
    """Paint a head whose skull-to-chin height is ``head`` pixels."""
    draw = ImageDraw.Draw(canvas)

    def ellipse(x: float, y: float, rx: float, ry: float, color: tuple[int, int, int]) -> None:
        x, y, rx, ry = center_x + x * head, eyes_y + y * head, rx * head, ry * head
        draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=color)

    ellipse(0, 1.05, 0.75, 0.45, (60, 70, 110))  # shoulders
    ellipse(0, 0.45, 0.17, 0.35, (190, 140, 115))  # neck
    ellipse(0, -0.06, 0.40, 0.46, (70, 50, 35))  # hair
    ellipse(0, 0.04, 0.34, 0.45, (215, 170, 145))  # face
    for side in (-1, 1):
        ellipse(side * 0.155, -0.085, 0.085, 0.02, (80, 55, 45))  # brow
        ellipse(side * 0.155, 0.0, 0.075, 0.045, (165, 120, 105))  # socket
        ellipse(side * 0.155, 0.005, 0.055, 0.028, (240, 235, 230))
        ellipse(side * 0.155, 0.005, 0.027, 0.027, (40, 30, 25))
        ellipse(side * 0.035, 0.165, 0.016, 0.011, (130, 80, 70))  # nostril
        ellipse(side * 0.21, 0.17, 0.08, 0.09, (222, 165, 142))  # cheek
    ellipse(0, 0.07, 0.03, 0.10, (228, 186, 160))  # nose
    ellipse(0, 0.275, 0.115, 0.035, (150, 75, 75))  # mouth
    ellipse(0, 0.345, 0.07, 0.012, (190, 140, 120))


def drawn(width: int, height: int, center_x: float, eyes_y: float, head: float) -> Drawn:
    rng = np.random.default_rng(0)
    base = np.linspace(150, 200, height)[:, None, None] + rng.normal(0, 3, (height, width, 3))
    canvas = Image.fromarray(base.clip(0, 255).astype(np.uint8))
    draw_head(canvas, center_x, eyes_y, head)
    canvas = canvas.filter(ImageFilter.GaussianBlur(head / 90))
    return Drawn(canvas, eyes_y, center_x, head)
