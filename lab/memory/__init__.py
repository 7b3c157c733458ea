"""Counts the bytes that live while the real code runs, on tensors without memory.

``python -m lab.memory`` writes what the package's plan reads (``flashtalk/placement``) and
``docs/memory.md``. The plan of a training (:mod:`lab.training.memory`) counts here, too.
"""

from lab.memory.parts import Parts, parts_of
from lab.memory.phases import activation_peaks

__all__ = ["Parts", "activation_peaks", "parts_of"]
