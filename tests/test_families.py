"""Guards the contracts: who runs a chunk, or trains one, never asks which family is running."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FAMILY_BLIND = (
    *sorted((ROOT / "flashtalk" / "stream").glob("*.py")),
    *sorted((ROOT / "flashtalk" / "conditions").glob("*.py")),
    *sorted((ROOT / "flashtalk" / "inputs").glob("*.py")),
    ROOT / "flashtalk" / "engine.py",
    *sorted((ROOT / "lab" / "training").glob("*.py")),
    *sorted((ROOT / "lab" / "training" / "losses").glob("*.py")),
)
"""Files that know contracts only. Entry points below name the family that they train."""

ENTRY_POINTS = {"stage1.py", "stage2.py", "recipes.py", "causal.py"}
FAMILIES = ("flashtalk.models.tiny", "flashtalk.models.published", "flashtalk.models.dit")
SETTINGS = {
    "autoencoder",
    "speech_encoder",
    "source",
    "flow_prior_cells",
    "blink_channels",
    "frames_per_latent",
    "mask_channels",
}
"""Of a preset or its networks: whoever compares one of these asks for the family."""
CLASSES = {"TinyDenoiserConfig", "TinyDenoiser", "VideoTransformer", "PortraitAutoencoder"}


def questions(source: str) -> list[str]:
    """What in ``source`` tells one family from another."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(FAMILIES):
            found.append(f"imports {node.module}")
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            found += [name.id for name in ast.walk(node) if getattr(name, "id", "") in CLASSES]
        elif isinstance(node, ast.Compare | ast.If | ast.IfExp | ast.BoolOp):
            asked = node.test if isinstance(node, ast.If | ast.IfExp) else node
            found += [
                f"compares .{each.attr}"
                for each in ast.walk(asked)
                if isinstance(each, ast.Attribute)
                and each.attr in SETTINGS
                and isinstance(each.value, ast.Attribute | ast.Name)
                and "preset" in ast.unparse(each.value)
            ]
        elif isinstance(node, ast.Constant) and node.value in ("flashtalk-tiny", "flashtalk-14b"):
            found.append(f"names {node.value}")
    return found


@pytest.mark.parametrize("path", FAMILY_BLIND, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_loop_asks_for_no_family(path: Path) -> None:
    if path.name in ENTRY_POINTS and path.parent.name == "training":
        pytest.skip("an entry point: it names the family that it trains")
    allowed = {"names flashtalk-tiny"} if path.name == "engine.py" else set()  # the default
    assert set(questions(path.read_text(encoding="utf-8"))) <= allowed


@pytest.mark.parametrize(
    "source",
    [
        "from flashtalk.models.tiny.face_code import FLOW",
        "if preset.autoencoder is None:\n    pass",
        "apart = networks.preset.source is not None and True",
        "isinstance(config, TinyDenoiserConfig)",
        "if preset.name == 'flashtalk-tiny':\n    pass",
    ],
)
def test_the_guard_sees_questions(source: str) -> None:
    assert questions(source)
