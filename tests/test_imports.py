"""Guards the architecture: imports run strictly downward, and the package is light to import."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    {"lab.runs"},
    {"lab.evaluation"},
    {"lab.training"},
    {"lab.load", "lab.memory"},
    {"lab.synthesis"},
    {"lab.options"},
    {"app"},
    {"__main__", "generate", "bench", "plan"},
    {"cli"},
    {"ui"},
    {"cluster", "evaluation"},
    {"engine"},
    {"parallel"},
    {"acceleration"},
    {"placement"},
    {"weights"},
    {"outputs"},
    {"provenance"},
    {"stream"},
    {"conditions"},
    {"models"},
    {"inputs"},
    {"config"},
    {"geometry", "assets", "memory", "openmp"},
    {"errors"},
    {"pipes"},
)
"""Top first. A part imports from lower layers and from itself, not from its own layer."""

DEPTH = {part: depth for depth, layer in enumerate(LAYERS) for part in layer}


def imported_modules(source: str, package: str) -> set[str]:
    """Full names of everything ``source``, a module of ``package``, imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join(parents if node.level else []) or (node.module or "")
            if node.level and node.module:
                base = f"{base}.{node.module}"
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def part_of(module: str) -> str | None:
    """The part of ``module``: flashtalk.stream.chunk -> stream, lab.memory.parts -> lab.memory."""
    pieces = module.split(".")
    if pieces[0] == "lab":
        return ".".join(pieces[:2])
    if pieces[0] != "flashtalk" or len(pieces) < 2 or pieces[1] in ("__init__", "__version__"):
        return None
    return pieces[1]


def violations(part: str, source: str, package: str) -> list[str]:
    """Sentences about what ``source`` in ``part`` may not import."""
    found = []
    for name in sorted(imported_modules(source, package)):
        target = part_of(name)
        if target is None or target == part:
            continue
        if target not in DEPTH:
            found.append(f"imports {name}, whose part {target!r} is not in the table LAYERS")
        elif DEPTH[target] <= DEPTH[part]:
            found.append(f"imports {name}: {target!r} is not below {part!r}")
    return found


def source_files() -> list[Path]:
    files = sorted([*(ROOT / "flashtalk").rglob("*.py"), *(ROOT / "lab").rglob("*.py")])
    files.remove(ROOT / "flashtalk" / "__init__.py")
    files.remove(ROOT / "lab" / "__init__.py")
    return files + [path for path in (ROOT / "app.py",) if path.exists()]


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downward(path: Path) -> None:
    pieces = path.relative_to(ROOT).with_suffix("").parts
    part = pieces[0] if len(pieces) == 1 else part_of(".".join(pieces))
    assert part in DEPTH, f"{part!r} is not in the table LAYERS: say where it belongs"
    assert not violations(part, path.read_text(encoding="utf-8"), ".".join(pieces[:-1]))


@pytest.mark.parametrize(
    ("part", "source", "allowed"),
    [
        ("stream", "from flashtalk.models.dit.transformer import VideoTransformer", True),
        ("stream", "from flashtalk import config, errors", True),
        ("stream", "from .schedule import shifted_timesteps", True),
        ("stream", "import torch", True),
        ("stream", "import lab", False),
        ("stream", "from lab.training.loop import Training", False),
        ("cli", "from lab import evaluation", False),
        ("stream", "from flashtalk.engine import Engine", False),
        ("stream", "import flashtalk.engine", False),
        ("stream", "from flashtalk import engine", False),
        ("stream", "from ..engine import Engine", False),
        ("stream", "from .. import engine", False),
        ("stream", "def late():\n    from flashtalk.ui import page", False),
        ("inputs", "from flashtalk.models.tiny.landmarks import FaceReader", False),
        ("models", "import flashtalk.nowhere", False),
    ],
)
def test_the_guard_sees_upward_imports(part: str, source: str, allowed: bool) -> None:
    assert (not violations(part, source, f"flashtalk.{part}")) is allowed


def circle(sources: Mapping[str, str]) -> list[str]:
    """Modules that need each other, one after another; none if each can be read by itself."""
    needs = {
        module: {
            next(
                name
                for end in range(len(parts), -1, -1)
                if (name := ".".join(parts[:end])) in sources or not end
            )
            for parts in (each.split(".") for each in imported_modules(source, ""))
        }
        - {module, ""}
        for module, source in sources.items()
    }
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_two_modules_need_each_other() -> None:
    """Packages do not count: their face takes from the modules in them."""
    paths = {path.relative_to(ROOT): path for path in source_files()}
    assert not circle(
        {
            ".".join(short.with_suffix("").parts): path.read_text(encoding="utf-8")
            for short, path in paths.items()
            if path.name != "__init__.py"
        }
    )


def test_the_guard_sees_a_circle() -> None:
    one = "if TYPE_CHECKING:\n    from lab.b import Two"
    assert circle({"lab.a": one, "lab.b": "from lab import c", "lab.c": "import lab.a"})
    assert not circle({"lab.a": one, "lab.b": "import lab.c", "lab.c": "import torch"})


def test_the_embedded_model_starts_without_the_libraries_of_the_large_one() -> None:
    large = {"accelerate", "diffusers", "ftfy", "huggingface_hub", "pyloudnorm", "transformers"}
    check = f"import sys, flashtalk.cli.generate; print({large} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr


def test_one_process_serves_without_ray() -> None:
    check = "import sys, flashtalk.cli.serve; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


def test_import_flashtalk_changes_no_variable_and_imports_no_library() -> None:
    check = (
        "import os, sys; variables, modules = dict(os.environ), set(sys.modules); import flashtalk;"
        "assert dict(os.environ) == variables; added = sys.modules.keys() - modules;"
        "print([name for name in added if 'site-packages' in (sys.modules[name].__file__ or '')])"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


STARTS = {
    "the Space": "import app",
    "the command": "from flashtalk.cli.main import main; main(['plan', '--preset', 'none'])",
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize(
    ("given", "policy", "spins"),
    [
        ({}, "PASSIVE", "3000"),
        ({"GOMP_SPINCOUNT": "7"}, "PASSIVE", "7"),
        ({"OMP_WAIT_POLICY": "active"}, "ACTIVE", None),
    ],
)
def test_threads_that_wait_soon_sleep_unless_the_user_says_otherwise(
    start: str, given: dict[str, str], policy: str, spins: str | None
) -> None:
    """OpenMP itself is asked, because it reads the variables only when PyTorch is imported.

    It has said all by then, so the rest of the start is not waited for.
    """
    names = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    with subprocess.Popen(
        [sys.executable, "-c", start],
        cwd=ROOT,
        env=environment | given | {"OMP_DISPLAY_ENV": "VERBOSE"},
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stderr is not None
        said = ""
        for line in started.stderr:
            said += line
            if "DISPLAY ENVIRONMENT END" in line:
                break
        started.kill()
    shown = dict(re.findall(r"(\w+) = '(\w+)'", said))
    assert shown.get("OMP_WAIT_POLICY") == policy, said
    if spins is None:
        assert int(shown["GOMP_SPINCOUNT"]) > 3000
    else:
        assert shown["GOMP_SPINCOUNT"] == spins
