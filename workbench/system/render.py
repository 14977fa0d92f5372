"""The formatting of results: tables, bars and JSON. No other module formats output."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from workbench.system.files import atomic_path


def message_console() -> Console:
    """Return a console on standard error, for progress and messages. NO_COLOR is respected."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """Print a table to standard output; the columns named in ``right`` are aligned to the right.

    A row is always one line, so that nothing is cut off or wrapped and the output can be searched line by line.
    """
    lines = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    aligned = [column in set(right) for column in columns]
    for line in lines:
        cells = zip(line, widths, aligned, strict=True)
        print("  ".join(cell.rjust(width) if flush else cell.ljust(width) for cell, width, flush in cells).rstrip())


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def bar(share: float, width: int = 40) -> str:
    """Return a share 0..1 as a bar, in eighths of a character if the output can display them."""
    if not (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf"):
        return "#" * round(share * width)
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def write_json(value: Any, target: str | None) -> None:
    """Write ``value`` as JSON to a file, to standard output for "-", or nowhere for None."""
    if target is None:
        return
    text = json.dumps(value, indent=1, allow_nan=False)
    if target == "-":
        print(text)
        return
    with atomic_path(Path(target)) as path:
        path.write_text(text + "\n")
