"""Every finished file says in signed words that it is AI-generated, by what, and from what."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flashtalk.errors import FlashTalkError
from flashtalk.outputs.fragments import FragmentEncoder
from flashtalk.outputs.recording import Recording
from flashtalk.provenance import certificate as certificates
from flashtalk.provenance import credentials
from flashtalk.provenance.certificate import DEVELOPMENT, Certificate, development_certificate
from flashtalk.provenance.credentials import (
    Credentials,
    NotSigned,
    Origin,
    check,
    read_credentials,
    sign,
)
from flashtalk.provenance.marking import Marking

PEM = serialization.Encoding.PEM
UNLOCKED = serialization.NoEncryption()


def video(path: Path, marking: Marking | None = None) -> Recording:
    encoder = FragmentEncoder(64, 64)
    frames = np.random.default_rng(0).integers(0, 255, (28, 64, 64, 3), np.uint8)
    with Recording(path, Origin("flashtalk-tiny"), marking or Marking()) as recording:
        recording.append(encoder.encode(frames, np.zeros((1, 28 * 1920), np.float32)))
        recording.append(encoder.finish())
        recording.finish()
    return recording


def read(path: Path) -> Credentials | None:
    with path.open("rb") as file:
        return read_credentials(file)


def test_a_finished_file_states_its_origin(tmp_path: Path) -> None:
    assert video(tmp_path / "talk.mp4").notices == ()
    found = read(tmp_path / "talk.mp4")
    assert found is not None and found.state == "valid" and found.ai_generated and found.say_so
    assert found.maker.startswith("FlashTalk ") and DEVELOPMENT in found.signer
    (statement,) = found.statements
    for part in ("AI-generated", "flashtalk-tiny", "still picture of a person", "recorded speech"):
        assert part in statement


def test_a_changed_file_is_invalid(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    video(path)
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    path.write_bytes(data)
    found = read(path)
    assert found is not None and found.state == "invalid" and not found.say_so


def test_a_file_without_credentials_has_none(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("nothing")
    assert read(tmp_path / "words.txt") is None


def test_two_files_differ_in_their_credentials_alone(tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        video(tmp_path / name)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.mp4", "two.mp4"))
    differ = np.nonzero(np.frombuffer(one, np.uint8) != np.frombuffer(two, np.uint8))[0]
    assert len(one) == len(two) and differ.size and differ.max() < one.index(b"moov")


@pytest.mark.parametrize("cause", [ImportError("no module"), OSError("another processor")])
def test_a_missing_library_is_said_and_the_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: Exception, caplog
) -> None:
    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "c2pa":
                raise cause

    for name in [name for name in sys.modules if name.partition(".")[0] == "c2pa"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    credentials._library.cache_clear()
    (notice,) = video(tmp_path / "talk.mp4").notices
    assert "no content credentials" in notice and str(cause) in notice
    assert notice in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["talk.mp4"]
    with av.open(str(tmp_path / "talk.mp4")) as file:
        assert len(list(file.decode(video=0))) == 28


# --- certificates ---------------------------------------------------------------------------------
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_full_disk_is_called_one(tmp_path: Path) -> None:
    """The library has numbers of its own for it."""
    video(tmp_path / "film.mp4")
    with pytest.raises(NotSigned, match="No space left on device"):
        sign(tmp_path / "film.mp4", Path("/dev/full"), Origin(), development_certificate())


def test_the_development_certificate_is_kept_and_private(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    made = development_certificate()
    assert development_certificate() == made
    (file,) = (tmp_path / "flashtalk").iterdir()
    assert sys.platform == "win32" or file.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in repr(made)
    file.write_bytes(b"damaged")
    assert development_certificate() != made


def test_where_no_file_can_be_kept_one_is_made_all_the_same(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    check(development_certificate())


def own(key, *, days: int = 30, purpose: bool = True) -> bytes:
    """A chain of a deployment: its certificate, and the authority that signed it."""
    authority = ec.generate_private_key(ec.SECP256R1())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())

    def name(common: str) -> x509.Name:
        organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A studio")
        return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, common)])

    def signed(subject: str, public, is_authority: bool) -> bytes:
        now = datetime.now(UTC)
        bits = (not is_authority, False, False, False, False, is_authority, False, False, False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("authority"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(is_authority, None), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(above, False)
            .add_extension(x509.KeyUsage(*bits), True)
        )
        if not is_authority and purpose:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(usage, False)
        return builder.sign(authority, hashes.SHA256()).public_bytes(PEM)

    studio = signed("studio", key.public_key(), False)
    return studio + signed("authority", authority.public_key(), True)


def pem(key) -> str:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, UNLOCKED).decode()


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-256", "P-384", "RSA", "Ed25519"],
)
def test_a_deployment_signs_with_its_own(key, tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_bytes(own(key))
    made = Certificate.of(str(tmp_path / "chain.pem"), pem(key))  # a file, and the text itself
    check(made)
    video(tmp_path / "talk.mp4", Marking(certificate=made))
    found = read(tmp_path / "talk.mp4")
    assert found is not None and found.state == "valid" and found.signer == "studio, A studio"


KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
WEAK = rsa.generate_private_key(65537, 1024)
K1 = ec.generate_private_key(ec.SECP256K1())


def test_a_user_whom_nobody_knows_signs_with_a_passing_certificate(monkeypatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    check(development_certificate())


@pytest.mark.parametrize("name", ["HOME", "XDG_DATA_HOME"])
def test_a_key_is_never_left_in_the_current_folder(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv(name, "relative")
    monkeypatch.chdir(tmp_path)
    check(development_certificate())
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("chain", "key", "sentence"),
    [
        ("/nowhere.pem", pem(KEY), "certificate /nowhere.pem cannot be read: No such file"),
        (own(KEY).decode(), "/nowhere.pem", "private key /nowhere.pem cannot be read"),
        ("/dev/zero", pem(KEY), "certificate /dev/zero is longer than any PEM text"),
        (own(KEY).decode(), "/dev/zero", "private key /dev/zero is longer than any PEM text"),
        ("-----BEGIN nothing", pem(KEY), "certificate is not PEM text"),
        (own(KEY).decode(), "-----BEGIN nothing", "private key is not PEM text"),
        (own(KEY).decode(), pem(OTHER), "not that of the certificate"),
        (own(KEY, days=-1).decode(), pem(KEY), "and not now"),
        (own(WEAK).decode(), pem(WEAK), "cannot sign content credentials. Use a key"),
        (own(K1).decode(), pem(K1), "cannot sign content credentials. Use a key"),
        (own(KEY, purpose=False).decode(), pem(KEY), "cannot sign content credentials"),
    ],
)
def test_a_certificate_that_cannot_sign_is_refused_with_a_sentence(
    chain: str, key: str, sentence: str
) -> None:
    with pytest.raises(FlashTalkError, match=sentence):
        check(Certificate.of(chain, key))


def test_a_root_is_not_kept(tmp_path: Path, monkeypatch) -> None:
    """Nobody can sign a second development certificate below the same root."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    chain = x509.load_pem_x509_certificates(development_certificate().chain)
    key = serialization.load_pem_private_key(development_certificate().key, None)
    assert key.public_key() == chain[0].public_key() != chain[1].public_key()
    assert certificates.DEVELOPMENT in chain[1].subject.rfc4514_string()
