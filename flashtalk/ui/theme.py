"""Colors and type of the page; fonts are the system's, so the page needs no other server."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from flashtalk.evaluation.report import TEMPLATES
from flashtalk.ui.texts import UI_FILES

_STYLES = ("page", "stage", "choices", "compare", "forced_colors")
STYLES: list[Path] = [
    *(UI_FILES / "styles" / f"{name}.css" for name in _STYLES),
    TEMPLATES / "side_by_side.css",
]

_SANS = ["ui-sans-serif", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
_MONO = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace"]
_INK = gr.themes.Color(
    "#faf8f5", "#f3efe9", "#e6e0d7", "#d0c8bc", "#a89e90", "#7c7367", "#5c544a", "#443e36",
    "#2c2823", "#1d1a17", "#131110",
)  # fmt: skip
_CORAL = gr.themes.Color(
    "#fff3ef", "#ffe3da", "#ffc8b8", "#ffa68e", "#fb7c5f", "#ee5a3a", "#d8452a", "#b43620",
    "#8f2e1e", "#74291d", "#3f120b",
)  # fmt: skip


def theme() -> gr.themes.Base:
    """Warm paper and ink with one accent; a dark variant comes with it."""
    return gr.themes.Base(
        primary_hue=_CORAL,
        neutral_hue=_INK,
        radius_size=gr.themes.sizes.radius_lg,
        font=_SANS,
        font_mono=_MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_radius="16px",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
    )
