"""Ray itself: a cluster of this process's own, or one that runs already.

A cluster of its own takes nobody without a secret, which this process draws. It ends with the
process, and its files with it; the next start ends what a killed process leaves. Ray's own secret
for clusters of several machines is a file or a variable, which all of them have.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from flashtalk.cluster.leftovers import end_processes_of
from flashtalk.errors import FlashTalkError
from flashtalk.outputs.scratch import ScratchFolder

OBJECTS_BYTES = 512 * 2**20
"""Shared memory for pieces on their way; each takes 20 MB at 512 x 512 pixels."""
SCRATCH_PREFIX = "flashtalk-ray-"
_VARIABLES = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_TOLD_OF_TOKENS = "ray._private.authentication.authentication_token_setup"
_NO_CLUSTER = (
    "There is no cluster of Ray at {address} that takes this page: {reason}. Start one with 'ray "
    "start' on each machine, this one too, or leave --cluster out for one on this machine."
)
_NOT_AN_ADDRESS = "--cluster is auto or HOST:PORT, as 'ray start --head' says it; got {address!r}."
_REACHED_S = 5.0


@contextmanager
def joined(address: str | None, processors: int) -> Iterator[Path | None]:
    """Ray, for as long as the block lasts; the folder of a cluster of our own.

    Args:
        address: of a running cluster (``"auto"``: that of this machine); ``None``: one of our own.
        processors: that a cluster of our own gives away.

    Raises:
        FlashTalkError: there is no cluster at ``address``.
    """
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    with ExitStack() as stack:
        if address is not None and address != "auto":
            _reach(address)
        folder = None if address is not None else stack.enter_context(_scratch_folder())
        options = {"address": address} if folder is None else _own(folder, processors)
        try:
            ray.init(**options, logging_level=logging.WARNING)
        except (RayError, ConnectionError, RuntimeError, ValueError) as error:
            if address is None:
                raise
            reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
            raise FlashTalkError(_NO_CLUSTER.format(address=address, reason=reason)) from error
        stack.callback(ray.shutdown)
        yield folder


def _reach(address: str) -> None:
    """Looks whether somebody listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise FlashTalkError(_NOT_AN_ADDRESS.format(address=address))
    try:
        socket.create_connection((host, int(port)), _REACHED_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FlashTalkError(_NO_CLUSTER.format(address=address, reason=reason)) from error


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    # sockets lie there, whose paths may be no longer than 107 characters
    parent = Path("/tmp" if os.name == "posix" else tempfile.gettempdir())
    with ScratchFolder(parent, SCRATCH_PREFIX, end_processes_of) as scratch:
        yield scratch.path


def _own(folder: Path, processors: int) -> dict[str, Any]:
    """What makes a cluster on this machine alone, with its files in ``folder``."""
    # Ray asks for a token by itself; without this one it would keep one in the user's home
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    logging.getLogger(_TOLD_OF_TOKENS).setLevel(logging.ERROR)
    return {
        "address": "local",
        "num_cpus": processors,
        "include_dashboard": False,
        "object_store_memory": OBJECTS_BYTES,
        "_temp_dir": str(folder),
        "_node_ip_address": "127.0.0.1",
    }
