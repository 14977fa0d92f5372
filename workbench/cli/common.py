"""Options that several commands share, and checks of their values."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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
    if path.exists() and not path.is_file() and not path.is_dir():
        return target  # a pipe or a device
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise click.BadParameter(f"{path} cannot be written; name a file in a folder you can write to")
    return target


def finite(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN and infinity, which click's ranges accept."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number")
    return value


def chosen_dtypes(dtype: str) -> tuple[str, ...]:
    """Return the precisions that a value of ``--dtype`` selects."""
    return DTYPES if dtype == "all" else (dtype,)
