"""What is guarded ends with the process that started it, also when that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.system import leftovers
from workbench.system.files import temporary_folder
from workbench.system.guard import guarded_path, new_mark

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")

WAIT_SECONDS = 60

HOLDING = """
import sys, time
from pathlib import Path
from workbench.system.files import atomic_path, temporary_folder

with temporary_folder() as folder, atomic_path(Path(sys.argv[1])) as file:
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_text("x")
    print(folder, file, sep="\\n", flush=True)
    time.sleep(1000)
"""


def wait_until(holds):
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["result.json", "a name\n with ends of lines \N{SNOWMAN}.json"])
def test_temporary_files_of_a_killed_process_are_removed(name, tmp_path):
    target = tmp_path / name
    with subprocess.Popen([sys.executable, "-c", HOLDING, target], stdout=subprocess.PIPE, text=True) as process:
        folder = Path(process.stdout.readline().rstrip("\n"))
        wait_until(lambda: list(tmp_path.iterdir()))
        assert folder.is_dir()
        process.kill()
    wait_until(lambda: not folder.exists() and not list(tmp_path.iterdir()))


def test_a_temporary_folder_lasts_as_long_as_its_block():
    with temporary_folder() as folder:
        (folder / "file").write_text("x")
    assert not folder.exists()


def test_a_guarded_path_may_be_gone_already(tmp_path):
    with guarded_path(tmp_path / "file") as path:
        path.write_text("x")
        path.rename(tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == "x"


def test_the_guard_is_left_without_a_warning():
    code = "from workbench.system.guard import start_guard; start_guard()"
    done = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_descendants_are_known_by_their_mark(monkeypatch):
    mark = new_mark()
    with monkeypatch.context() as patch:
        patch.setenv(leftovers.MARK, mark[leftovers.MARK])
        inner = new_mark()
    other = new_mark()
    started = [
        subprocess.Popen(["sleep", "1000"], env=os.environ | each, start_new_session=True)
        for each in (mark, inner, other)
    ]
    try:
        wait_until(lambda: len(leftovers.marked(mark[leftovers.MARK])) == 2)  # until each has become sleep
        leftovers.kill(started[0].pid, mark[leftovers.MARK])
        assert [process.wait(WAIT_SECONDS) for process in started[:2]] == [-signal.SIGKILL] * 2
        assert started[2].poll() is None
    finally:
        for process in started:
            process.kill()
            process.wait()
