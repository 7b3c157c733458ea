"""Connections to the page's server: fewer than the files that it may open, and none without a use.

uvicorn waits forever for a request that does not come to its end. Whoever opens connections and
says nothing uses up the files of the process. Then asyncio accepts nobody, and says so in the log
thousands of times a second.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
import time
from typing import Any

import uvicorn

logger = logging.getLogger(__name__)

TOO_MANY = "Too many people are here at once. Please try again in a minute."
SILENT_S = 20.0
"""For a connection on which no request is complete."""
MOST_FILES = 65_536
"""Files that the process asks for; a service is often given 1,024, and may have more."""
# of talks, uploads, films and pipes to readers; and of those who are accepted at one look,
# before the first of them is told to go
_OTHER_FILES = 256 + 2_048
_TOLD_S = 60.0  # between two lines of the log
_WITHOUT_LIMIT = 1_000  # connections, where the system does not say
_SENTENCE = json.dumps({"error": TOO_MANY, "detail": TOO_MANY})
_BUSY = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    f"Content-Length: {len(_SENTENCE)}\r\n\r\n{_SENTENCE}"
).encode()


def more_files() -> None:
    """Lets this process open as many files as it may, up to ``MOST_FILES``."""
    if sys.platform == "win32":  # which has no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Connections that leave files for the rest; half of few files."""
    if sys.platform == "win32":
        return _WITHOUT_LIMIT
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return MOST_FILES
    return max(files // 2, files - _OTHER_FILES)


def keep_few(server: uvicorn.Server, most: int, silent_s: float = SILENT_S) -> None:
    """Has ``server`` take ``most`` connections, and end those that say nothing for ``silent_s``."""
    usual: Any = server.config.http_protocol_class
    told_s = -math.inf

    def tell() -> None:
        nonlocal told_s
        if time.monotonic() - told_s > _TOLD_S:
            told_s = time.monotonic()
            logger.warning("Connections are refused: %d are open.", most)

    class Connection(usual):  # type: ignore[misc]
        """One that ends if its request does not come."""

        silence: asyncio.TimerHandle | None = None
        refused = False

        def connection_made(self, transport: asyncio.Transport) -> None:
            self.refused = len(self.connections) >= most
            if self.refused:
                tell()
                transport.write(_BUSY)
                transport.close()
                return
            super().connection_made(transport)
            self._look()

        def data_received(self, data: bytes) -> None:
            if self.refused:
                return
            super().data_received(data)
            self._look()

        def connection_lost(self, error: Exception | None) -> None:
            self._hear()
            if not self.refused:
                super().connection_lost(error)

        def _look(self) -> None:
            """Waits for a request, unless one is being answered."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._hear()
            elif self.silence is None:
                self.silence = self.loop.call_later(silent_s, self._end)

        def _hear(self) -> None:
            if self.silence is not None:
                self.silence.cancel()
                self.silence = None

        def _end(self) -> None:
            self.silence = None
            if self.cycle is None or self.cycle.response_complete:
                self.transport.abort()

    server.config.http_protocol_class = Connection
