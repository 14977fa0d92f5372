"""How results look: tables, bars and JSON. The only formatter."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workbench.files import atomic_path

PLAIN_WIDTH = 200
"""Columns where the output is no terminal, so that nothing is cut off."""


def console(*, stderr: bool = False) -> Console:
    """Give a console for results (standard output) or messages (standard error). NO_COLOR is respected."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else PLAIN_WIDTH, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """Print a table to standard output; the columns named in ``right`` are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    aligned = set(right)
    for column in columns:
        table.add_column(column, justify="right" if column in aligned else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console().print(table, soft_wrap=False)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Give a table as Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def bar(share: float, width: int = 40) -> str:
    """Draw a share 0..1 as a bar, in eighths of a character where the output can show them."""
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        return "#" * round(share * width)
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def write_json(value: Any, target: str) -> None:
    """Write ``value`` as JSON to a file, or to standard output for "-"."""
    text = json.dumps(value, indent=1, allow_nan=False)
    if target == "-":
        print(text)
        return
    with atomic_path(Path(target)) as path:
        path.write_text(text + "\n")
