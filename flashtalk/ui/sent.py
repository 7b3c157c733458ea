"""Which files a request may name: those of visitors and of the gallery."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder, is_static_file

NOT_TAKEN = (
    "The request cannot be used: it needs a picture and a sound that were uploaded here (the page "
    "and gradio_client's handle_file do so), and one value for each other field."
)


def uploaded_path(path: object) -> str:
    """``path`` if it is a file of a visitor or of the gallery; Gradio looks at some requests only.

    Raises:
        gr.Error: for any other file.
    """
    if isinstance(path, str):
        folder = Path(get_upload_folder()).resolve()
        if Path(path).resolve().is_relative_to(folder) or is_static_file(path):
            return path
    raise gr.Error(NOT_TAKEN, print_exception=False)
