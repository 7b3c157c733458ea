"""The wheel: what is in it, that it runs without the repository, and that its needs are those of
the requirements files.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

import flashtalk

ROOT = Path(__file__).parents[1]
OF_THE_LAB = {"judges"}
"""Folders of ``assets`` that no part of the product reads."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files_below(folder: Path) -> set[str]:
    files = (path.relative_to(ROOT) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if "__pycache__" not in path.parts}


def test_the_wheel_has_the_package_and_what_it_ships(names: set[str]) -> None:
    shipped = {
        name for name in files_below(ROOT / "assets") if name.split("/")[1] not in OF_THE_LAB
    }
    expected = files_below(ROOT / "flashtalk") | {f"flashtalk/{name}" for name in shipped}
    information = f"flashtalk-{flashtalk.__version__}.dist-info/"
    assert {name for name in names if not name.startswith(information)} == expected
    assert "flashtalk/py.typed" in names and f"{information}licenses/NOTICE" in names


def test_a_film_is_made_from_the_unpacked_wheel_in_another_folder(
    wheel: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    soundfile.write(tmp_path / "voice.wav", np.zeros(1_600) + 0.1, 16_000)
    portrait = tmp_path / "unpacked" / "flashtalk" / "assets" / "portraits" / "ada.jpg"
    options = ["--portrait", portrait, "--audio", "voice.wav", "--out", "talk.mp4", "--steps", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "flashtalk", "generate", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "unpacked")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "talk.mp4\n"), done.stderr
    assert (tmp_path / "talk.mp4").is_file()


def requirements(name: str) -> list[str]:
    """Lines of a requirements file, without comments and the files that it includes."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return sorted(line for line in lines if line and not line.startswith("-r"))


@pytest.mark.parametrize(
    ("file", "extras"),
    [
        ("requirements.txt", ("", "14b", "space")),
        ("requirements-dev.txt", ("dev",)),
        ("requirements-gpu.txt", ("gpu",)),
        ("requirements-training.txt", ("training",)),
    ],
)
def test_requirements_are_those_of_the_package(file: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    needed = [
        need for extra in extras for need in groups[extra] if not need.startswith("flashtalk")
    ]
    assert requirements(file) == sorted(needed)


def test_the_lock_has_the_same_versions_each_with_a_hash() -> None:
    entries = (ROOT / "requirements.lock").read_text().replace("\\\n", "").splitlines()
    locked = {entry.split()[0]: entry for entry in entries if not entry.startswith("#")}
    assert all("--hash=sha256:" in entry for entry in locked.values())
    wanted = {line for line in requirements("requirements.txt") if not line.startswith("torch==")}
    assert wanted <= set(locked)


def test_the_version_is_written_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"] and "version" not in project
