"""What several commands share: options, devices in processes of their own, notices of compilation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workbench.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.compilation import CompileWatch

Command = TypeVar("Command", bound=Callable[..., Any])
Row = dict[str, Any]
Document = dict[str, Any]

FAILED = 1

ENVIRONMENT = {
    "cpu": {"NUMBA_DISABLE_JIT": "0"},
    "cuda": {"NUMBA_DISABLE_JIT": "0", "NUMBA_ENABLE_CUDASIM": "0"},
    "sim": {"NUMBA_DISABLE_JIT": "0", "NUMBA_ENABLE_CUDASIM": "1"},
    "python": {"NUMBA_DISABLE_JIT": "1"},
}
"""The devices of the command line, and what Numba must find in the environment, when it is imported, to be that device:
the CPU, a GPU, the CUDA kernels in Numba's simulator, the CPU kernels' bodies uncompiled."""


def json_option(command: Command) -> Command:
    """Add ``--json PATH|-``; a path that cannot be written is refused before any work is done."""
    option = click.option(
        "--json",
        "json_target",
        metavar="PATH|-",
        callback=_writable,
        help="Write the results as JSON; - for standard output.",
    )
    return option(command)


def _writable(_context: click.Context, _parameter: click.Parameter, target: str | None) -> str | None:
    if target in (None, "-"):
        return target
    path = Path(str(target))
    if path.exists() and not path.is_file() and not path.is_dir():
        return target  # a pipe or a device
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise click.BadParameter(f"{path} cannot be written; name a file in a folder you can write to")
    return target


def nearest(kind: str, name: str, known: list[str] | tuple[str, ...]) -> InputError:
    """Give the error for a name that is not ``known``, with the nearest one that is."""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return InputError(f"unknown {kind} {name!r}; {hint}")


def op_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Check names of operations; none means all."""
    from kernels import OPS

    for name in names:
        if name not in OPS:
            raise nearest("operation", name, list(OPS))
    return tuple(dict.fromkeys(names)) or tuple(OPS)


def kernel_kind(device: str) -> str:
    """Give the kind of kernels, "cpu" or "cuda", that a device of the command line runs."""
    return "cuda" if device in ("cuda", "sim") else "cpu"


def absence(device: str) -> str | None:
    """Say why a device of the command line is not there; None when it is."""
    if device != "cuda":
        return None
    from kernels.devices import CUDA_REMEDY, cuda_fault
    from workbench.machine import in_simulator

    if in_simulator():
        return "NUMBA_ENABLE_CUDASIM=1 puts the simulator in the place of CUDA; unset it, or use --device sim"
    fault = cuda_fault()
    return None if fault is None else f"{fault}; {CUDA_REMEDY}"


def on_devices(
    device: str,
    devices: tuple[str, ...],
    arguments: list[str],
    *,
    here: Callable[[str], Document],
    skipped: Callable[[str, str], Document],
) -> list[Document]:
    """Run a command's work on one device or, for "all", on each of ``devices`` in a process of its own.

    Parameters
    ----------
    arguments : the command and its arguments but for ``--device``, to run it again in another process
    here : device -> what the command's JSON says of it, worked out in this process
    skipped : (device, reason) -> likewise, for a device that is absent, with "all"

    Raises
    ------
    InputError
        The device asked for is not there, or its process broke off.
    """
    if device != "all":
        fault = absence(device)
        if fault is not None:
            raise InputError(f"--device {device}: {fault}")
        return [here(device) if _is_here(device) else _elsewhere(device, arguments)]
    return [_elsewhere(one, arguments) if (fault := absence(one)) is None else skipped(one, fault) for one in devices]


def _is_here(device: str) -> bool:
    return all(os.environ.get(name, "0") == value for name, value in ENVIRONMENT[device].items())


def _elsewhere(device: str, arguments: list[str]) -> Document:
    command = [sys.executable, "-m", "workbench", *arguments, "--device", device, "--json", "-"]
    environment = os.environ | ENVIRONMENT[device]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 130:
        raise KeyboardInterrupt
    try:
        result: Document = json.loads(done.stdout)
    except ValueError:
        alone = " ".join(["workbench", *arguments, "--device", device])
        raise InputError(f"the process for {device} ended with {done.returncode}; run it alone: {alone}") from None
    return result


@contextmanager
def compile_notices(console: Console) -> Iterator[CompileWatch]:
    """Say on ``console`` what Numba compiles, and how long it took in all."""
    from workbench.compilation import watch_compilation

    first = True

    def start(_name: str) -> None:
        nonlocal first
        if first:
            console.print("compiling for this machine; kernels stay in the compile cache")
            first = False

    def end(name: str, seconds: float) -> None:
        console.print(f"  compiled {name} in {seconds:.1f} s")

    with watch_compilation(start, end) as watch:
        yield watch
    if watch.seconds:
        count = len(watch.seconds)
        console.print(f"compiled {count} function{'' if count == 1 else 's'} in {watch.total:.1f} s")
