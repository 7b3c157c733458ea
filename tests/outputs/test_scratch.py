"""Folders for unfinished files: a killed process leaves one, the next run removes it."""

import subprocess
import sys
import threading
from pathlib import Path

from flashtalk.outputs.scratch import PREFIX, ScratchFolder, sweep

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from flashtalk.outputs.scratch import ScratchFolder
folder = ScratchFolder(Path(sys.argv[1]))
(folder.path / "live.mp4").write_bytes(b"part")
print("ready", flush=True)
time.sleep(600)
"""


def test_what_a_killed_process_leaves_is_swept_and_what_runs_is_not(tmp_path: Path):
    running = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(running, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        sweep(tmp_path)
        assert len(list(tmp_path.glob(f"{PREFIX}*/live.mp4"))) == 1
        process.kill()
    assert len(list(tmp_path.iterdir())) == 1
    with ScratchFolder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder.path]
    assert not list(tmp_path.iterdir())


def test_two_of_one_process_do_not_sweep_each_other(tmp_path: Path):
    with ScratchFolder(tmp_path) as one, ScratchFolder(tmp_path) as other:
        assert one.path.is_dir() and other.path.is_dir()


def test_another_thread_may_close_it(tmp_path: Path):
    folder = ScratchFolder(tmp_path)
    thread = threading.Thread(target=folder.close)
    thread.start()
    thread.join()
    assert not list(tmp_path.iterdir())


def test_a_folder_of_somebody_else_stays(tmp_path: Path):
    (tmp_path / f"{PREFIX}notes").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / f"{PREFIX}notes")
    sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
