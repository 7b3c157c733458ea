"""Names of files as people give them: what works, and the sentence for what does not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.files import Kind, open_file

SOUND = Kind("sound", "sound file", "Use a WAV file")


def refused(source: object, *words: str) -> None:
    with pytest.raises(FlashTalkError) as caught:
        open_file(source, SOUND)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 300
    for word in words:
        assert word in sentence


def test_a_pipe_is_read_to_its_end_and_may_be_read_again(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"voice" * 50_000,))
    writer.start()
    with open_file(pipe, SOUND) as file:
        writer.join()
        assert file.read() == b"voice" * 50_000
        file.seek(5)
        assert file.read(5) == b"voice"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "me.wav").write_bytes(b"voice")
    for name in ("~/me.wav", Path("~/me.wav")):
        with open_file(name, SOUND) as file:
            assert file.read() == b"voice"
    refused("~/absent.wav", "No sound file at ~/absent.wav", "path")
    refused("~nobody-of-that-name/me.wav", "~nobody-of-that-name", "cannot be read")
    refused("~nobody-of-that-name/me.wav", "the home folder of nobody-of-that-name. Give the whole")


def test_addresses_are_not_fetched() -> None:
    for address in ("https://example.com/me.wav", "HTTP://example.com/me.wav"):
        for source in (address, Path(address)):
            refused(source, f"{address} is an address", "not fetched", "save the sound first")
    for name in ("file:///home/me/me.wav", Path("file:///home/me/me.wav")):
        refused(name, "file:///home/me/me.wav is an address")


def test_names_that_a_shell_would_have_replaced_say_what_to_do() -> None:
    refused("-", "No sound file at -. Standard input is /dev/stdin.")
    for pattern in ("voices/*.wav", "me?.wav", "me[12].wav"):
        refused(pattern, f"No sound file at {pattern}. Patterns are not expanded", "a folder")


def test_a_file_may_be_named_like_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data:2026.wav").write_bytes(b"voice")
    with open_file("data:2026.wav", SOUND) as file:
        assert file.read() == b"voice"


def test_no_name_steers_the_terminal() -> None:
    refused("a\x1b[31m\r\tb\x9b2J\u202ec.wav", "No sound file at a [31m  b 2J c.wav")


def test_names_that_no_file_system_takes() -> None:
    refused("a" * 300 + ".wav", "The sound aaaa", ".wav cannot be read", "too long")
    refused("folder/" * 900 + "me.wav", "The sound folder/", "too long")
    refused("me\0.wav", "cannot be read", "null")


def test_folders_and_devices_and_empty_files(tmp_path: Path) -> None:
    refused(tmp_path, "is a folder, not a sound file", "WAV")
    refused("/dev/zero", "/dev/zero is a device, not a sound file")
    (tmp_path / "empty.wav").write_bytes(b"")
    refused(tmp_path / "empty.wav", "empty.wav is empty (0 bytes)", "WAV")
    (tmp_path / "file.wav").write_bytes(b"voice")
    refused(tmp_path / "file.wav" / "me.wav", "cannot be read")
