"""What computes here: processor, GPU, versions, and how fast they multiply. For benchmark reports.

What a preset needs and whether this machine has it is :mod:`flashtalk.memory`'s subject.
"""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import torch

import flashtalk

MATRIX = 2048  # side of the square float32 matrices multiplied


def machine(device: torch.device) -> dict[str, object]:
    """Processor, cores, memory and GPU, as far as the system tells."""
    processor = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].split(":", 1)[1].strip() if names else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found: dict[str, object] = {
        "processor": processor or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "system": platform.platform(),
        "gpu": None,
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found["gpu"] = properties.name
        found["gpu_memory_gib"] = round(properties.total_memory / 2**30, 1)
        found["cuda"] = torch.version.cuda
    return found


def versions() -> dict[str, str]:
    """Of everything that computes."""
    packages = ("torch", "numpy", "av", "opencv-python-headless", "soxr")
    found = {"flashtalk": flashtalk.__version__, "python": platform.python_version()}
    return found | {name: version(name) for name in packages}


def matmul_rate(device: torch.device, repeats: int = 5) -> float:
    """Float32 matrix multiplication, 10^9 operations per second; the best of ``repeats``."""
    left, right = torch.randn(2, MATRIX, MATRIX, device=device)
    times_s = []
    for _ in range(repeats + 1):  # the first one warms up
        start_s = time.perf_counter()
        product = left @ right
        product[0, 0].item()  # waits for a GPU
        times_s.append(time.perf_counter() - start_s)
    return 2 * MATRIX**3 / min(times_s[1:]) / 1e9
