"""``flashtalk verify``: does a file carry FlashTalk's watermark and content credentials?"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from flashtalk.cli.destination import check_writable, is_pipe
from flashtalk.cli.options import VerifyOptions
from flashtalk.errors import FlashTalkError
from flashtalk.provenance.certificate import DEVELOPMENT
from flashtalk.provenance.credentials import Credentials, NotSigned, read_credentials
from flashtalk.provenance.detection import THRESHOLD, Detection, find_watermark
from flashtalk.provenance.samples import pictures_of


def verify(options: VerifyOptions) -> int:
    """Print what is found; returns 0 for a file that says it is AI-generated, 1 for another."""
    if options.out is not None:
        check_writable(options.out, [options.file])
    if is_pipe(options.file):
        raise FlashTalkError(f"{options.file} is a pipe, which is read once. Save it to a file.")
    watermark = find_watermark(pictures_of(options.file))
    credentials, unread = _credentials(options.file)
    sys.stdout.write(f"{_of_watermark(watermark)}\n{unread or _of_credentials(credentials)}\n")
    if options.out is not None:
        found = {
            "watermark": asdict(watermark) | {"found": watermark.found},
            "credentials": asdict(credentials) if credentials else None,
        }
        options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if watermark.found or (credentials is not None and credentials.say_so) else 1


def _credentials(file: Path) -> tuple[Credentials | None, str]:
    """What the credentials say, or a sentence that says why they cannot be read."""
    try:
        with file.open("rb") as content:
            return read_credentials(content), ""
    except NotSigned as error:
        return None, f"Content credentials: they cannot be read ({error})."


def _of_watermark(found: Detection) -> str:
    score = f"score {found.score:.1f}, found from {THRESHOLD:g} on"
    if not found.found:
        return f"Watermark: not found ({score})."
    return f"Watermark: found ({score}{', mirrored' if found.mirrored else ''})."


def _of_credentials(found: Credentials | None) -> str:
    if found is None:
        return "Content credentials: none."
    stated = " ".join(found.statements) or "They do not say how it was made."
    if found.state == "invalid":
        return (
            "Content credentials: invalid. The file was changed after it was signed, or the "
            f"signature is wrong. It claimed: {stated}"
        )
    if DEVELOPMENT in found.signer:
        trust = "a certificate for development, which anybody can make"
    elif found.state == "trusted":
        trust = "a certificate that is trusted"
    else:
        trust = "a certificate that is on no trust list"
    return (
        f"Content credentials: valid, by {found.maker}, signed by {found.signer} with {trust}. "
        f"{stated}"
    )
