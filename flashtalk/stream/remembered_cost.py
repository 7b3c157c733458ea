"""What a second of video costs, by what was made lately: older measures fade."""

from __future__ import annotations


class RememberedCost:
    """Seconds of work for a second of video.

    Args:
        remembered_s: of video, after which a measure counts for half.
        cost: what was known before; counts like so much video. ``None``: nothing.
    """

    def __init__(self, remembered_s: float, cost: float | None = None) -> None:
        self._remembered_s = remembered_s
        self.video_s = 0.0 if cost is None else remembered_s
        """Seconds of video that count, older ones for less."""
        self.work_s = self.video_s * (cost or 0.0)
        """Seconds of work that they took."""

    @property
    def cost(self) -> float | None:
        """Seconds of work for a second of video; ``None`` before it is measured."""
        return self.work_s / self.video_s if self.video_s else None

    def measure(self, video_s: float, work_s: float) -> None:
        """Counts ``video_s`` more seconds of video, which took ``work_s``."""
        kept = 0.5 ** (video_s / self._remembered_s)
        self.video_s = kept * self.video_s + video_s
        self.work_s = kept * self.work_s + work_s
