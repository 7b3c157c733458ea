"""Files of a Hub repository, looked into without fetching them.

Names, shapes and types of tensors are at the beginning of a safetensors file. A PyTorch file is a
zip archive. The list of its members is at its end, and one small member says what the tensors are.
A few ranges of bytes are asked for; everything else stays there.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import torch
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is httpx2's
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    SafetensorsParsingError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, get_session  # type: ignore[attr-defined]
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from flashtalk.config import HubFiles
from flashtalk.errors import FlashTalkError
from flashtalk.weights.hub import hub_sentence
from flashtalk.weights.pickles import first_line, only_tensors
from flashtalk.weights.strict import Header

BLOCK_BYTES = 1 << 18  # of a PyTorch file at once: the list of its members is about as long
ZIP_MARK = b"PK"


@dataclass(frozen=True)
class RemoteFiles:
    """The files in one folder of a repository at one revision."""

    source: HubFiles
    sizes: Mapping[str, int]
    """Bytes of every file of the repository, by its path there."""
    remedy: str
    folder: str = ""

    @classmethod
    def of(cls, source: HubFiles, remedy: str) -> RemoteFiles:
        """Asks for the list of files; :class:`FlashTalkError` if there is none."""
        try:
            tree = HfApi().list_repo_tree(source.repo_id, revision=source.revision, recursive=True)
            sizes = {entry.path: entry.size for entry in tree if isinstance(entry, RepoFile)}
        except (OSError, HTTPError, HFValidationError) as error:
            raise FlashTalkError(_sentence(source, error)) from error
        return cls(source, sizes, remedy)

    def below(self, folder: str) -> RemoteFiles:
        """The same repository's ``folder``, given from its root."""
        return replace(self, folder="" if folder == "." else folder)

    def all_names(self) -> list[str]:
        """Names of all files in the folder itself, sorted."""
        paths = (PurePosixPath(path) for path in self.sizes)
        return sorted(path.name for path in paths if str(path.parent) == (self.folder or "."))

    def names(self) -> list[str]:
        """Those of safetensors files."""
        return [name for name in self.all_names() if name.endswith(".safetensors")]

    def size(self, name: str) -> int:
        """Bytes of one file."""
        return self.sizes[self._path(name)]

    def header(self, name: str) -> Header:
        """Shapes and types of the tensors in a safetensors file."""
        try:
            header = HfApi().parse_safetensors_file_metadata(
                self.source.repo_id, self._path(name), revision=self.source.revision
            )
        except SafetensorsParsingError as error:
            raise FlashTalkError(
                f"{self._place(name)} is cut off, damaged or no safetensors file: "
                f"{self.size(name):,} bytes, {first_line(error)}. {self.remedy}"
            ) from error
        except (OSError, HTTPError) as error:
            raise FlashTalkError(_sentence(self.source, error)) from error
        return {key: (tuple(each.shape), each.dtype) for key, each in header.tensors.items()}

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors of a PyTorch file: shapes and types without numbers."""
        if self._path(name) not in self.sizes:
            raise FlashTalkError(f"{self._place(name)} is missing. {self.remedy}")
        url = hf_hub_url(self.source.repo_id, self._path(name), revision=self.source.revision)
        content = io.BufferedReader(_Ranges(url, self.size(name)), BLOCK_BYTES)
        try:
            if content.peek(2)[:2] != ZIP_MARK:
                raise FlashTalkError(
                    f"{self._place(name)} was written by PyTorch before 1.6 or is no PyTorch file: "
                    "what it holds can be seen only after it was fetched."
                )
            with FakeTensorMode():
                loaded = torch.load(content, map_location="cpu", weights_only=True)
        except FlashTalkError:
            raise
        except (OSError, HTTPError) as error:
            raise FlashTalkError(_sentence(self.source, error)) from error
        except Exception as error:  # the unpickler raises many kinds for a file that is cut off
            raise FlashTalkError(
                f"{self._place(name)} is cut off, damaged or holds more than tensors "
                f"({first_line(error)}). {self.remedy}"
            ) from error
        return only_tensors(loaded, self._place(name), self.remedy)

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name

    def _place(self, name: str) -> str:
        return f"{self._path(name)} of {self.source.repo_id} (revision {self.source.revision})"


def _sentence(source: HubFiles, error: Exception) -> str:
    """The sentence of a download, except for a Hub that does not answer: no file was on its way."""
    if isinstance(error, HTTPError | OSError) and not isinstance(error, HfHubHTTPError):
        return (
            f"{source.repo_id} cannot be checked: the Hub cannot be reached ({first_line(error)}). "
            "Connect to a network; without one nothing can be said about its files."
        )
    return hub_sentence(source, error)


class _Ranges(io.RawIOBase):
    """A file behind an address, read by ranges of bytes."""

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        end = min(self._position + len(buffer), self._size)
        if end <= self._position:
            return 0
        wanted = {"Range": f"bytes={self._position}-{end - 1}"}
        got = 0
        # A stream, because a server may send more than was asked for.
        with get_session().stream(
            "GET", self._url, headers=build_hf_headers() | wanted, follow_redirects=True
        ) as reply:
            reply.raise_for_status()
            if self._position and reply.status_code != 206:
                raise OSError(f"{self._url} cannot be read in parts")
            for block in reply.iter_bytes():
                part = block[: end - self._position - got]
                buffer[got : got + len(part)] = part
                got += len(part)
                if self._position + got == end:
                    break
        self._position += got
        return got
