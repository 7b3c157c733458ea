"""The live player: a ``gr.HTML`` of ours, and the messages that a generator sends to it.

The browser's half is ``assets/ui/scripts``. It appends the fragments to a ``MediaSource``, so the
same video element plays on while the next chunk is made. Each value of the component is one
message, JSON text with a run id and a number. Numbers count up without gaps, so the player notices
a message that got lost. API clients receive the same messages, fragments in base64.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from flashtalk.evaluation.report import TEMPLATES
from flashtalk.stream.admission import Place
from flashtalk.ui.texts import UI_FILES, filled, texts

SCRIPTS = (
    *("dom", "stage", "run", "buffer", "playback", "transport", "films"),
    *("choice", "files", "face", "look", "area", "voice", "record", "sentence", "resume"),
    *("documents", "microphone", "live_line", "speak", "plan", "compare", "tabs", "main"),
)
"""Rooms of the browser's half, in the order in which they are joined."""


def live_player(facts: dict[str, Any], functions: Sequence[Callable[..., Any]]) -> gr.HTML:
    """The component; its value is the last message of :class:`LiveMessages`.

    Args:
        facts: what the browser's half knows of the server, as its ``page``.
        functions: of the server, which it may call by their names.
    """
    # The template does not mention ${value}, so a message never re-creates the video element.
    return gr.HTML(
        value="",
        label="Live messages",
        html_template=filled(UI_FILES / "page.html"),
        js_on_load=script(facts),
        apply_default_css=False,
        elem_id="live",
        server_functions=list(functions),
    )


def script(facts: dict[str, Any]) -> str:
    """The browser's half as one function body: a request of its own for each room would be slow.

    The worklet, which runs in another thread of the browser, goes along as text.
    """
    rooms = [UI_FILES / "scripts" / f"{name}.js" for name in SCRIPTS]
    rooms.insert(0, TEMPLATES / "side_by_side.js")  # as in a report
    worklet = (UI_FILES / "microphone_worklet.js").read_text(encoding="utf-8")
    known = {"text": texts(), "page": facts, "workletSource": worklet}
    values = [f"const {name} = {json.dumps(value)};" for name, value in known.items()]
    return "\n".join([*values, *(room.read_text(encoding="utf-8") for room in rooms)])


@dataclass(frozen=True)
class Progress:
    """How far a run is and how fast it goes."""

    made_s: float
    """Seconds of video made so far."""
    total_s: float
    """Seconds of video that the speech will give."""
    work_s: float | None
    """Seconds of work that went into it; ``None`` in the middle of a chunk.

    It says little there, since all of a chunk is computed before its first frame appears.
    """

    def __post_init__(self) -> None:
        if not 0 <= self.made_s <= self.total_s + 1e-6:
            raise ValueError(f"made_s must lie in 0 .. {self.total_s}, got {self.made_s}")

    @property
    def real_time(self) -> float | None:
        """Seconds of video made per second of work; above 1 is faster than it plays."""
        return self.made_s / self.work_s if self.work_s else None


class LiveMessages:
    """Writes the messages of one run, in the order in which they are sent."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(6)
        """Names the run, here and in the server's log."""
        self.seed: int | None = None
        """Of the talk, once it is known."""
        self._numbers = itertools.count()

    def stage(
        self, sentence: str, *, poster: Image.Image | None = None, notices: Sequence[str] = ()
    ) -> str:
        """What is being done before the first picture; ``poster`` is shown meanwhile."""
        picture = {"poster": data_url(poster)} if poster else {}
        return self._message("stage", sentence=sentence, notices=notices, seed=self.seed, **picture)

    def waiting(self, place: Place) -> str:
        """Others talk: where the visitor stands in line, and for about how long."""
        wait_s = None if place.wait_s is None else round(place.wait_s)
        return self._message("waiting", place=place.number, wait_s=wait_s)

    def fragment(
        self, data: bytes, mime: str, progress: Progress, fps: int, *, held_s: float = 0.0
    ) -> str:
        """One fragment of :class:`flashtalk.outputs.fragments.FragmentEncoder`.

        ``held_s`` seconds of it are a person at rest, which a live player need not show.
        """
        still = {"held_s": round(held_s, 3)} if held_s else {}
        return self._message(
            "fragment",
            data=base64.b64encode(data).decode("ascii"),
            mime=mime,
            made_s=round(progress.made_s, 3),
            total_s=round(progress.total_s, 3),
            real_time=progress.real_time and round(progress.real_time, 3),
            frames_per_s=progress.real_time and round(fps * progress.real_time, 1),
            **still,
        )

    def listening(self) -> str:
        """A live talk hears what is sent from now on."""
        return self._message("listening")

    def end(
        self,
        made_s: float,
        *,
        film_s: float | None = None,
        stopped: bool,
        last: bytes = b"",
        sentence: str = "",
    ) -> str:
        """No more fragments follow ``last``; ``sentence`` says why where it is not plain.

        The file has ``film_s`` of the seconds that were made, if not all.
        """
        fields: dict[str, object] = {"sentence": sentence} if sentence else {}
        if film_s is not None and film_s < made_s:
            fields["film_s"] = round(film_s, 3)
        data = base64.b64encode(last).decode("ascii")
        return self._message("end", made_s=round(made_s, 3), stopped=stopped, data=data, **fields)

    def error(self, sentence: str, *, no_face: bool = False) -> str:
        """The run ended early; what was shown stays.

        ``no_face``: the picture was refused for that alone, and may be used all the same.
        """
        return self._message("error", sentence=sentence, no_face=no_face)

    def _message(self, kind: str, **fields: object) -> str:
        return json.dumps({"run": self.run, "number": next(self._numbers), "kind": kind, **fields})


def data_url(image: Image.Image) -> str:
    """``image`` as a JPEG that needs no request of its own."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
