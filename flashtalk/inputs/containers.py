"""An open sound or video file -> FFmpeg's view of it, which opens nothing else.

Used by :mod:`flashtalk.inputs.tracks` and :mod:`flashtalk.provenance.samples`. Formats are those
that hold all of themselves. Playlists (m3u8, ffconcat, sdp, dash) make FFmpeg open other files and
addresses, which an uploaded file must never do.
"""

from __future__ import annotations

from typing import BinaryIO

import av
from av.container import InputContainer

from flashtalk.inputs.files import Source


def open_container(file: BinaryIO, formats: str) -> InputContainer:
    """``file``, if it is of one of ``formats``, which are FFmpeg's names with commas between.

    It is an open file rather than a name: names such as "concat:..." mean more to FFmpeg.

    Raises:
        av.FFmpegError: it is of another one.
    """
    options = {"format_whitelist": formats}
    return av.open(Source(file), "r", options=options, metadata_errors="replace")
