"""What this machine has: GPU, host memory, room on the disk for downloads."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from huggingface_hub import constants

from flashtalk.config import Preset
from flashtalk.weights.hub import download_folder


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
    """Where downloads go; see :func:`flashtalk.weights.hub.download_folder`."""
    disk_free_bytes: int


def this_machine() -> Machine:
    """Looks at GPU, memory and disk; changes nothing."""
    gpu, gpu_bytes = None, 0
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        gpu, gpu_bytes = properties.name, properties.total_memory
    memory = psutil.virtual_memory()
    disk = download_folder()
    free_bytes = shutil.disk_usage(disk).free
    return Machine(gpu, gpu_bytes, memory.total, memory.available, disk, free_bytes)


def fetched_bytes(preset: Preset) -> int:
    """Bytes of the preset's repositories that the cache of downloads holds already."""
    source, cache = preset.source, Path(constants.HF_HUB_CACHE).expanduser()
    total = 0
    parts = (source.transformer, source.wan, source.wav2vec) if source else ()
    for repo_id in {files.repo_id for files in parts}:
        blobs = cache / f"models--{repo_id.replace('/', '--')}" / "blobs"
        total += sum(path.stat().st_size for path in blobs.glob("*") if path.is_file())
    return total
