"""SIGTERM, as a container gets it: talks end first, with their film, and nothing is left behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx
import pytest
from served_app import served

from flashtalk.ui.events import SCRATCH_PREFIX

FILE = {"meta": {"_type": "gradio.FileData"}}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
def test_sigterm_ends_the_talk_with_its_film(
    portrait: Path, long_speech: Path, tmp_path: Path
) -> None:
    with served(tmp_path) as (address, app):
        files = [("files", path.open("rb")) for path in (portrait, long_speech)]
        paths = httpx.post(f"{address}/gradio_api/upload", files=files).json()
        values = [*(FILE | {"path": path} for path in paths), 7, False, 4]
        call = f"{address}/gradio_api/call/talk"
        event = httpx.post(call, json={"data": values}).json()["event_id"]
        kinds: list[str] = []
        film = None
        with httpx.stream("GET", f"{call}/{event}", timeout=120) as reply:
            for line in reply.iter_lines():
                if not line.startswith("data: ["):
                    continue
                message, finished, _ = json.loads(line.removeprefix("data: "))
                kinds.append(json.loads(message)["kind"])
                film = finished or film
                if kinds[-1] == "fragment" and app.poll() is None and kinds.count("fragment") == 2:
                    app.terminate()
        assert kinds[-1] == "end"
        assert kinds.count("fragment") < 26, "thirty seconds have 27 chunks"
        assert film is not None
        assert app.wait(20) == 0
    assert not list((tmp_path / "temporary").glob(f"{SCRATCH_PREFIX}*"))
