"""``compose.yaml`` and ``Dockerfile``, as far as they can be read without building anything."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import yaml

from flashtalk.cli.main import parse
from flashtalk.cli.serve_options import ServeOptions

ROOT = Path(__file__).parents[1]
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def test_the_page_of_a_cluster_starts_with_options_that_there_are() -> None:
    _, _, line = SERVICES["front"]["command"]
    ray, _, serve = line.partition(" && ")
    words = shlex.split(serve)
    assert words[:3] == ["exec", "flashtalk", "serve"]
    options = parse(ServeOptions, words[3:], prog="flashtalk serve")
    assert options.cluster == "auto" and options.workers and options.workers_max
    port = re.search(r"--port=(\d+)", ray)[1]
    (host,) = SERVICES["front"]["networks"]["inside"]["aliases"]
    assert f"--address={host}:{port}" in SERVICES["worker"]["command"]
    assert "--num-cpus=0" in ray, "workers run elsewhere"


def test_the_head_of_a_cluster_has_an_address_that_workers_reach() -> None:
    ray = SERVICES["front"]["command"][-1]
    (host,) = SERVICES["front"]["networks"]["inside"]["aliases"]
    assert SERVICES["front"]["networks"]["outside"] is None, "there the name is another address"
    assert f"--node-ip-address=$$(getent ahostsv4 {host} " in ray


def test_pieces_on_their_way_fit_into_shared_memory() -> None:
    commands = [SERVICES["front"]["command"][-1], *SERVICES["worker"]["command"]]
    sizes = re.findall(r"--object-store-memory=(\d+)", " ".join(commands))
    assert len(sizes) == 2, "by itself Ray takes a share of the memory, which is more"
    assert all(int(size) < 2**30 for size in sizes)
    assert SERVICES["front"]["shm_size"] == SERVICES["worker"]["shm_size"] == "1gb"


def test_a_cluster_without_a_token_is_refused_with_a_sentence() -> None:
    for service in (SERVICES["front"], SERVICES["worker"]):
        line = [word.replace("$$", "$") for word in service["entrypoint"]] + ["echo", "started"]
        given = os.environ | {"RAY_AUTH_TOKEN": "a1"}
        assert subprocess.check_output(line, env=given, text=True) == "started\n"
        empty = os.environ | {"RAY_AUTH_TOKEN": ""}
        refused = subprocess.run(line, env=empty, capture_output=True, text=True)
        assert refused.returncode and "set FLASHTALK_CLUSTER_TOKEN" in refused.stderr


def test_containers_have_no_rights_and_workers_no_way_out() -> None:
    networks = yaml.safe_load((ROOT / "compose.yaml").read_text())["networks"]
    for service in SERVICES.values():
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert SERVICES["worker"]["networks"] == ["inside"] and networks["inside"]["internal"]
    secret = "RAY_AUTH_TOKEN"
    assert SERVICES["worker"]["environment"][secret] == SERVICES["front"]["environment"][secret]


def test_images_take_extras_that_there_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    builds = [s["build"] for s in SERVICES.values() if isinstance(s["build"], dict)]
    wanted = {build["args"]["EXTRAS"].strip("[]") for build in builds}
    assert wanted and wanted <= project["optional-dependencies"].keys()
    assert "ARG EXTRAS=" in (ROOT / "Dockerfile").read_text()
