"""The page seen from outside: figures for Prometheus, and log lines for each talk.

Figures count; they hold nothing of who talks or of what is said. A log line names a talk by the run
that its messages carry. So a visitor can say which one is meant.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from flashtalk.errors import FlashTalkError
from flashtalk.outputs.film import Fragment
from flashtalk.stream.admission import Admission
from flashtalk.stream.contracts import EngineState

logger = logging.getLogger(__name__)

End = Literal["made", "stopped", "left", "refused", "failed"]
"""How talks end: whole, by a stop, by a closed page, refused before they began, by a fault of ours.

What a visitor sent is read before the seat is taken, so nothing behind it is their mistake.
"""
_FIRST_PICTURE_S = (0.25, 0.5, 1, 2, 4, 8, 16)  # bounds of the histogram


class Watch:
    """Counts what one page does.

    Args:
        admission: knows who talks and who waits.
        preparing: how many pictures and sounds are being read.
        engines: those that make the videos.
    """

    def __init__(
        self,
        admission: Admission,
        preparing: Callable[[], int],
        engines: Callable[[], Mapping[str, EngineState]],
    ) -> None:
        self._registry = registry = CollectorRegistry()
        for name, said, value in (
            ("talking", "Talks that are being made", lambda: admission.talking),
            ("waiting", "Visitors in line", lambda: admission.waiting),
            ("preparing", "Visitors whose picture and sound are being read", preparing),
            (
                "real_time",
                "Seconds of video that an engine makes in a second; 0 before it is measured",
                lambda: 1 / admission.cost if admission.cost else 0,
            ),
        ):
            Gauge(f"flashtalk_{name}", said, registry=registry).set_function(value)
        registry.register(_EngineFigures(admission, engines))
        self.talks = Counter("flashtalk_talks", "Ended talks", ["end"], registry=registry)
        for end in get_args(End):
            self.talks.labels(end)  # shown before the first of its kind
        self.video_s = Counter("flashtalk_video_seconds", "Video made", registry=registry)
        self.stage_s = Counter("flashtalk_stage_seconds", "Work", ["stage"], registry=registry)
        self.first_picture_s = Histogram(
            "flashtalk_first_picture_seconds",
            "From the seat to the first fragment",
            buckets=_FIRST_PICTURE_S,
            registry=registry,
        )

    def text(self) -> bytes:
        """All figures in Prometheus' format."""
        return generate_latest(self._registry)

    @contextmanager
    def talk(self, run: str) -> Iterator[TalkWatch]:
        """Follows the talk named ``run``; an exception that leaves the block says how it ended."""
        talk = TalkWatch(self)
        try:
            yield talk
        except GeneratorExit:
            talk.end = "left"
            raise
        except FlashTalkError as error:
            talk.end = "failed" if talk.seated else "refused"
            if talk.seated:
                logger.error("talk %s ended early: %s", run, error)
            raise
        except Exception:
            talk.end = "failed"
            raise
        finally:
            self.talks.labels(talk.end).inc()
            logger.info(
                "talk %s: %s after %.1f s, %.1f s of video, %.1f s in line",
                *(run, talk.end, talk.lasted_s, talk.made_s, talk.waited_s),
            )


class _EngineFigures(Collector):
    """Stage, talks and speed of each engine that is there at the moment."""

    def __init__(
        self, admission: Admission, engines: Callable[[], Mapping[str, EngineState]]
    ) -> None:
        self._admission, self._engines = admission, engines

    def collect(self) -> Iterator[GaugeMetricFamily]:
        stage = GaugeMetricFamily(
            "flashtalk_engine_stage", "1 for what an engine does", labels=["engine", "stage"]
        )
        talking = GaugeMetricFamily("flashtalk_engine_talking", "Its talks", labels=["engine"])
        speed = GaugeMetricFamily(
            "flashtalk_engine_real_time",
            "Seconds of video that it makes in a second",
            labels=["engine"],
        )
        for name, state in self._engines().items():
            stage.add_metric([name, state.stage], 1)
        for name, count in self._admission.talks.items():
            talking.add_metric([name], count)
        for name, cost in self._admission.costs.items():
            if cost:
                speed.add_metric([name], 1 / cost)
        yield from (stage, talking, speed)


class TalkWatch:
    """What is counted of one talk."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._begun_s = self._let_in_s = time.monotonic()
        self.end: End = "made"
        self.seated = False
        self.made_s = 0.0

    @property
    def lasted_s(self) -> float:
        """Seconds from its beginning to now."""
        return time.monotonic() - self._begun_s

    @property
    def waited_s(self) -> float:
        """Seconds until it was let in."""
        return self._let_in_s - self._begun_s

    def let_in(self) -> None:
        """The talk has its seat."""
        self.seated = True
        self._let_in_s = time.monotonic()

    def made(self, fragment: Fragment) -> None:
        """A fragment is on its way."""
        watch, piece = self._watch, fragment.piece
        if not self.made_s:
            watch.first_picture_s.observe(time.monotonic() - self._let_in_s)
        self.made_s += piece.duration_s
        watch.video_s.inc(piece.duration_s)
        for stage, seconds in (piece.timings | {"encode": fragment.encode_s}).items():
            watch.stage_s.labels(stage).inc(seconds)
