"""What a visitor sees of a picture the moment it is chosen: its crop, its faces, its weaknesses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flashtalk.config import FramingWay
from flashtalk.config.given import known_names
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.area import Area
from flashtalk.inputs.portrait import WITHOUT_FACE
from flashtalk.ui.events import Talk
from flashtalk.ui.player import data_url
from flashtalk.ui.sent import uploaded_path
from flashtalk.ui.sentences import without_folders
from flashtalk.ui.settings import area_of, face_of, framing_of, without_face_of

Look = Callable[[dict[str, Any]], dict[str, Any]]

_ASKED = ("path", "face", "without_face", "framing", "area")


def look_for(talk: Talk) -> Look:
    """The server's half of ``assets/ui/scripts/look.js``."""

    def look(question: dict[str, Any]) -> dict[str, Any]:
        """The answer to ``{path, face, without_face, framing, area}``, or a ``problem``.

        Raises:
            gr.Error: for a file that nobody uploaded.
        """
        path = Path(uploaded_path(question.get("path")))
        try:
            known_names(question, _ASKED, "A look at a picture")
            framing = framing_of(question.get("framing", "face"))
            area = area_of(question.get("area", ""))
            without_face = without_face_of(question.get("without_face", False))
            answer = seen_in(path, face_of(question.get("face")), framing, area)
        except FlashTalkError as error:
            return {"problem": without_folders(str(error), path)}
        to_ask = WITHOUT_FACE in answer["notices"] and not without_face
        return answer | {"no_face": to_ask}

    def seen_in(
        path: Path, face: int | None, framing: FramingWay, area: Area | None
    ) -> dict[str, Any]:
        portrait = talk.look(path, face, framing, area)
        finding = portrait.finding
        assert finding is not None  # a portrait that was cut from a picture
        return {
            "poster": data_url(portrait.image),
            "picture": data_url(finding.preview),
            "notices": list(portrait.notices),
            **finding.facts,
        }

    return look
