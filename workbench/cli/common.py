"""What several commands share: options, devices in processes of their own, notices of compilation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workbench.system.errors import InputError, nearest

if TYPE_CHECKING:
    from rich.console import Console

Command = TypeVar("Command", bound=Callable[..., Any])
Row = dict[str, Any]
Document = dict[str, Any]

FAILED = 1

ENVIRONMENT = {
    "cpu": {"NUMBA_DISABLE_JIT": "0"},
    "cuda": {"NUMBA_DISABLE_JIT": "0", "NUMBA_ENABLE_CUDASIM": "0"},
    "sim": {"NUMBA_DISABLE_JIT": "0", "NUMBA_ENABLE_CUDASIM": "1"},
    "python": {"NUMBA_DISABLE_JIT": "0"},
}
"""The devices of the command line, and what Numba must find in the environment, when it is imported, to be that device:
the CPU, a GPU, the CUDA kernels in the simulator, the CPU kernels' bodies uncompiled (their oracle stays compiled)."""


def json_option(command: Command) -> Command:
    """Add ``--json PATH|-``; a path that cannot be written is refused before any work is done."""
    option = click.option(
        "--json",
        "json_target",
        metavar="PATH|-",
        callback=writable,
        help="Write the results as JSON; - for standard output.",
    )
    return option(command)


def writable(_context: click.Context, _parameter: click.Parameter, target: str | None) -> str | None:
    """Refuse a path that cannot be written."""
    if target in (None, "-"):
        return target
    path = Path(str(target))
    if path.exists() and not path.is_file() and not path.is_dir():
        return target  # a pipe or a device
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise click.BadParameter(f"{path} cannot be written; name a file in a folder you can write to")
    return target


def op_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Check names of operations; none means all."""
    from kernels import OPS

    for name in names:
        if name not in OPS:
            raise nearest("operation", name, list(OPS))
    return tuple(dict.fromkeys(names)) or tuple(OPS)


def kernel_kind(device: str) -> str:
    """Return the kind of kernels, "cpu" or "cuda", that a device of the command line runs."""
    return "cuda" if device in ("cuda", "sim") else "cpu"


def absence(device: str) -> str | None:
    """Say why a device of the command line is not there; None when it is."""
    if device == "sim":
        from workbench.sim.host import patching

        return patching.absence()
    if device != "cuda":
        return None
    from kernels.memory.devices import CUDA_REMEDY, cuda_fault
    from workbench.system.machine import in_simulator

    if in_simulator():
        return "NUMBA_ENABLE_CUDASIM=1 puts the simulator in the place of CUDA; unset it, or use --device sim"
    fault = cuda_fault()
    return None if fault is None else f"{fault}; {CUDA_REMEDY}"


def on_devices(
    device: str,
    devices: tuple[str, ...],
    arguments: list[str],
    here: Callable[[str], Document],
) -> tuple[list[Document], dict[str, str]]:
    """Run a command's work on one device or, for "all", on each of ``devices`` in a process of its own.

    Parameters
    ----------
    arguments : the command and its arguments but for ``--device``, to run it again in another process
    here : device -> what the command's JSON says of it, worked out in this process

    Returns
    -------
    documents
        What ``here`` gave, device by device.
    absent
        By device, why it is not there; only with "all".

    Raises
    ------
    InputError
        The device asked for is not there, or its process broke off.
    """
    if device != "all":
        fault = absence(device)
        if fault is not None:
            raise InputError(f"--device {device}: {fault}")
        return [here(device) if _is_here(device) else _elsewhere(device, arguments)], {}
    faults = {one: absence(one) for one in devices}
    documents = [_elsewhere(one, arguments) for one, fault in faults.items() if fault is None]
    return documents, {one: fault for one, fault in faults.items() if fault is not None}


def _is_here(device: str) -> bool:
    return all(os.environ.get(name, "0") == value for name, value in ENVIRONMENT[device].items())


def _elsewhere(device: str, arguments: list[str]) -> Document:
    command = [sys.executable, "-m", "workbench", *arguments, "--device", device, "--json", "-"]
    environment = os.environ | ENVIRONMENT[device]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode == 2 and not done.stdout:
        raise click.exceptions.Exit(2)  # it has said why
    try:
        result: Document = json.loads(done.stdout)
    except ValueError:
        alone = " ".join(["workbench", *arguments, "--device", device])
        raise InputError(f"the process for {device} ended with {done.returncode}; run it alone: {alone}") from None
    return result


class CompileNotices:
    """Says on a console what Numba compiles, each function once, and at the end how long it took in all."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seconds: dict[str, list[float]] = {}

    def start(self, name: str) -> None:
        """Say that a compilation begins."""
        if not self._seconds:
            self._console.print("compiling for this machine")
        self._seconds.setdefault(name, [])

    def end(self, name: str, seconds: float) -> None:
        """Take down how long it took."""
        spent = self._seconds.setdefault(name, [])
        spent.append(seconds)
        if len(spent) == 1:
            self._console.print(f"  compiled {name} in {seconds:.1f} s")

    def tell(self, name: str, seconds: float | None) -> None:
        """Take the word of another process: without seconds a compilation begins."""
        if seconds is None:
            self.start(name)
        else:
            self.end(name, seconds)

    def total(self) -> None:
        """Say how long all of it took."""
        times = [seconds for spent in self._seconds.values() for seconds in spent]
        if times:
            names = f"{len(self._seconds)} function{'' if len(self._seconds) == 1 else 's'}"
            types = f" for {len(times)} sets of argument types" if len(times) > len(self._seconds) else ""
            self._console.print(f"compiled {names}{types} in {sum(times):.1f} s")


@contextmanager
def compile_notices(console: Console) -> Iterator[CompileNotices]:
    """Say on ``console`` what Numba compiles inside the block, and how long it took in all."""
    from workbench.system.compile_watch import watch_compilation

    notices = CompileNotices(console)
    with watch_compilation(notices.start, notices.end):
        yield notices
    notices.total()
