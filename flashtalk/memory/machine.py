"""What this machine has: GPU, host memory, room on the disk for downloads."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import constants

from flashtalk.config import Preset

MEMORY_TABLE = Path("/proc/meminfo")


@dataclass(frozen=True)
class Machine:
    """Found by :func:`this_machine`; all sizes in bytes."""

    gpu: str | None
    """Name of the first GPU that PyTorch can use, if there is one."""
    gpu_bytes: int
    """Its whole memory as PyTorch reports it; 0 without a GPU."""
    ram_bytes: int
    ram_free_bytes: int
    """Host memory that can be had without swapping, as far as the system tells."""
    disk: Path
    """The folder that downloads go to, or the nearest one above it that exists."""
    disk_free_bytes: int


def this_machine() -> Machine:
    """Looks at GPU, memory and disk; changes nothing."""
    gpu, gpu_bytes = None, 0
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        gpu, gpu_bytes = properties.name, properties.total_memory
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    disk = Path(constants.HF_HUB_CACHE).expanduser()
    while not disk.exists():
        disk = disk.parent
    return Machine(
        gpu=gpu,
        gpu_bytes=gpu_bytes,
        ram_bytes=ram,
        ram_free_bytes=_available_bytes() or ram,
        disk=disk,
        disk_free_bytes=shutil.disk_usage(disk).free,
    )


def fetched_bytes(preset: Preset) -> int:
    """What the cache of downloads holds of the preset's repositories already."""
    if preset.source is None:
        return 0
    source, total = preset.source, 0
    for files in (source.transformer, source.wan, source.wav2vec):
        name = "models--" + files.repo_id.replace("/", "--")
        blobs = Path(constants.HF_HUB_CACHE).expanduser() / name / "blobs"
        total += sum(path.stat().st_size for path in blobs.glob("*") if path.is_file())
    return total


def _available_bytes() -> int:
    """MemAvailable of Linux; 0 where there is no such table."""
    if not MEMORY_TABLE.is_file():
        return 0
    for line in MEMORY_TABLE.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
