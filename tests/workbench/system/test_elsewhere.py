"""A function called in another process: its result, its errors, and processes that end without either."""

import os
import pickle
import signal
import sys
import time
from contextlib import suppress
from functools import partial

import pytest

from kernels.declare.errors import OptionError
from workbench.system import call_record
from workbench.system.call_record import recorded, recorded_like
from workbench.system.elsewhere import call_elsewhere
from workbench.system.errors import InputError
from workbench.system.process import NoAnswer


def variable(name):
    print("not the result")
    return os.environ[name]


def raising(error):
    raise error


def end(how):
    if how == "interrupted":
        raise KeyboardInterrupt
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(3)


def test_it_finds_its_environment_and_prints_to_standard_error(capfd):
    assert call_elsewhere(variable, "WANTED", environment={"WANTED": "here"}) == "here"
    out, err = capfd.readouterr()
    assert (out, err) == ("", "not the result\n")
    assert "WANTED" not in os.environ


@pytest.mark.parametrize("error", [InputError("no such file"), OptionError("stride"), MemoryError("4 TiB")])
def test_errors_for_the_user_come_back(error):
    with pytest.raises(type(error), match=str(error)):
        call_elsewhere(raising, error, environment={})


def test_a_large_question_reaches_a_process_that_is_slow_to_start(monkeypatch):
    monkeypatch.setattr("workbench.system.elsewhere.LOOK_SECONDS", 0.001)
    assert call_elsewhere(len, bytes(1 << 20), environment={}) == 1 << 20


class Forged:
    def __reduce__(self):
        return os._exit, (0,)


def forge():
    """Write what runs code where it is unpickled to the pipes of this process."""
    for number in range(3, 10):
        with suppress(OSError):
            os.write(number, pickle.dumps((Forged(), None)))
    return 1


def test_a_process_that_is_not_trusted_sends_data_alone():
    assert call_elsewhere(variable, "WANTED", environment={"WANTED": "here"}, is_trusted=False) == "here"
    with pytest.raises(InputError, match="stride"):
        call_elsewhere(raising, OptionError("stride"), environment={}, is_trusted=False)
    with pytest.raises(NoAnswer):
        call_elsewhere(forge, environment={}, is_trusted=False)


def test_a_fault_of_the_program_shows_its_traceback(capfd):
    with pytest.raises(NoAnswer, match="ended with 1"):
        call_elsewhere(raising, TypeError("a fault"), environment={})
    assert "TypeError: a fault" in capfd.readouterr().err


@pytest.mark.parametrize(("how", "said"), [("killed", "ended with -9"), ("exits", "ended with 3")])
def test_a_process_that_ends_without_a_result(how, said):
    with pytest.raises(NoAnswer, match=said):
        call_elsewhere(end, how, environment={})


def test_an_interruption_there_is_one_here():
    with pytest.raises(KeyboardInterrupt):
        call_elsewhere(end, "interrupted", environment={})


# A user's function that does not end, or ends the process


def forever(*_):
    while True:
        pass


def leave(code):
    os._exit(code)


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def called(function, *arguments, times=1, compiles=False, after=None):
    """Call a recorded function some times, inside another one that is recorded too."""
    for _ in range(times):
        outer = recorded("the outer", lambda: recorded("its reference", function, compiles=compiles)(*arguments))
        outer()
    return None if after is None else after()


def test_what_is_recorded_changes_nothing(monkeypatch):
    monkeypatch.setattr(call_record, "CALL_SECONDS", 3.0)
    assert recorded("its reference", max)(1, 2) == 2  # in this process nothing is recorded
    assert call_elsewhere(partial(called, len, "abc", times=3), environment={}) is None
    assert recorded_like(recorded("x", len), abs).record_name == "x"
    assert recorded_like(len, abs) is abs


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_function_that_does_not_end(monkeypatch, is_trusted):
    monkeypatch.setattr(call_record, "CALL_SECONDS", 1.0)
    with pytest.raises(InputError, match=r"^its reference does not end: no result after 1 s$"):
        call_elsewhere(called, forever, environment={}, is_trusted=is_trusted)


def test_compilation_takes_longer(monkeypatch):
    monkeypatch.setattr(call_record, "CALL_SECONDS", 0.5)
    monkeypatch.setattr(call_record, "COMPILE_SECONDS", 1.0)
    with pytest.raises(InputError, match=r"^its reference does not end: no result after 1\.5 s$"):
        call_elsewhere(partial(called, forever, compiles=True), environment={})


def test_a_function_that_is_too_slow_in_all(monkeypatch):
    monkeypatch.setattr(call_record, "ALL_SECONDS", 2.0)
    with pytest.raises(
        InputError, match=r"^(its reference|the outer) is too slow: its calls have taken more than 2 s$"
    ):
        call_elsewhere(partial(called, time.sleep, 0.4, times=100), environment={})


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (crash, "its reference crashes the process, with SIGSEGV"),
        (partial(leave, 0), "its reference ends the process, exit code 0"),
    ],
)
def test_a_function_that_ends_the_process(function, said):
    with pytest.raises(InputError, match=f"^{said}$"):
        call_elsewhere(called, function, environment={})


def test_an_exit_in_a_function_is_an_exception():
    with pytest.raises(NoAnswer, match="ended with 1"):
        call_elsewhere(called, sys.exit, 3, environment={})


def test_what_ends_the_process_after_a_function_is_not_its_fault():
    with pytest.raises(NoAnswer, match="ended with 3"):
        call_elsewhere(partial(called, len, "abc", after=partial(leave, 3)), environment={})
