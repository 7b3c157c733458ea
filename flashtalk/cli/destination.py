"""Where a command writes: tried by really opening it, before any work is done."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from flashtalk.cli.saying import reason
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.files import address_of, short


def check_video(out: Path, inputs: Sequence[Path]) -> None:
    """Refuse a name for a video that cannot or must not be written.

    Raises:
        FlashTalkError: with what is wrong with it.
    """
    if is_folder(out):
        raise FlashTalkError(
            f"{short(out)} is a folder. Give --out the name of a file, such as "
            f"{short(out / 'talk.mp4')}."
        )
    if out.suffix.lower() != ".mp4":
        raise FlashTalkError(
            f"The video is an MP4 file: give --out a name ending in .mp4, not {short(out)}."
        )
    if is_pipe(out):  # it would wait for a reader
        raise FlashTalkError(f"{short(out)} is a pipe. Give --out the name of a file.")
    if is_device(out):  # which the video would take the place of
        raise FlashTalkError(f"{short(out)} is a device. Give --out the name of a file.")
    check_writable(out, inputs)


def check_writable(out: Path, inputs: Sequence[Path] = ()) -> None:
    """Refuse a file that cannot be opened for writing or is one of ``inputs``.

    An older one keeps its content.

    Raises:
        FlashTalkError: with what the system says.
    """
    check_parent(out)
    check_folder(out.parent)
    try:
        existed = out.exists()
        with out.open("ab"):
            pass
        if not existed:
            out.resolve().unlink()  # a link stays
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise FlashTalkError(
            f"{short(out)} cannot be written: {reason(error)}. Give --out another name."
        ) from error
    check_folder(out.resolve().parent)
    if any(_same_file(out, source) for source in inputs):
        raise FlashTalkError(f"{short(out)} is an input. Give --out another name.")


def check_parent(out: Path) -> None:
    """Refuse a file or folder ``out`` whose own folder is not there.

    Raises:
        FlashTalkError: with what to do.
    """
    if not is_folder(out.parent):
        if address := address_of(out):
            raise FlashTalkError(
                f"{address} is an address, and nothing is sent there. Give --out a path."
            )
        raise FlashTalkError(f"The folder {short(out.parent)} does not exist. Create it first.")


def make_parents(out: Path) -> None:
    """Creates the folders above ``out``.

    Raises:
        FlashTalkError: with what the system says.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FlashTalkError(
            f"The folder {short(out.parent)} cannot be made: {reason(error)}. Choose another one."
        ) from error


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder; a name that no file can have is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_pipe(path: Path) -> bool:
    """Whether ``path`` is a named pipe; a name that no file can have is none."""
    try:
        return path.is_fifo()
    except OSError:
        return False


def is_device(path: Path) -> bool:
    """Whether ``path`` is a device or a socket; a name that no file can have is none."""
    try:
        return path.exists() and not path.is_file()
    except OSError:
        return False


def _same_file(out: Path, source: Path) -> bool:
    try:
        return out.samefile(source)
    except OSError:  # one of them is not there, or has a name that no file can have
        return False


def check_folder(folder: Path) -> None:
    """Refuse a folder that takes no files.

    Raises:
        FlashTalkError: with what the system says.
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FlashTalkError(
            f"The folder {short(folder)} cannot be written to: {error.strerror}. "
            "Choose another one."
        ) from error
