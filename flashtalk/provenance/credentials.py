"""Content credentials (C2PA): what made a file and from what, signed, inside the file.

Nothing is fetched: no trust list, no time stamp, no revocation list. So a valid signature says that
a file is unchanged. Which certificates are to be trusted is for readers to say.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from flashtalk import __version__
from flashtalk.errors import FlashTalkError
from flashtalk.provenance.certificate import Certificate

STILL_PICTURE = "a still picture of a person"
RECORDED_SPEECH = "recorded speech"
LIVE_SPEECH = "live speech from a microphone"
_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_ALGORITHMIC = "AlgorithmicMedia"  # in the names of all kinds that algorithms make
_GENERATION = "org.flashtalk.generation"
# Names as in c2pa-rs; unknown ones are refused by it.
_SETTINGS = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
    "builder": {"thumbnail": {"enabled": False}},  # nobody's face in a file's metadata
}


_UNUSABLE = "The certificate cannot sign content credentials"


class NotSigned(Exception):
    """Credentials could not be written; the message says why."""


@dataclass(frozen=True)
class Origin:
    """What a video was made by and from, as its credentials state it."""

    preset: str = ""
    """Name of the model; empty where the maker does not say."""
    inputs: tuple[str, ...] = (STILL_PICTURE, RECORDED_SPEECH)

    def manifest(self) -> dict[str, Any]:
        """What is signed, as c2pa-rs takes it."""
        agent = {"name": "FlashTalk", "version": __version__}
        by = f"{self.preset} made this video" if self.preset else "This video was made"
        created = {
            "action": "c2pa.created",
            "digitalSourceType": _SOURCE,
            "softwareAgent": agent,
            "description": f"AI-generated. {by} from {' and '.join(self.inputs)}.",
        }
        marked = {"action": "c2pa.watermarked.unbound", "softwareAgent": agent}
        generation = {"preset": self.preset, "inputs": list(self.inputs), "ai_generated": True}
        return {
            "claim_generator_info": [agent],
            "title": "AI-generated video",
            "assertions": [
                {"label": "c2pa.actions.v2", "data": {"actions": [created, marked]}},
                {"label": _GENERATION, "data": generation},
            ],
        }


@dataclass(frozen=True)
class Credentials:
    """What the credentials of a file say."""

    state: str
    """"valid", "trusted", or "invalid": changed after it was signed, or signed wrongly."""
    signer: str
    maker: str
    """Such as "FlashTalk 0.1.0"."""
    statements: tuple[str, ...]
    ai_generated: bool

    @property
    def say_so(self) -> bool:
        """Whether they say that the file is AI-generated, and it is as it was signed."""
        return self.ai_generated and self.state != "invalid"


def sign(source: Path, destination: Path, origin: Origin, certificate: Certificate) -> None:
    """Copies the mp4 ``source`` to ``destination``, with credentials.

    Raises:
        NotSigned: with the reason; ``destination`` may be there, and holds nothing of use.
    """
    try:
        with source.open("rb") as video, _Watched(destination) as signed:
            try:
                _sign("video/mp4", video, signed, origin, certificate)
            except NotSigned as error:
                raise signed.error or error from error
    except OSError as error:
        raise NotSigned(error.strerror or str(error)) from error


def check(certificate: Certificate) -> None:
    """Signs a picture for trial.

    Raises:
        FlashTalkError: the certificate cannot sign content credentials.
    """
    picture, signed = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (16, 16)).save(picture, "PNG")
    picture.seek(0)
    try:
        _sign("image/png", picture, signed, Origin(), certificate)
        signed.seek(0)
        read = read_credentials(signed)
    except NotSigned as error:
        raise FlashTalkError(f"{_UNUSABLE}: {error}.") from error
    if read is None or read.state == "invalid":
        raise FlashTalkError(
            f"{_UNUSABLE}: C2PA's profile refuses it. It wants one for digital signatures and "
            "email protection."
        )


def read_credentials(content: BinaryIO) -> Credentials | None:
    """The credentials of an open file of any kind; ``None``: it has none.

    Raises:
        NotSigned: what is there cannot be read.
    """
    c2pa = _library()
    try:
        reader = c2pa.Reader.try_create(content, context=_context())
        if reader is None:
            return None
        with reader:
            store, state = json.loads(reader.json()), reader.get_validation_state()
    except c2pa.C2paError.NotSupported:  # a kind of file that holds none
        return None
    except c2pa.C2paError as error:
        raise NotSigned(str(error)) from error
    return _credentials(store["manifests"][store["active_manifest"]], state or "Invalid")


class _Watched(io.BufferedRandom):
    """A new file that remembers why it could not be written, which the library does not say."""

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        super().__init__(io.FileIO(path, "w+b"))

    def write(self, content: Any) -> int:
        return int(self._tried(super().write, content))

    def seek(self, *place: int) -> int:
        return int(self._tried(super().seek, *place))

    def flush(self) -> None:
        self._tried(super().flush)

    def _tried(self, act: Callable[..., Any], *given: Any) -> Any:
        try:
            return act(*given)
        except OSError as error:
            self.error = error
            raise


def _sign(
    kind: str, source: BinaryIO, signed: BinaryIO, origin: Origin, certificate: Certificate
) -> None:
    c2pa = _library()
    algorithm = c2pa.C2paSigningAlg[certificate.algorithm.upper()]
    try:
        info = c2pa.C2paSignerInfo(algorithm, certificate.chain, certificate.key, None)
        with (
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(json.dumps(origin.manifest()), _context()) as builder,
        ):
            builder.sign(signer, kind, source, signed)
    except c2pa.C2paError as error:
        raise NotSigned(str(error)) from error


def _credentials(manifest: Mapping[str, Any], state: str) -> Credentials:
    by = manifest.get("signature_info", {})
    maker: Mapping[str, str] = next(iter(manifest.get("claim_generator_info", ())), {})
    found = {each["label"]: each.get("data", {}) for each in manifest.get("assertions", ())}
    actions = [
        action
        for label, data in found.items()
        if label.startswith("c2pa.actions")
        for action in data.get("actions", ())
    ]
    return Credentials(
        state=state.lower(),
        signer=", ".join(filter(None, (by.get("common_name"), by.get("issuer")))) or "nobody named",
        maker=f"{maker.get('name', 'an unnamed program')} {maker.get('version', '')}".strip(),
        statements=tuple(each["description"] for each in actions if "description" in each),
        ai_generated=any(_ALGORITHMIC in each.get("digitalSourceType", "") for each in actions),
    )


def _context() -> Any:
    return _library().Context.from_dict(_SETTINGS)


@cache
def _library() -> Any:
    """c2pa-python, which ships for Linux, macOS and Windows on common processors.

    Raises:
        NotSigned: it is not there, or not for this machine.
    """
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError) as error:
        raise NotSigned(f"c2pa-python is not installed for this machine ({error})") from error
    return c2pa
