"""The steps of ``workbench filter --steps`` on the terminal, one after the other."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from workbench.system.terminal import print_line, print_text

if TYPE_CHECKING:
    from workbench.pictures.steps import Convolution

END = ("q", "Q", "\x1b", "\x04")


def print_steps(convolution: Convolution) -> None:
    """Print every step; where there is somebody at a terminal, wait for a key before the next."""
    from workbench.pictures.steps_text import step_text

    waits = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns
    for number, step in enumerate(convolution.steps):
        if number and waits and not _goes_on():
            return
        print_text(("\n" if number else "") + step_text(convolution, step, width))


def _goes_on() -> bool:
    print_line("Enter, or any key: the next step; q: the end", err=True)
    try:
        return click.getchar() not in END
    except EOFError:
        return False
