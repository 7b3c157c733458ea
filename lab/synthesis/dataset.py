"""The folder of a data set: how its files were made, under which licenses, and what is finished.

A stopped run goes on in its folder, so everything in one folder must be made alike. What decides
how a file turns out, beside its number, is written down in ``options.json``.

Flow: licenses -> **dataset** -> factory, corpus.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from flashtalk.errors import FlashTalkError
from lab.synthesis.licenses import write_licenses

log = logging.getLogger(__name__)

OPTIONS_FILE = "options.json"


def open_folder(
    folder: Path,
    options: Mapping[str, str | float | int | bool],
    materials: tuple[tuple[str, str, str], ...],
) -> None:
    """Prepare ``folder`` for new or further files made with ``options``.

    materials: the rows of the license note, CLIPS or CORPUS of `licenses`. Raises FlashTalkError
    where the files in the folder were made with other options. A folder of
    files without ``options.json`` is taken as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / OPTIONS_FILE
    if record.exists():
        _compare(folder, json.loads(record.read_text(encoding="utf-8")), options)
    elif any(folder.glob("[0-9]*.npz")):
        # nothing is recorded: what is asked for now need not be how these files were made
        log.warning("%s has files but no %s; make sure they are alike", folder, OPTIONS_FILE)
    else:
        draft = folder / f".{OPTIONS_FILE}.{os.getpid()}"
        draft.write_text(json.dumps(dict(options), indent=1) + "\n", encoding="utf-8")
        draft.replace(record)
    write_licenses(folder, materials)


def _compare(
    folder: Path,
    found: Mapping[str, str | float | int | bool],
    wanted: Mapping[str, str | float | int | bool],
) -> None:
    names = sorted(found.keys() | wanted.keys())
    other = [name for name in names if found.get(name) != wanted.get(name)]
    if other:
        told = ", ".join(f"{name} {found.get(name)} (now {wanted.get(name)})" for name in other)
        raise FlashTalkError(
            f"The files in {folder} were made with other options: {told}. "
            "Give the same options again, or another folder with --out."
        )
