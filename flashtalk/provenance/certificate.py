"""The certificate that signs content credentials: a deployment's own, or one for development.

The development certificate is made on this machine on first use. The root that signs it is then
forgotten. It proves that a file is unchanged, and nothing about who made it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.files import at_home, short

DEVELOPMENT = "FlashTalk development"
"""The organization of certificates that are made here."""
_VALID = timedelta(days=3650)
_PEM = "-----BEGIN"
_MOST_BYTES = 1_000_000
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_USABLE = "Use a key of the kind EC (P-256, P-384, P-521), RSA (2048 bits or more) or Ed25519"


@dataclass(frozen=True)
class Certificate:
    """A chain of certificates with the private key of its first."""

    chain: bytes
    """PEM, the signing certificate first."""
    key: bytes
    """PEM, PKCS 8, without a password."""
    algorithm: str
    """Such as "ES256"; as C2PA names them."""

    def __repr__(self) -> str:
        return f"Certificate({self.algorithm})"  # a key is in no log

    @classmethod
    def of(cls, chain: str, key: str) -> Certificate:
        """A deployment's own; each is the path of a PEM file, or what is in one.

        Raises:
            FlashTalkError: one of them cannot be read, or they do not belong together.
        """
        return cls.from_pem(_content(chain, "certificate"), _content(key, "private key"))

    @classmethod
    def from_pem(cls, chain: bytes, key: bytes) -> Certificate:
        """Checks that the key is the first certificate's, and that it is valid now.

        Raises:
            FlashTalkError: with what is wrong with them.
        """
        try:
            first = x509.load_pem_x509_certificates(chain)[0]
        except ValueError as error:
            raise FlashTalkError(
                "The certificate is not PEM text. It begins with -----BEGIN CERTIFICATE-----."
            ) from error
        try:
            private = serialization.load_pem_private_key(key, None)
        except (ValueError, TypeError) as error:
            raise FlashTalkError(
                "The private key is not PEM text without a password. "
                "Convert it with: openssl pkcs8 -topk8 -nocrypt."
            ) from error
        algorithm = _algorithm(private)
        if private.public_key() != first.public_key():
            raise FlashTalkError(
                "The private key is not that of the certificate. Put the certificate that signs "
                "first in its file, those above it after it."
            )
        _check_time(first)
        return cls(chain, _private_pem(private), algorithm)


def development_certificate() -> Certificate:
    """This machine's, which is made on first use and kept for later runs.

    Where no file can be kept, each call makes another.
    """
    try:
        folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError:  # a user whom nobody knows
        return _made()
    if not folder.is_absolute():  # the current folder is no place for a key
        return _made()
    file = folder / "flashtalk" / "development-certificate.pem"
    try:
        return _kept(file)
    except (OSError, FlashTalkError, ValueError):  # none yet, expired or damaged
        made = _made()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_private(file, made.chain + made.key)
        return _kept(file)
    except (OSError, FlashTalkError, ValueError):  # a home that takes no files
        return made


def _kept(file: Path) -> Certificate:
    content = file.read_bytes()
    start = content.index(b"-----BEGIN PRIVATE KEY")
    return Certificate.from_pem(content[:start], content[start:])


def _write_private(file: Path, content: bytes) -> None:
    """In one step, readable for its owner alone; the last of several processes wins."""
    part = file.with_name(f"{file.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
    part.replace(file)


def _made() -> Certificate:
    root, key = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    issuer, subject = _name(f"{DEVELOPMENT} root"), _name("FlashTalk on this machine")
    leaf = _signed(subject, key, issuer, root, authority=False)
    chain = (leaf, _signed(issuer, root, issuer, root, authority=True))
    return Certificate.from_pem(_pem(chain), _private_pem(key))


def _signed(
    subject: x509.Name,
    key: ed25519.Ed25519PrivateKey,
    issuer: x509.Name,
    signer: ed25519.Ed25519PrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    """A certificate as C2PA's profile wants it; ``authority`` may sign others."""
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(above, critical=False)
        .add_extension(usage, critical=True)
    )
    if not authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(signer, None)


def _name(common: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, DEVELOPMENT)
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(chain: Sequence[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)


def _private_pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _algorithm(key: object) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "Ed25519"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "PS256"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    raise FlashTalkError(f"The private key cannot sign content credentials. {_USABLE}.")


def _check_time(certificate: x509.Certificate) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begin <= datetime.now(UTC) <= end:
        raise FlashTalkError(
            f"The certificate is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, and not now. "
            "Use one that is."
        )


def _content(source: str, kind: str) -> bytes:
    """PEM text as it is, or that of a file."""
    if source.lstrip().startswith(_PEM):
        return source.encode()
    try:
        with at_home(source).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)  # a device has no end
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "the name cannot be a file's"
        raise FlashTalkError(f"The {kind} {short(source)} cannot be read: {reason}.") from error
    if len(content) > _MOST_BYTES:
        raise FlashTalkError(
            f"The {kind} {short(source)} is longer than any PEM text. Give the file that has it."
        )
    return content
