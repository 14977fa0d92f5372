"""Calls in a new process, in which Numba is imported with other environment variables."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from workbench.system.errors import INTERRUPTED, InputError
from workbench.system.process import NoAnswer
from workbench.system.terminal import set_up_streams

Result = TypeVar("Result")


def call_elsewhere(function: Callable[..., Result], *arguments: Any, environment: Mapping[str, str]) -> Result:
    """Return ``function(*arguments)``, computed in a new process with these variables set.

    The function is importable; arguments, result and errors for the user are pickled. The process shares standard error;
    what it prints to standard output goes there as well.

    Raises
    ------
    NoAnswer
        The process ended without a result.
    KeyboardInterrupt
        It was interrupted.
    InputError, KernelsError, MemoryError, OSError
        The function raised it.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=pickle.dumps((function, arguments)),
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    try:
        result, error = pickle.loads(done.stdout)
    except (EOFError, pickle.UnpicklingError):
        raise NoAnswer(f"ended with {done.returncode}", crashed=True) from None
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _answer() -> None:
    """Run in the new process: read the call from standard input, write its result to standard output."""
    set_up_streams()
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    result: Any = None
    fault: Exception | None = None
    try:
        function, arguments = pickle.load(sys.stdin.buffer)
        result = function(*arguments)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (InputError, MemoryError, OSError) as error:
        fault = error
    except Exception as error:
        from kernels.declare.errors import KernelsError

        if not isinstance(error, KernelsError):
            raise
        fault = error
    with output:
        pickle.dump((result, fault), output)


if __name__ == "__main__":
    _answer()
