"""``compose.yaml`` and ``Dockerfile``, as far as they can be read without building anything."""

from __future__ import annotations

import re
import shlex
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
    host = SERVICES["front"]["hostname"]
    assert f"--address={host}:{port}" in SERVICES["worker"]["command"]
    assert "--num-cpus=0" in ray, "workers run elsewhere"


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
