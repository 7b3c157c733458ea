"""What a page keeps for those who come back is gone after its time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flashtalk.ui.kept import Kept

PATIENCE_S = 30.0


class Ended:
    over = True


def test_files_are_deleted_in_time_though_nobody_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept: Kept[Ended] = Kept("job-", keep_s=0.05, most=1)
    for name in ("first", "second"):  # the second one comes when nothing was kept any more
        folder = kept.folder()
        kept.add(name, Ended(), folder, "full")
        assert folder.path.exists()
        end_s = time.monotonic() + PATIENCE_S
        while list(tmp_path.iterdir()) and time.monotonic() < end_s:
            time.sleep(0.02)
        assert not list(tmp_path.iterdir())
        assert kept.find(name) is None
