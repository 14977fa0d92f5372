"""Calls in a new process, in which Numba is imported with other environment variables."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from workbench.system.call_record import CallRecord, record_in
from workbench.system.ending import (
    GRACE_SECONDS,
    Ended,
    die_with_parent,
    held_signals,
    leave,
    listen,
    release_signals,
)
from workbench.system.errors import INTERRUPTED, InputError, is_kernels_error
from workbench.system.files import temporary_folder
from workbench.system.guard import end_group, guard_group, new_mark
from workbench.system.process import NoAnswer, how_it_ended
from workbench.system.search_path import python_command
from workbench.system.terminal import set_up_streams

Result = TypeVar("Result")

LOOK_SECONDS = 0.5
"""The time between two looks at the functions of a user's that the process is in."""


def call_elsewhere(
    function: Callable[..., Result], *arguments: Any, environment: Mapping[str, str], is_trusted: bool = True
) -> Result:
    """Return ``function(*arguments)``, computed in a new process with these variables set.

    The function is importable; arguments, result and errors for the user are pickled. The process shares standard error;
    what it prints to standard output goes there as well. From a process that is not trusted, because it runs foreign code,
    the result comes as JSON, and every error for the user as InputError; nothing is unpickled.

    Raises
    ------
    NoAnswer
        The process ended without a result.
    KeyboardInterrupt
        It was interrupted.
    InputError, KernelsError, MemoryError, OSError
        The function raised it; or, an InputError, a recorded function of a user's does not end, or has ended the process.
    """
    with temporary_folder() as folder:
        return _called(folder / "calls", function, arguments, environment, is_trusted=is_trusted)


def _called(
    path: Path,
    function: Callable[..., Result],
    arguments: tuple[Any, ...],
    environment: Mapping[str, str],
    *,
    is_trusted: bool,
) -> Result:
    mark, record = new_mark(), CallRecord(path)
    question = path.with_name(
        "question"
    )  # a file: communicate() with a timeout may send only a part of what it is given
    question.write_bytes(pickle.dumps((is_trusted, str(path), function, arguments)))
    with question.open("rb") as asked, held_signals():
        process = subprocess.Popen(
            python_command(__name__),
            env={**os.environ, **mark, **environment},
            stdin=asked,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        guard_group(process.pid, mark)
    with process:
        try:
            answer = _answer(process, record)
        except (KeyboardInterrupt, InputError):
            process.terminate()  # it ends its own processes
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS / 2)
            raise
        finally:
            end_group(process.pid)
    if process.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    try:
        result, error = pickle.loads(answer) if is_trusted else _from_json(answer)
    except (EOFError, pickle.UnpicklingError, ValueError, RecursionError):
        if name := record.name():
            raise InputError(f"{name} {how_it_ended(process.returncode)}") from None
        raise NoAnswer(f"ended with {process.returncode}", crashed=True) from None
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _answer(process: subprocess.Popen[bytes], record: CallRecord) -> bytes:
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=LOOK_SECONDS)[0]
        if fault := record.late():
            raise InputError(fault)


def _from_json(answer: bytes) -> tuple[Any, InputError | None]:
    match json.loads(answer):
        case [result, None | str() as error]:
            return result, None if error is None else InputError(error)
    raise ValueError("not an answer")


def main() -> None:
    """Run in the new process: read the call from standard input, write its result to standard output."""
    die_with_parent()
    set_up_streams()
    listen()
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    result: Any = None
    fault: Exception | None = None
    is_trusted = True
    try:
        release_signals()
        is_trusted, path, function, arguments = pickle.load(sys.stdin.buffer)
        record_in(path)
        result = function(*arguments)
    except Ended as ended:
        leave(ended.code)
    except KeyboardInterrupt:
        leave(INTERRUPTED)
    except (InputError, MemoryError, OSError) as error:
        fault = error
    except Exception as error:
        if not is_kernels_error(error):
            raise
        fault = error
    with output:
        if is_trusted:
            pickle.dump((result, fault), output)
        else:
            output.write(json.dumps([result, None if fault is None else str(fault)]).encode())
    leave(0)
