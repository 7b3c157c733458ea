"""How the videos of a deployment are marked: the visible mark, and who signs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flashtalk.provenance.certificate import Certificate, development_certificate
from flashtalk.provenance.credentials import Origin, sign


@dataclass(frozen=True)
class Marking:
    """Choices of a deployment, none of a visitor's; the watermark is in every video."""

    visible: bool = True
    """Draw the visible mark."""
    certificate: Certificate | None = None
    """Signs the content credentials; ``None``: this machine's, for development."""

    def sign(self, source: Path, destination: Path, origin: Origin) -> None:
        """Copies the mp4 ``source`` to ``destination``, with content credentials.

        Raises:
            NotSigned: with the reason.
        """
        sign(source, destination, origin, self.certificate or development_certificate())
