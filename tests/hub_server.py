"""A small server that speaks the part of the Hugging Face Hub's protocol that downloads use.

The public Hub is not ours and not always in reach; the real client runs against this one.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

COMMIT = "c" * 40  # of every branch


class HubServer(ThreadingHTTPServer):
    """``repositories`` maps owner/name to a folder; a revision is there unless ``gone``."""

    daemon_threads = True

    def __init__(self, repositories: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories = repositories
        self.gated: set[str] = set()
        self.gone = {"gone"}
        """Revisions that no repository has."""
        self.cut: set[str] = set()
        """Names of files of which only the first half arrives."""
        self.asked: list[str] = []
        """Paths of all requests."""
        self.sent: list[str] = []
        """owner/name/file of what was sent as a body, from some byte to its end."""
        self.looked_into: Counter[str] = Counter()
        """owner/name/file of what was sent in part -> bytes of it."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def running(
    repositories: dict[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubServer]:
    """A server that the client asks in the Hub's place; downloads go to ``cache``."""
    server = HubServer(dict(repositories))
    point_to(server.url, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def point_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


class Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(path)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/]+)", path):
            return self.describe(*found.groups())
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.file(*found.groups(), body=body)
        return self.refuse(404, "")

    def describe(self, repository: str, what: str, revision: str) -> None:
        folder = self.server.repositories.get(repository)
        if folder is None:
            return self.refuse(404, "RepoNotFound")
        if repository in self.server.gated:
            return self.refuse(403, "GatedRepo")
        if revision in self.server.gone:
            return self.refuse(404, "RevisionNotFound")
        if what == "revision":
            sha = revision if len(revision) == 40 else COMMIT
            return self.reply({"id": repository, "modelId": repository, "sha": sha, "siblings": []})
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return self.reply(
            [
                {
                    "type": "file",
                    "path": str(path.relative_to(folder)),
                    "size": path.stat().st_size,
                    "oid": etag(path),
                }
                for path in files
            ]
        )

    def file(self, repository: str, revision: str, name: str, *, body: bool) -> None:
        folder = self.server.repositories.get(repository)
        if folder is None or not (folder / name).is_file():
            return self.refuse(404, "EntryNotFound")
        content = (folder / name).read_bytes()
        asked = self.headers.get("Range")
        first, _, last = (asked or "bytes=0-")[6:].partition("-")
        start, whole = int(first), len(content)
        content = content[: int(last) + 1] if last else content
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{etag(folder / name)}"')
        self.send_header("X-Repo-Commit", revision)
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{whole}")
        self.end_headers()
        if body:
            if last:
                self.server.looked_into[f"{repository}/{name}"] += len(content) - start
            else:
                self.server.sent.append(f"{repository}/{name}")
            end = len(content) // 2 if Path(name).name in self.server.cut else len(content)
            self.wfile.write(content[start:end])
        return None

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reply(self, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
