"""A server of live speech without a page, and a program that speaks to it."""

from __future__ import annotations

import io
import math
import time

import av
import numpy as np
from starlette.applications import Starlette
from starlette.testclient import TestClient

from flashtalk.assets import ASSETS
from flashtalk.engine import Engine
from flashtalk.ui.events import Limits, Talk
from flashtalk.ui.live.routes import NO_FILM, live_routes
from flashtalk.ui.live.talks import LiveTalks

PORTRAIT = (ASSETS / "portraits" / "ada.jpg").read_bytes()
PIECE = 1_600  # samples, 0.1 s


def served(
    engine: Engine,
    refusal: str = "",
    patience_s: float = 15.0,
    page: Talk | None = None,
    **limits: float,
) -> TestClient:
    """A server with one seat."""
    usual = {"live_s": 20.0, "visitors": 1, "queue": 2, "live_behind_s": math.inf}
    known = Limits(**usual | limits)
    page = page or Talk(engine, known, lambda function: function)
    talks = LiveTalks(page, engine, known, refusal, patience_s)
    return TestClient(Starlette(routes=live_routes(talks)))


class Speaker:
    """A program that speaks, and what it gets."""

    def __init__(self, client: TestClient, picture: bytes = PORTRAIT, **settings: str) -> None:
        files = {"portrait": ("ada.jpg", picture)}
        reply = client.post("/live", files=files, data={"seed": "5", "steps": "2"} | settings)
        assert reply.status_code == 200, reply.text
        self.client, self.opened = client, reply.json()
        self.address = f"/live/{self.opened['id']}"
        self.got: list[dict] = []

    def listen(self, kind: str) -> dict:
        """Reads messages until one of ``kind`` has come."""
        while not any(message["kind"] == kind for message in self.got):
            assert not self.got or self.got[-1]["kind"] not in ("end", "error"), self.got[-1]
            self.got += self.client.get(f"{self.address}/messages/{len(self.got)}").json()
        return next(message for message in self.got if message["kind"] == kind)

    def send(self, samples: np.ndarray, start: int) -> dict:
        data = (samples.clip(-1, 1) * 32_767).astype("<i2").tobytes()
        return self.client.post(
            f"{self.address}/sound", params={"start": start}, content=data
        ).json()

    def say(self, samples: np.ndarray) -> None:
        for start in range(0, len(samples), PIECE):
            heard = self.send(samples[start : start + PIECE], start)["heard"]
            assert heard == min(start + PIECE, len(samples))

    def end(self) -> dict:
        self.client.post(f"{self.address}/end")
        return self.listen("end")

    def film(self) -> bytes:
        while (reply := self.client.get(f"{self.address}/film")).status_code == 404:
            assert reply.json()["error"] == NO_FILM
            time.sleep(0.05)
        return reply.content


def frames_of(video: bytes) -> np.ndarray:
    with av.open(io.BytesIO(video)) as file:
        return np.stack([frame.to_ndarray(format="gray") for frame in file.decode(video=0)])
