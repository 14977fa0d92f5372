"""The folder of a run: its lock, and what becomes of it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.network.run_folder import RunFolder
from workbench.system.errors import InputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks as on POSIX")

FILES = ("model.safetensors", "run.json")


def claim(out):
    return RunFolder.claim(out, "lenet5", "mnist", FILES)


def test_only_one_run_writes_into_a_folder(tmp_path):
    first = claim(tmp_path / "run")
    with pytest.raises(InputError, match=r"^--out .*run: another training writes into this folder"):
        claim(tmp_path / "run")
    assert (tmp_path / "run").is_dir()  # the one that was refused leaves it alone
    first.release()
    claim(tmp_path / "run").release()


def test_a_lock_ends_with_its_process_whatever_ends_it(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from workbench.network.run_folder import RunFolder; "
        "held = RunFolder.claim(Path(sys.argv[1]), '', '', ()); print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path / "run"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="another training"):
            claim(tmp_path / "run")
        process.send_signal(signal.SIGKILL)
        process.wait()
    claim(tmp_path / "run").release()


def test_what_was_made_and_stays_empty_is_removed(tmp_path):
    folder = claim(tmp_path / "a" / "b" / "c")
    assert folder.path.is_dir()
    folder.release()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    claim(tmp_path / "mine").release()
    assert (tmp_path / "mine").is_dir()


def test_the_default_folder_is_the_next_one_also_while_others_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [claim(None) for _ in range(3)]
    assert [str(each.path) for each in folders] == [f"runs/lenet5-mnist-{n}" for n in (1, 2, 3)]
    exists = Path.exists
    monkeypatch.setattr(  # another process makes number 4 after this one has looked
        Path, "exists", lambda path: exists(path) and path.name != "lenet5-mnist-4"
    )
    (tmp_path / "runs" / "lenet5-mnist-4").mkdir()
    assert claim(None).path.name == "lenet5-mnist-5"


@pytest.mark.parametrize("name", FILES)
def test_a_folder_with_a_run_is_refused(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=rf"already contains a run \({name}\)"):
        claim(tmp_path)


@pytest.mark.parametrize("out", ["file", "file/below", "/proc/nowhere", "x" * 300])
def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with pytest.raises(InputError, match=r"^--out .*: cannot be created \(.+\); use another folder"):
        claim(Path(out))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_that_was_removed_is_noticed(tmp_path, replaced):
    folder = claim(tmp_path / "run")
    folder.check()
    shutil.rmtree(folder.path)
    if replaced:
        (tmp_path / "other").mkdir()  # takes the number of the removed one, if the file system uses it again
        folder.path.mkdir()
    with pytest.raises(InputError, match="the folder was removed while the training wrote into it"):
        folder.check()


def test_a_folder_on_a_file_system_without_locks_is_used(tmp_path, monkeypatch):
    def refuse(handle, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("workbench.network.run_folder.fcntl.flock", refuse)
    claim(tmp_path / "run")
