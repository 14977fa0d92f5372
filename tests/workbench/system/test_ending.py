"""Signals end a command with one line and its exit code, and leave no process, temporary file or folder."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")

WAIT_SECONDS = 240
"""A generous limit, for a machine with other work."""

MINE = """
import multiprocessing, os, subprocess, sys, time
from workbench import implements

if multiprocessing.parent_process():
    subprocess.Popen(["sleep", "1000"])
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)

@implements("relu")
def mine(x, y):
    open(os.environ["READY"], "w").close()
    time.sleep(float(os.environ["CALL_SECONDS"]))
    y[:] = (x > 0) * x
"""


def popen(command, **options):
    """Start a process that heeds signals: jobs in the background of a shell ignore Ctrl-C, those of nohup SIGHUP."""
    numbers = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    finally:
        for number, action in before.items():
            signal.signal(number, action)


class Command:
    """A command whose descendants are known by a variable in their environment."""

    def __init__(self, folder, *arguments, **environment):
        self.mark = f"TEST_MARK={os.urandom(8).hex()}"
        self.has_started = False
        self.temporary, self.ready = folder / "temporary", folder / "ready"
        self.cwd = folder / "cwd"
        for each in (self.temporary, self.cwd):
            each.mkdir()
        name, _, value = self.mark.partition("=")
        variables = {name: value, "TMPDIR": str(self.temporary), "READY": str(self.ready), "CALL_SECONDS": "1000"}
        self.process = popen(
            [sys.executable, "-m", "workbench", *arguments], cwd=self.cwd, env=os.environ | variables | environment
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.states():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()

    def states(self):
        """The states of the command and its descendants, by their number."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        return found

    def has_begun(self):
        """Whether Python has started and this project's code runs: Ctrl-C, which Python catches first, ends the process."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                caught = int(line.split()[1], 16)
                catches = {number for number in (signal.SIGINT, signal.SIGTERM) if caught >> (number - 1) & 1}
                self.has_started = self.has_started or signal.SIGINT in catches
                return self.has_started and catches != {signal.SIGINT}
        return True

    def wait_until(self, holds):
        deadline = time.monotonic() + WAIT_SECONDS
        while not holds():
            assert time.monotonic() < deadline, self.states()
            time.sleep(0.002)

    def end_by(self, number):
        """Send the signal; return the exit code and standard error, when everything has ended."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=WAIT_SECONDS)
        self.wait_until(lambda: not self.states())
        assert list(self.temporary.iterdir()) == []
        assert "Traceback" not in err
        assert "Exception ignored" not in err
        return self.process.returncode, err


ENDS = {
    signal.SIGINT: (130, "workbench: interrupted"),
    signal.SIGTERM: (143, "workbench: ended by SIGTERM"),
    signal.SIGHUP: (129, "workbench: ended by SIGHUP"),
    signal.SIGQUIT: (131, "workbench: ended by SIGQUIT"),
    signal.SIGKILL: (-9, None),
}


def assert_ended_by(command, number):
    before = command.states()
    code, err = command.end_by(number)
    expected, line = ENDS[number]
    assert len(before) > 1  # there was something to end
    assert code == expected
    if line is not None:
        assert err.splitlines()[-1] == line


@pytest.fixture
def mine(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return str(file)


@pytest.mark.parametrize("number", ENDS)
def test_a_check_ends_with_all_that_a_users_file_started(number, mine, tmp_path):
    with Command(tmp_path, "check", mine) as command:
        command.wait_until(command.ready.exists)
        assert_ended_by(command, number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_benchmark_ends_with_its_suspended_processes(number, mine, tmp_path):
    with Command(tmp_path, "bench", mine, "--budget", "1000", CALL_SECONDS="0.001") as command:
        command.wait_until(lambda: "T" in command.states().values())
        assert_ended_by(command, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_of_several_devices_end(number, mine, tmp_path):
    with Command(tmp_path, "check", mine, "--device", "all") as command:
        command.wait_until(command.ready.exists)
        assert_ended_by(command, number)


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_the_self_test_ends_at_once(number, tmp_path):
    with Command(tmp_path, "check", "--self-test", "--sample") as command:
        command.wait_until(lambda: len(command.states()) > 3)
        assert_ended_by(command, number)


EARLY = [["info"], ["train", "--epochs", "1000"], ["inspect", "relu"], ["check", "relu"], ["roofline"]]


@pytest.mark.parametrize("seconds", [0, 0.1, 0.5, 2])
@pytest.mark.parametrize("arguments", EARLY, ids=" ".join)
def test_control_c_is_silent_at_any_moment(arguments, seconds, tmp_path):
    with Command(tmp_path, *arguments, XDG_CACHE_HOME=str(tmp_path / "cache")) as command:
        command.wait_until(command.has_begun)
        with suppress(subprocess.TimeoutExpired):  # it may have finished before
            command.process.wait(seconds)
        code, err = command.end_by(signal.SIGINT)
        assert code in (-signal.SIGINT, 130, 0)  # before the handler stands; after; it had finished
        assert (code == 130) == ("workbench: interrupted" in err)


LOST = """
import ctypes, time
from workbench.system import ending

ending.listen()
callback = ctypes.CFUNCTYPE(None)(lambda: [print("ready", flush=True), time.sleep(1000)])
try:
    callback()  # an exception is lost here, and printed
    time.sleep(1000)
except ending.Ended as signal:
    print("cleaned up", flush=True)
    ending.leave(signal.code)
"""

PRINTED = """
import ctypes, sys, time
from workbench.system import ending

ending.listen()
try:
    try:
        print("ready", flush=True)
        time.sleep(1000)
    except ending.Ended:
        sys.excepthook(*sys.exc_info())  # as a library in C does that goes on
    time.sleep(1000)
except ending.Ended as signal:
    print("cleaned up", flush=True)
    ending.leave(signal.code)
"""

WAITING = """
import ctypes, threading
from workbench.system import ending

ending.GRACE_SECONDS = 0.5
ending.listen()
threading.Timer(0.5, lambda: print("ready", flush=True)).start()  # when the main thread waits
mutex = ctypes.create_string_buffer(256)
for _ in range(2):  # the second time it waits for ever, and no exception can be raised
    ctypes.CDLL(None).pthread_mutex_lock(mutex)
"""

STUBBORN = """
import time
from workbench.system import ending

ending.GRACE_SECONDS = 1000
ending.listen()
while True:
    try:
        print("ready", flush=True)
        time.sleep(1000)
    except BaseException:
        pass
"""


def start(code):
    process = popen([sys.executable, "-c", code])
    assert process.stdout.readline() == "ready\n"
    return process


def ends(process):
    out, err = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("code", [LOST, PRINTED])
def test_an_exception_that_is_lost_is_raised_again(code, number):
    process = start(code)
    process.send_signal(number)
    assert ends(process) == (128 + number, "cleaned up\n", "")


def test_a_call_that_does_not_return_ends_after_some_seconds():
    process = start(WAITING)
    process.send_signal(signal.SIGTERM)
    assert ends(process) == (143, "", "workbench: ended by SIGTERM\n")


def test_a_second_signal_ends_at_once():
    process = start(STUBBORN)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    code, _, err = ends(process)
    assert (code, err) == (130, "workbench: interrupted\n")
