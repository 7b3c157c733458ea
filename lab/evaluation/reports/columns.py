"""Columns of the table: which figure each shows, and its target."""

from __future__ import annotations

from dataclasses import dataclass

STEADY_PERCENT = 5.0  # most that a steady figure may change from a talk's first moment on


@dataclass(frozen=True)
class Column:
    """One figure as the table shows it."""

    figure: str
    title: str
    digits: int = 2
    lowest: float | None = None
    highest: float | None = None
    """The target; None: there is none on that side."""

    @property
    def target(self) -> str:
        """The target as text, empty if there is none."""
        if self.lowest is not None and self.highest is not None:
            return f"{self.lowest:g} to {self.highest:g}"
        if self.lowest is not None:
            return f"≥ {self.lowest:.{self.digits}f}"
        return f"≤ {self.highest:.{self.digits}f}" if self.highest is not None else ""

    def meets(self, value: float) -> bool:
        """Whether ``value`` meets the target."""
        return (self.lowest is None or value >= self.lowest) and (
            self.highest is None or value <= self.highest
        )


COLUMNS = (
    Column("lip_correlation", "lip correlation", lowest=0.8),
    Column("lag_frames", "lag, frames", digits=0, lowest=-1, highest=1),
    Column("closures", "p b m closed", lowest=0.85),
    Column("open_vowels", "vowels open"),
    Column("lip_range", "lip range"),
    Column("sync_c", "sync C (own)"),
    Column("sync_d", "sync D (own)"),
    Column("identity", "likeness"),
    Column("sharpness", "sharpness"),
    Column("edge_energy", "edge energy"),
    Column("delta_e", "ΔE", digits=1),
    Column("color_drift", "color drift, ΔE", digits=1),
    Column("color_drift_percent", "color drift, %", digits=1, highest=STEADY_PERCENT),
    Column("border_jump", "border jump", highest=1.15),
    Column("blinks_per_min", "blinks / min", digits=0),
    Column("head_sway", "head sway, rad", digits=3),
    Column("head_shake", "head shake, rad", digits=4),
)
SPEED = Column("frames_per_s", "frames / s", digits=0, lowest=25)  # of a run, not of a segment
STEADY = {
    "identity": "likeness",
    "identity_worst": "likeness, its 5th percentile",
    "sharpness": "sharpness",
    "edge_energy": "edge energy",
}
DRIFTING = ("color_drift", "color_drift_percent", "delta_e", "lip_correlation", "closures")
