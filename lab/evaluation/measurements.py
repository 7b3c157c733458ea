"""Measurements on disk: one JSON per run, seed and length, written whole or not at all."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from flashtalk.evaluation.files import write_whole

log = logging.getLogger(__name__)

FOLDER = "measurements"  # below the output folder


@dataclass(frozen=True)
class Measurement:
    """Figures of one talk at one moment."""

    run: str
    seed: int
    seconds: int
    """Moment of the talk; the figures are of the segment that ends there."""
    person: str
    voice: str
    segment_s: float
    settings: Mapping[str, str | float | None]
    digest: str
    """Digest of weights, settings, judges and clips; with others the measurement is made again."""
    frames_per_s: float
    """Frames made per second of wall time, measuring left out, beside whatever else ran.

    ``speed.py`` times a run alone.
    """
    figures: Mapping[str, float]
    """Named by ``segment.FIGURES``; NaN where something cannot be known."""
    speech_clips: int | None = None
    """Different clips that the talk joins; None where that is not noted."""
    speech_s: float | None = None
    """Seconds of speech in them, likewise."""


def measurement_path(out: Path, run: str, seed: int, seconds: int) -> Path:
    """Where a measurement lies below the output folder."""
    return out / FOLDER / run / f"seed{seed}-{seconds}s.json"


def write_measurement(out: Path, measurement: Measurement) -> Path:
    """Write ``measurement`` under its own name, at once."""
    path = measurement_path(out, measurement.run, measurement.seed, measurement.seconds)
    path.parent.mkdir(parents=True, exist_ok=True)
    known = measurement.figures.items()
    figures = {name: None if math.isnan(value) else value for name, value in known}
    write_whole(path, asdict(measurement) | {"figures": figures}, indent=1)
    return path


def read_measurement(path: Path) -> Measurement | None:
    """The measurement in ``path``; None, with a warning, if the file is none."""
    try:
        content = json.loads(path.read_text())
        content["figures"] = {
            name: math.nan if value is None else float(value)
            for name, value in content["figures"].items()
        }
        return Measurement(**content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("%s is no measurement and is left out: %s", path, error)
        return None


def read_measurements(out: Path) -> list[Measurement]:
    """All measurements below the output folder, by run, length and seed."""
    paths = (out / FOLDER).glob("*/*.json")
    found = [each for path in paths if (each := read_measurement(path))]
    return sorted(found, key=lambda each: (each.run, each.seconds, each.seed))


def is_done(out: Path, run: str, seed: int, seconds: int, digest: str) -> bool:
    """Whether that measurement is there and was made by the same weights, settings and judges."""
    path = measurement_path(out, run, seed, seconds)
    measurement = read_measurement(path) if path.is_file() else None
    return measurement is not None and measurement.digest == digest
