"""A file that a person names -> an open file, or a sentence that says why not.

Beneath :mod:`flashtalk.inputs.picture` and :mod:`flashtalk.inputs.sound`: paths, pipes and what is
neither. What the bytes mean is theirs.
"""

from __future__ import annotations

import io
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from flashtalk.errors import FlashTalkError

MAX_PIPE_BYTES = 1_000_000_000
_ADDRESS = re.compile(r"(https?|ftps?|sftp|file|data|blob|s3|gs|hf):", re.IGNORECASE)
_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SHOWN = 60  # characters of a name in a sentence


@dataclass(frozen=True)
class Kind:
    """A kind of file, in the words that sentences use."""

    noun: str
    """Such as "sound"."""
    file: str
    """Such as "sound file"."""
    supported: str
    """What to use instead: a sentence without its full stop."""


def open_file(source: str | Path, kind: Kind) -> BinaryIO:
    """``source`` opened for reading, at its beginning; a pipe is read to its end.

    Raises:
        FlashTalkError: missing, empty, a folder, an address, or not readable.
    """
    named = short(str(source))
    if address := address_of(source):
        raise FlashTalkError(
            f"{address} is an address, and addresses are not fetched: "
            f"save the {kind.noun} first and give its path."
        )
    try:
        path = at_home(source)
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise FlashTalkError(f"{named} is a folder, not a {kind.file}. {kind.supported}.")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            raise FlashTalkError(f"{named} is a device, not a {kind.file}. {kind.supported}.")
        file = path.open("rb") if stat.S_ISREG(mode) else _from_pipe(path, named)
        if not file.read(1):
            file.close()
            raise FlashTalkError(
                f"The {kind.noun} {short(path.name)} is empty (0 bytes). {kind.supported}."
            )
        file.seek(0)
    except FlashTalkError:
        raise
    except FileNotFoundError as error:
        raise FlashTalkError(f"No {kind.file} at {named}. {_advice(str(source))}") from error
    except RuntimeError as error:
        user = short(Path(source).parts[0][1:])
        raise FlashTalkError(
            f"The {kind.noun} {named} cannot be read: nobody knows the home folder of "
            f"{user or 'this user'}. Give the whole path."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FlashTalkError(f"The {kind.noun} {named} cannot be read: {reason}.") from error
    return file


class Source:
    """An open file for FFmpeg, which jumps to places that a damaged file names.

    Where there is no such place, FFmpeg is told so. An exception here would be printed by PyAV.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, place: int, whence: int = 0) -> int:
        """Where the file is now; below 0 of a place that is not there."""
        try:
            return self._seek(place, whence)
        except (OSError, ValueError, OverflowError):
            return -1


def short(name: str | Path) -> str:
    """``name`` for a sentence: one line, the middle of a very long one left out.

    Signs that would steer a terminal are left out, too.
    """
    name = _STEERING.sub(" ", str(name))
    if len(name) <= 2 * _SHOWN:
        return name
    return f"{name[:_SHOWN]}...{name[-_SHOWN // 2 :]}"


def address_of(source: str | Path) -> str:
    """``source`` as it was given, if it is an address on a network; else nothing."""
    if not _ADDRESS.match(str(source)) or _is_there(source):
        return ""
    slashes = ":///" if str(source).lower().startswith("file:") else "://"
    return re.sub(r":/(?!/)", slashes, short(source), count=1)  # a Path has one slash only


def _advice(name: str) -> str:
    """What to do about a ``name`` that no file has."""
    if name == "-":
        return "Standard input is /dev/stdin."
    if any(sign in name for sign in "*?["):
        return "Patterns are not expanded here: give one file, or a folder."
    return "Check the path."


def _is_there(source: str | Path) -> bool:
    """Names such as ``data:2026.png`` look like addresses."""
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        return False


def at_home(source: str | Path) -> Path:
    """``source`` as a path; a leading ``~`` is the home folder, unless a file has that very name.

    Raises:
        RuntimeError: of a user whom nobody knows.
    """
    path = Path(source)
    if str(source).startswith("~") and not path.exists():
        return path.expanduser()
    return path


def _from_pipe(path: Path, named: str) -> BinaryIO:
    """Decoders jump back and forth, which a pipe cannot."""
    with path.open("rb") as pipe:
        content = pipe.read(MAX_PIPE_BYTES + 1)
    if len(content) > MAX_PIPE_BYTES:
        raise FlashTalkError(
            f"{named} is a pipe with more than {MAX_PIPE_BYTES / 1e6:,.0f} MB. "
            "Save it to a file first."
        )
    return io.BytesIO(content)
