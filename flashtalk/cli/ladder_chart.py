"""A ladder as a picture: the seconds of each step, by stages, and the least there can be.

SVG, which a browser and a Markdown page show; no library is needed for it.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from flashtalk.cli.bench_table import LABELS, STAGES

WIDTH_PX, LEFT_PX, RIGHT_PX = 960, 190, 110
ROW_PX, BAR_PX, HEAD_PX, LEGEND_PX = 34, 20, 56, 22
COLORS = ("#8d99ae", "#3d5a80", "#98c1d9", "#e0a458", "#7a9e7e", "#ee6c4d", "#5b5f66")
INK, FAINT = "#222", "#777"


def ladder_chart(report: dict[str, Any]) -> str:
    """The report of :func:`flashtalk.cli.ladder.climbed` as one SVG."""
    steps, limits = report["steps"], report["limits"]
    least_s = limits[f"least_s_{limits['products']}"]
    longest_s = max(_total(step) for step in steps if "chunk_s" in step)
    scale = (WIDTH_PX - LEFT_PX - RIGHT_PX) / max(longest_s, least_s)
    height = HEAD_PX + ROW_PX * len(steps) + 3 * LEGEND_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PX}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH_PX}" height="{height}" fill="white"/>',
        _text(12, 22, f"{report['preset']}, seconds of a chunk of {report['chunk_video_s']:.2f} s"),
        _text(12, 42, _where(report), FAINT),
    ]
    for number, step in enumerate(steps):
        parts += _row(step, HEAD_PX + ROW_PX * number, scale)
    foot = HEAD_PX + ROW_PX * len(steps)
    x = LEFT_PX + scale * least_s
    parts.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{HEAD_PX - 6}" y2="{foot}" stroke="{INK}" '
        'stroke-dasharray="4 3"/>'
    )
    said = f"- - at this machine's rate of {limits['products']} products: {least_s:.3f} s"
    parts.append(_text(12, foot + LEGEND_PX, said, FAINT))
    return "\n".join([*parts, *_legend(foot + 2 * LEGEND_PX), "</svg>"]) + "\n"


def _row(step: dict[str, Any], top: float, scale: float) -> list[str]:
    parts = [_text(12, top + 15, step["name"])]
    if "refused" in step:
        return [*parts, _text(LEFT_PX, top + 15, f"left out: {step['refused']}"[:105], FAINT)]
    x = float(LEFT_PX)
    for name, color in zip(STAGES, COLORS, strict=True):
        width = scale * step["stages_s"][name]["p50"]
        parts.append(
            f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{BAR_PX}" fill="{color}"/>'
        )
        x += width
    end = LEFT_PX + scale * step["chunk_s"]
    parts.append(f'<circle cx="{end:.1f}" cy="{top + BAR_PX / 2}" r="4" fill="{INK}"/>')
    ratio = step["ratio_to_step_before"]
    shown = f"{step['chunk_s']:.3f} s" + (f" ({ratio:.2f}x)" if ratio else "")
    return [*parts, _text(max(x, end) + 9, top + 15, shown)]


def _legend(y: float) -> list[str]:
    parts, x = [], 12.0
    for name, color in zip(STAGES, COLORS, strict=True):
        parts.append(f'<rect x="{x}" y="{y - 10}" width="10" height="10" fill="{color}"/>')
        parts.append(_text(x + 14, y, LABELS[name]))
        x += 30 + 6.6 * len(LABELS[name])
    return [*parts, _text(12, y + LEGEND_PX - 2, "bars: median of each stage; dot: a chunk", FAINT)]


def _total(step: dict[str, Any]) -> float:
    return max(step["chunk_s"], sum(stage["p50"] for stage in step["stages_s"].values()))


def _where(report: dict[str, Any]) -> str:
    computer = report["machine"]
    return f"{computer['gpu'] or computer['processor']}, {report['weights']}, {report['date'][:10]}"


def _text(x: float, y: float, words: str, color: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}">{escape(words)}</text>'
