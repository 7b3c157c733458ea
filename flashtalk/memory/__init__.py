"""What a preset needs, known before anything is fetched: bytes of weights, activations, phases.

Beside the engine, above the networks that it counts; ``python -m flashtalk.plan`` prints it.
"""

from flashtalk.memory.budget import GIB, RESERVE_BYTES, Budget, PhaseBytes, budget_of
from flashtalk.memory.machine import Machine, fetched_bytes, this_machine
from flashtalk.memory.parts import PUBLISHED, Part, Parts, PublishedSizes, parts_of
from flashtalk.memory.phases import activation_peaks
from flashtalk.memory.rehearsal import (
    Rehearsal,
    device_memory,
    draw_weights,
    rehearsal_of,
)

__all__ = [
    "GIB",
    "PUBLISHED",
    "RESERVE_BYTES",
    "Budget",
    "Machine",
    "Part",
    "Parts",
    "PhaseBytes",
    "PublishedSizes",
    "Rehearsal",
    "activation_peaks",
    "budget_of",
    "device_memory",
    "draw_weights",
    "fetched_bytes",
    "parts_of",
    "rehearsal_of",
    "this_machine",
]
