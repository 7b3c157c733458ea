"""What a visitor sees of a picture the moment it is chosen: its crop, its faces, its weaknesses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import NoFaceError, Portrait
from flashtalk.ui.door import uploaded_path
from flashtalk.ui.events import Talk
from flashtalk.ui.player import data_url
from flashtalk.ui.sentences import without_folders
from flashtalk.ui.settings import face_of

Look = Callable[[dict[str, Any]], dict[str, Any]]


def look_for(talk: Talk) -> Look:
    """The server's half of ``assets/ui/scripts/look.js``."""

    def look(question: dict[str, Any]) -> dict[str, Any]:
        """The answer to ``{path, face, without_face}``, or a ``problem``.

        Raises:
            gr.Error: for a file that nobody uploaded.
        """
        path = Path(uploaded_path(question.get("path")))
        without_face, no_face = question.get("without_face") is True, False
        try:
            try:
                portrait = talk.look(path, face_of(question.get("face")), without_face)
            except NoFaceError:
                portrait, no_face = talk.look(path, None, True), True
        except FlashTalkError as error:
            return {"problem": without_folders(str(error), path)}
        return _answer(portrait) | {"no_face": no_face}

    return look


def _answer(portrait: Portrait) -> dict[str, Any]:
    finding = portrait.finding
    assert finding is not None  # a portrait that was cut from a picture
    return {
        "poster": data_url(portrait.image),
        "picture": data_url(finding.preview),
        "notices": list(portrait.notices),
        **finding.facts,
    }
