"""Which videos one start makes: one, or from folders one for each picture with each sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from flashtalk.cli.destination import check_folder, check_parent, check_video, is_folder
from flashtalk.cli.saying import reason
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.files import short

PICTURES = (
    *("apng", "avif", "avifs", "bmp", "dib", "gif", "heic", "heif", "hif", "jfif", "jpe", "jpeg"),
    *("jpg", "mpo", "pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp"),
)
SOUNDS = (
    *("aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "au", "caf", "dts", "eac3", "flac"),
    *("m4a", "m4b", "mka", "mp1", "mp2", "mp3", "oga", "ogg", "opus", "rf64", "snd", "spx", "tta"),
    *("w64", "wav", "wave", "weba", "wma", "wv"),
    *("3gp", "asf", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts"),
    *("ogv", "qt", "ts", "vob", "webm", "wmv"),
)
"""Endings of the files that are taken from a folder; other files there are left alone."""


@dataclass(frozen=True)
class Job:
    """One video to be made."""

    portrait: Path
    audio: Path
    out: Path


def jobs_of(portrait: Path, audio: Path, out: Path) -> list[Job]:
    """Every video that ``portrait``, ``audio`` and ``out``, files or folders, ask for.

    Creates the folder ``out`` where its parent exists.

    Raises:
        FlashTalkError: for a destination that cannot be written, an empty folder, or two files
            whose videos would have one name.
    """
    many_portraits, many_sounds = is_folder(portrait), is_folder(audio)
    if not (many_portraits or many_sounds):
        check_video(out, (portrait, audio))
        return [Job(portrait, audio, out)]
    portraits = files_of(portrait, PICTURES, "picture")
    sounds = files_of(audio, SOUNDS, "sound file")
    make_folder(out)
    jobs = [
        Job(*pair, out / _name(*pair, many_portraits, many_sounds))
        for pair in product(portraits, sounds)
    ]
    _refuse_equal_names(jobs)
    for job in jobs:
        check_video(job.out, (*portraits, *sounds))
    return jobs


def files_of(path: Path, endings: Sequence[str], kind: str) -> list[Path]:
    """``path``, or what a folder has of files with these ``endings``.

    Raises:
        FlashTalkError: for a folder without any.
    """
    if not is_folder(path):
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.suffix[1:].lower() in endings)
    except OSError as error:
        raise FlashTalkError(
            f"The folder {short(path)} cannot be read: {reason(error)}."
        ) from error
    files = [file for file in files if _is_given(file)]
    if not files:
        raise FlashTalkError(f"There is no {kind} in the folder {path}.")
    return files


def _is_given(file: Path) -> bool:
    """A link that leads nowhere is: it is told of as a file that cannot be read."""
    lost = file.is_symlink() and not file.exists()
    return (lost or file.is_file()) and not file.name.startswith(".")


def make_folder(out: Path) -> None:
    """Creates the folder ``out`` where its parent exists, and tries it.

    Raises:
        FlashTalkError: with what the system says.
    """
    if out.suffix.lower() == ".mp4" or (out.exists() and not is_folder(out)):
        raise FlashTalkError(
            f"A folder of pictures or sounds makes many videos: give --out a folder, not {out}."
        )
    check_parent(out)
    try:
        out.mkdir(exist_ok=True)
    except OSError as error:
        raise FlashTalkError(
            f"The folder {out} cannot be made: {error.strerror}. Give --out another one."
        ) from error
    check_folder(out)


def _name(portrait: Path, audio: Path, many_portraits: bool, many_sounds: bool) -> str:
    """File name of one video, unique among those of one start."""
    if not many_sounds:
        return f"{portrait.stem}.mp4"
    return f"{portrait.stem}-{audio.stem}.mp4" if many_portraits else f"{audio.stem}.mp4"


def _refuse_equal_names(jobs: list[Job]) -> None:
    taken: dict[str, Job] = {}
    for job in jobs:
        other = taken.setdefault(job.out.name.casefold(), job)  # some file systems know no case
        if other is not job:
            differ = "portrait" if other.portrait != job.portrait else "audio"
            raise FlashTalkError(
                f"{getattr(other, differ)} and {getattr(job, differ)} would both become "
                f"{job.out.name}. Rename one of them."
            )
