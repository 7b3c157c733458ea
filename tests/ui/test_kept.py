"""What a page keeps for those who come back is gone after its time."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from flashtalk.errors import FlashTalkError
from flashtalk.ui.kept import Kept

PATIENCE_S = 30.0


class Ended:
    over = True


class Working:
    over = False


def test_files_are_deleted_in_time_though_nobody_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept: Kept[Ended] = Kept("job-", keep_s=0.05, most=1)
    for name in ("first", "second"):  # the second one comes when nothing was kept any more
        folder = kept.folder()
        kept.add(name, Ended(), folder, "full")
        assert folder.exists()
        end_s = time.monotonic() + PATIENCE_S
        while list(tmp_path.iterdir()) and time.monotonic() < end_s:
            time.sleep(0.02)
        assert not list(tmp_path.iterdir())
        assert kept.find(name) is None


def test_jobs_are_many_and_their_open_files_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept: Kept[Ended] = Kept("job-", keep_s=3600, most=1)
    before = _open_files()
    for number in range(60):  # as many as one visitor may begin in a minute
        kept.add(str(number), Ended(), kept.folder(), "full")
    assert _open_files() - before <= 1
    assert len(list(tmp_path.glob("job-*/*/"))) == 60

    kept.close()
    assert not list(tmp_path.iterdir()), "files of a page that is over"
    assert _open_files() == before


def test_whom_there_is_no_room_for_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept: Kept[Working] = Kept("job-", keep_s=3600, most=1)
    for name in ("first", "second"):
        kept.add(name, Working(), kept.folder(), "full")
    third = kept.folder()
    with pytest.raises(FlashTalkError, match="full"):
        kept.add("third", Working(), third, "full")
    assert not third.exists()
    assert len(list(tmp_path.glob("job-*/*/"))) == 2
    kept.close()


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
