"""A function called in another process: its result, its errors, and processes that end without either."""

import os
import pickle
import signal
from contextlib import suppress

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
