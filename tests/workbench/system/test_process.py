"""Child processes that several threads use at the same time."""

import contextlib
import os
import stat
import subprocess
import sys
import threading
import time
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import getfd
from pathlib import Path

import pytest

from kernels.compile import notices
from kernels.compile.notices import say_once
from workbench.system.output import KEPT_BYTES
from workbench.system.process import Child, NoAnswer


def echo(reply, receive):
    while True:
        reply(receive())


def test_a_process_that_ends_keeps_its_exit_status_from_one_that_starts(monkeypatch):
    # multiprocessing, starting a process, waits for all that have ended; who ended one would find it running still
    ending, starting = Child(echo, ()), Child(echo, ())
    assert ending.ask(1, 60) == 1
    happened = []
    join, start = BaseProcess.join, BaseProcess.start

    def slow_join(process, timeout=None):
        other.start()
        time.sleep(0.2)
        join(process, timeout)
        happened.append("ended")

    def noted_start(process):
        happened.append("starts")
        start(process)

    answers = []
    other = threading.Thread(target=lambda: answers.append(starting.ask(2, 60)))
    with monkeypatch.context() as patch:
        patch.setattr(BaseProcess, "join", slow_join)
        patch.setattr(BaseProcess, "start", noted_start)
        ending.end()
        other.join()
    starting.close()
    ending.close()
    assert happened == ["ended", "starts"]
    assert answers == [2]


def print_much(reply, receive):
    while True:
        lines = receive()
        print("first")
        for _ in range(lines):
            print("x" * 1000)
        print("last", flush=True)
        reply(lines)


def test_of_much_output_the_beginning_and_the_end_are_kept():
    child = Child(print_much, ())
    child.ask(3, 60)
    assert child.printed() == "first\n" + ("x" * 1000 + "\n") * 3 + "last\n"
    child.ask(100_000, 60)
    printed = child.printed()
    child.close()
    assert printed.startswith("first\n")
    assert printed.endswith("last\n")
    assert " bytes left out]\n" in printed
    assert len(printed) < 3 * KEPT_BYTES
    assert child.printed() == printed


def test_output_of_a_process_that_has_crashed_is_kept():
    child = Child(crash, ())
    for _ in range(2):
        with pytest.raises(NoAnswer, match=r"exit code 3 \(the last words\)"):
            child.ask(1, 60)
    assert child.printed() == "the last words\n" * 2
    child.close()


def crash(reply, receive):
    receive()
    print("the last words", flush=True)
    os._exit(3)


def hang(reply, receive):
    receive()
    time.sleep(1000)


def test_a_process_is_ended_from_another_thread():
    child = Child(hang, ())
    threading.Timer(2, child.abort).start()
    with pytest.raises(NoAnswer) as caught:
        child.ask(1, 60)
    assert caught.value.crashed
    with pytest.raises(NoAnswer):  # for good
        child.ask(1, 60)
    child.close()


def search_path(reply, receive):
    receive()
    reply((sys.path, os.environ.get("PYTHONSAFEPATH")))


def test_a_process_does_not_find_modules_in_the_working_directory(tmp_path, monkeypatch):
    for name in ("signal", "numpy", "queue", "copy", "json", "click", "socket", "workbench", "kernels"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('shadowed')")
    monkeypatch.chdir(tmp_path)
    child = Child(search_path, ())
    path, variable = child.ask(1, 60)
    child.close()
    assert not {"", str(tmp_path)} & set(path)
    assert variable is None  # it is not for the processes that a user's file starts


def leave_a_daemon(reply, receive):
    receive()
    command = "sleep 1000 > /dev/null 2>&1 & echo $!"
    daemon = subprocess.run(["sh", "-c", command], env={}, start_new_session=True, stdout=subprocess.PIPE, check=True)
    reply(int(daemon.stdout))


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_daemon_that_denies_its_parents_ends_with_the_process():
    child = Child(leave_a_daemon, ())
    status = Path("/proc") / str(child.ask(1, 60)) / "stat"
    assert status.read_text().split()[2] != "Z"
    child.close()
    with contextlib.suppress(FileNotFoundError):
        assert status.read_text().split()[2] in "ZX"


def use_the_parents(reply, receive):
    receive()
    os.write(0, b"\x1b[2J")
    reply((os.read(0, 1), stat.S_ISFIFO(os.fstat(getfd()).st_mode)))


@pytest.mark.skipif(os.name != "posix", reason="a pipe to multiprocessing's helper")
def test_a_process_cannot_use_the_terminal_or_the_helper_of_its_parent(tmp_path):
    terminal = tmp_path / "terminal"  # open for reading and writing, as one is
    terminal.write_bytes(b"typed ahead")
    before = os.dup(0)
    try:
        with terminal.open("r+b") as keys:
            os.dup2(keys.fileno(), 0)
        child = Child(use_the_parents, ())
        assert child.ask(1, 60) == (b"", False)
        child.close()
    finally:
        os.dup2(before, 0)
        os.close(before)
    assert terminal.read_bytes() == b"typed ahead"


def notice(reply, receive):
    while True:
        say_once(receive(), "a kind")
        reply("done")


def test_a_notice_about_the_compile_cache_reaches_the_user_once(monkeypatch, capfd):
    monkeypatch.setattr(notices, "_told", set())
    for _ in range(2):
        child = Child(notice, ())
        for _ in range(2):
            assert child.ask("the cache is damaged", 60) == "done"
        child.close()
    assert capfd.readouterr().err == "kernels: the cache is damaged\n"


def test_a_process_that_cannot_be_started_can_be_later(monkeypatch):
    child = Child(echo, ())

    def refuse(_process):
        raise BlockingIOError("no room for a process")

    with monkeypatch.context() as patch:
        patch.setattr(BaseProcess, "start", refuse)
        with pytest.raises(BlockingIOError):
            child.ask(1, 60)
        assert not child.is_running
    assert child.ask(1, 60) == 1
    child.close()
