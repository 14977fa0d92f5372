"""A function called in another process: its result, its errors, and processes that end without either."""

import os
import signal

import pytest

from kernels.declare.errors import OptionError
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
