"""Repositories of the Hugging Face Hub -> local folders.

Downloads are huggingface_hub's. They are resumed where they stopped, checked by their size and kept
in its cache (``HF_HOME``), pinned by :class:`flashtalk.config.HubFiles`. ``HF_HUB_OFFLINE=1`` is
respected: then only the cache is looked at. This file adds the room on the disk, looked at before
the first byte. It also adds a sentence for everything that can go wrong.
"""

from __future__ import annotations

import errno
import logging
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is httpx2's
    DryRunError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from flashtalk.config import HubFiles
from flashtalk.errors import FlashTalkError

logger = logging.getLogger(__name__)

GIB = 1024**3
SPARE_BYTES = GIB // 2  # left free beside the files themselves
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w./-]+)?")


def is_hub_id(name: str) -> bool:
    """Whether ``name`` reads as ``owner/name`` or ``owner/name@revision``."""
    return HUB_ID.fullmatch(name) is not None


def hub_files(hub_id: str, allow_patterns: Sequence[str]) -> HubFiles:
    """Files of ``owner/name`` or ``owner/name@revision``."""
    repo_id, _, revision = hub_id.partition("@")
    files = HubFiles(repo_id, tuple(allow_patterns))
    return replace(files, revision=revision) if revision else files


def fetch(parts: Sequence[HubFiles]) -> list[Path]:
    """Local folders with the files of ``parts``, downloaded if they are not in the cache yet.

    Raises :class:`FlashTalkError` when one is unknown, private, offline, cut off, or too large for
    the disk.
    """
    parts = list(parts)
    if not constants.HF_HUB_OFFLINE:
        _require_room(parts)
    return [_fetch_one(files) for files in parts]


def download_folder() -> Path:
    """The folder that downloads go to, or the nearest one above it that exists."""
    folder = Path(constants.HF_HUB_CACHE).expanduser()
    while not folder.exists():
        folder = folder.parent
    return folder


def _fetch_one(files: HubFiles) -> Path:
    try:
        folder = snapshot_download(
            files.repo_id, revision=files.revision, allow_patterns=list(files.allow_patterns)
        )
    except (OSError, HTTPError, HFValidationError) as error:
        raise FlashTalkError(hub_sentence(files, error)) from error
    return Path(folder)


def _require_room(parts: Sequence[HubFiles]) -> None:
    """Compares what is still to be downloaded with the free disk."""
    total = 0
    for files in parts:
        missing, count = _missing_bytes(files)
        total += missing
        if missing:
            logger.info("Fetching %.1f GB in %d files of %s", missing / 1e9, count, files.repo_id)
    folder = download_folder()
    free = shutil.disk_usage(folder).free
    if total and total + SPARE_BYTES > free:
        raise FlashTalkError(
            f"The download needs {(total + SPARE_BYTES) / GIB:.1f} GiB on the disk of {folder}, "
            f"but {free / GIB:.1f} GiB are free. Make room, or set HF_HOME to a folder on a larger "
            "disk."
        )


def _missing_bytes(files: HubFiles) -> tuple[int, int]:
    """Bytes and files that are not in the cache yet; none when the Hub does not answer."""
    try:
        listing = snapshot_download(
            files.repo_id,
            revision=files.revision,
            allow_patterns=list(files.allow_patterns),
            dry_run=True,
        )
    except DryRunError:
        return 0, 0  # unreachable or refused: fetching looks into the cache and says why
    except (OSError, HTTPError, HFValidationError) as error:
        raise FlashTalkError(hub_sentence(files, error)) from error
    missing = [entry.file_size or 0 for entry in listing if entry.will_download]
    return sum(missing), len(missing)


def hub_sentence(files: HubFiles, error: Exception) -> str:
    """What went wrong and what to do; the order follows the kinds' inheritance."""
    name = f"{files.repo_id} (revision {files.revision})"
    if isinstance(error, GatedRepoError):
        return (
            f"{files.repo_id} asks for consent: accept its terms on huggingface.co/{files.repo_id} "
            "and set HF_TOKEN to a token of that account."
        )
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{files.repo_id} has no revision {files.revision}. Choose a commit or branch of it: "
            f"{files.repo_id}@main is its newest state."
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"There is no repository {files.repo_id} on the Hugging Face Hub, or it is private. "
            "Check the name; for a private one set HF_TOKEN."
        )
    if isinstance(error, HFValidationError):
        return f"{files.repo_id!r} is no name of a Hub repository: {error}. Use owner/name."
    if isinstance(error, IncompleteSnapshotError):
        return (
            f"The download of {name} was interrupted: files are missing in "
            f"{error.snapshot_path}, and the Hub cannot be reached now. Start again with a "
            "network; it goes on where it stopped."
        )
    if isinstance(error, LocalEntryNotFoundError):
        if constants.HF_HUB_OFFLINE:
            return (
                f"{name} is not in the cache ({constants.HF_HUB_CACHE}), and HF_HUB_OFFLINE "
                "forbids to fetch it. Unset HF_HUB_OFFLINE once, or give a local folder."
            )
        return (
            f"{name} is not in the cache ({constants.HF_HUB_CACHE}), and the Hub cannot be reached "
            f"({_cause(error)}). Connect to a network, or give a local folder."
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk of {constants.HF_HUB_CACHE} became full while {name} was downloaded. Make "
            "room, or set HF_HOME to a folder on a larger disk, and start again; it goes on where "
            "it stopped."
        )
    if isinstance(error, HfHubHTTPError):
        return f"The Hub refused {name}: {_cause(error)}. Try again later."
    return (
        f"The download of {name} was interrupted ({_cause(error)}). Start again; it goes on where "
        "it stopped."
    )


def _cause(error: BaseException) -> str:
    """The first line of the error at the bottom."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
