"""Environment variables and files that a command cannot work with: one line, and exit code 2."""

import errno
import json
import os
import subprocess
import sys
from functools import cache

import pytest

from workbench.cli import run

COMMANDS = [
    ["info"],
    ["ops"],
    ["check", "relu"],
    ["bench", "relu"],
    ["train", "--epochs", "1"],
    ["inspect", "relu"],
    ["roofline"],
    ["eval", "nowhere"],
    ["predict", "nowhere", "x.png"],
    ["filter", "x.png", "--filter", "sharpen"],
]


def command_line(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


EACH = """
import json, os, sys
from workbench.cli import main

folder = sys.argv[1]
for number, arguments in enumerate(json.loads(sys.argv[2])):
    if (process := os.fork()) == 0:
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{folder}/{number}.{name}", os.O_CREAT | os.O_WRONLY), stream)
        sys.argv[1:] = arguments
        main()
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
"""Runs command lines, each in a fork of a process that has imported nothing but the command line."""


@pytest.fixture(scope="module")
def in_all_commands(tmp_path_factory):
    """Runs all of COMMANDS, in an empty folder or a removed one; returns what each gave, and what is in the folder then."""

    @cache
    def run_all(variable="", value="", *, removed=False):
        given, cwd = tmp_path_factory.mktemp("given"), tmp_path_factory.mktemp("cwd")
        script = f'cd "$1" && {"rmdir" if removed else "ls"} "$1" && shift && exec "$@"'
        command = ["sh", "-c", script, "sh", str(cwd), sys.executable, "-c", EACH, str(given), json.dumps(COMMANDS)]
        environment = os.environ | ({variable: value} if variable else {})
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
        codes = [int(code) for code in done.stdout.split()]
        assert len(codes) == len(COMMANDS), done.stderr
        texts = [[(given / f"{number}.{name}").read_text() for name in ("out", "err")] for number in range(len(codes))]
        left = [] if removed else list(cwd.iterdir())
        return {" ".join(words): (code, *text) for words, code, text in zip(COMMANDS, codes, texts, strict=True)}, left

    return run_all


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_refuses_a_variable_without_meaning(arguments, in_all_commands):
    given, left = in_all_commands("NUMBA_NUM_THREADS", "abc")
    code, out, err = given[" ".join(arguments)]
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert "NUMBA_NUM_THREADS is 'abc'" in line
    assert left == []


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_an_unknown_threading_layer(arguments, in_all_commands):
    given, _ = in_all_commands("NUMBA_THREADING_LAYER", "xyz")
    code, out, err = given[" ".join(arguments)]
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert "NUMBA_THREADING_LAYER is 'xyz'" in line


@pytest.mark.parametrize("arguments", [["check", "relu"], ["train", "--epochs", "1"]], ids=" ".join)
def test_a_threading_layer_that_is_not_installed(arguments, tmp_path):
    pytest.importorskip("numba")
    try:
        import numba.np.ufunc.tbbpool  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("tbb is installed")
    done = command_line(*arguments, cwd=tmp_path, NUMBA_THREADING_LAYER="tbb")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "NUMBA_THREADING_LAYER is 'tbb'" in line


def test_commands_work_on_compiled_kernels(tmp_path):
    done = command_line("check", "relu", "--examples", "2", cwd=tmp_path, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if "NUMBA_DISABLE_JIT" in line]
    assert len(told) == 1
    assert "--device python" in told[0]
    assert "cpu" in done.stdout


def test_training_without_compilation_is_not_silent(tmp_path):
    # uncompiled, this would take minutes
    done = command_line("train", "--epochs", "1", "--data", "nowhere", cwd=tmp_path, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 2
    assert "NUMBA_DISABLE_JIT" in done.stderr.splitlines()[0]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_working_directory_that_was_removed(arguments, in_all_commands):
    given, _ = in_all_commands(removed=True)
    code, out, err = given[" ".join(arguments)]
    assert (code, out) == (2, "")
    assert err == "workbench: the working directory has been removed; change to another folder\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ["standard output", "No space left"]),
        (OSError(errno.EMFILE, "Too many open files"), ["Too many open files", "ulimit -n"]),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), ["temporarily unavailable", "ulimit -u"]),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), ["TMPDIR"]),
        (PermissionError(errno.EACCES, "Permission denied", "some/file"), ["some/file", "Permission denied"]),
        (MemoryError("4 TiB"), ["not enough memory", "4 TiB"]),
        (RecursionError("maximum recursion depth exceeded"), ["nested too deeply"]),
    ],
)
def test_what_the_machine_lacks_is_one_line(error, words, monkeypatch, capfd):
    def fail(*_):
        raise error

    monkeypatch.setattr("workbench.system.machine.summary", fail)
    monkeypatch.setattr("workbench.cli._silence_output", lambda: None)
    assert run(["info"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert all(word in err for word in words)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(closed, tmp_path):
    script = f'"$@" {closed}'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "workbench", "check", "conv3d"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == (0 if "2>" in closed else 1)
