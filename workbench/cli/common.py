"""Options that several commands share, and checks of their values."""

import math
import os
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import click

from workbench.system.terminal import print_line
from workbench.target.command_device import TIMED

Command = TypeVar("Command", bound=Callable[..., Any])

DTYPES = ("float32", "float64")


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
    if not can_be_written(path):
        raise click.BadParameter(f"{path} cannot be written; name a file in a folder you can write to")
    return target


def png_file(context: click.Context, parameter: click.Parameter, target: str | None) -> Path | None:
    """Refuse a path that cannot be written, or that is not named as a PNG file."""
    if target is None:
        return None
    if Path(target).suffix.lower() != ".png":
        raise click.BadParameter(f"{target}: pictures are PNG files; name it .png")
    writable(context, parameter, target)
    return Path(target)


def can_be_written(path: Path) -> bool:
    """Return whether a file can be written there; a pipe and a device can."""
    if path.exists() and not path.is_file() and not path.is_dir():
        return True
    return not path.is_dir() and path.parent.is_dir() and os.access(path.parent, os.W_OK)


def simulated(device: str) -> AbstractContextManager[object]:
    """Return a context in which CUDA kernels are simulated, if they are in this process; without hazards, for speed."""
    from workbench.system.machine import in_simulator

    if device == "cpu" or not in_simulator():
        return nullcontext()
    from workbench.sim import simulator

    return simulator(hazards=False)


def network_device_option(command: Command) -> Command:
    """Add ``--device cpu|cuda`` to a command that runs a trained network."""
    choice = click.Choice([each.name for each in TIMED])
    return click.option("--device", type=choice, default="cpu", show_default=True, help="Where the network runs.")(
        command
    )


def finite(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN and infinity, which click's ranges accept."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number")
    return value


def chosen_dtypes(dtype: str) -> tuple[str, ...]:
    """Return the precisions that a value of ``--dtype`` selects."""
    return DTYPES if dtype == "all" else (dtype,)


_PAIR = re.compile(r"([0-9]{1,4})(?:x([0-9]{1,4}))?")


def size_pair(text: str) -> tuple[int, int] | None:
    """Read N or HxW, numbers of at most four digits; None for any other text.

    No picture has larger sides, and larger numbers would exceed the kernels' integers or the memory.
    """
    match = _PAIR.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2] or match[1]))


def show_notes(notes: Iterable[str]) -> None:
    """Print what a user should know about the data on standard error, one line each."""
    for note in notes:
        print_line(f"note: {note}", err=True)
