"""This machine, for benchmark reports: processor, GPU, libraries, speed of matrix products.

:mod:`flashtalk.placement` says what a preset needs and whether this machine has it.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

import flashtalk
from flashtalk.placement.plan import GIB, Budget

NOT_MEASURED = "Device memory is not measured on a processor."
NOT_PLANNED = "There is no plan for networks of these sizes (python -m lab.memory makes one)."
MATRIX = 2048  # side of the square matrices multiplied
COPIED_BYTES = 2**28
REPEATS = 5  # of which the best counts


def machine(device: torch.device) -> dict[str, object]:
    """Processor, cores, memory and GPU, as far as the system tells."""
    processor = platform.processor()
    info = Path("/proc/cpuinfo")  # Linux; macOS and Windows tell the name above
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].split(":", 1)[1].strip() if names else processor
    found: dict[str, object] = {
        "processor": processor or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / GIB, 1),
        "system": platform.platform(),
        "gpu": None,
        "load_average": [round(value, 2) for value in psutil.getloadavg()],
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found["gpu"] = properties.name
        found["gpu_memory_gib"] = round(properties.total_memory / GIB, 1)
        found["cuda"] = torch.version.cuda
    return found


def peak_memory_mb() -> float:
    """The most memory that this process has held."""
    if sys.platform == "win32":
        peak = float(psutil.Process().memory_info().peak_wset)
    else:
        import resource  # which Windows lacks

        unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others KiB
        peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
    return peak / 2**20


def versions() -> dict[str, str]:
    """Versions of the package, Python and the libraries that compute."""
    packages = ("torch", "numpy", "av", "opencv-python-headless", "soxr")
    found = {"flashtalk": flashtalk.__version__, "python": platform.python_version()}
    return found | {name: version(name) for name in packages}


def matmul_rate(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Matrix multiplication in ``dtype``, 10^9 operations per second."""
    left, right = torch.randn(2, MATRIX, MATRIX, device=device).to(dtype)
    return 2 * MATRIX**3 / _least_s(lambda: left @ right) / 1e9


def copy_rate(device: torch.device) -> float:
    """Bytes that a copy reads and writes, 10^9 a second."""
    source = torch.zeros(COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * COPIED_BYTES / _least_s(lambda: target.copy_(source)) / 1e9


def _least_s(work: Callable[[], torch.Tensor]) -> float:
    times_s = []
    for _ in range(REPEATS + 1):  # the first one warms up
        start_s = time.perf_counter()
        work().view(-1)[0].item()  # waits for a GPU
        times_s.append(time.perf_counter() - start_s)
    return min(times_s[1:])


def device_memory(
    device: torch.device, budget: Budget | None, *, compared: bool
) -> dict[str, float | str | None]:
    """Peaks since they were last reset, in GiB, beside the plan's; ``None`` where there is none.

    If they are to be ``compared``, a plan that there is not is said.
    """
    measured = device.type == "cuda"
    notices = [] if measured else [NOT_MEASURED]
    notices += [NOT_PLANNED] if compared and budget is None else []
    peak = torch.cuda.max_memory_allocated(device) / GIB if measured else None
    planned = budget.peak.total / GIB if budget else None
    return {
        "peak_allocated_gib": peak,
        "peak_reserved_gib": torch.cuda.max_memory_reserved(device) / GIB if measured else None,
        "planned_gib": planned,
        "planned_phase": budget.peak.name if budget else None,
        "measured_over_planned": peak / planned if peak and planned else None,
        "notice": " ".join(notices),
    }
