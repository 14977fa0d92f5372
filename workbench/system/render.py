"""The formatting of results: tables, bars and JSON. No other module formats output."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from workbench.system.files import atomic_path
from workbench.system.terminal import one_line, print_line, print_text


class _MessageConsole(Console):
    """A console that prints a string as one line of text, not as markup."""

    def print(self, *objects: Any, **options: Any) -> None:
        shown = (Text(one_line(each)) if isinstance(each, str) else each for each in objects)
        super().print(*shown, **options)


def message_console() -> Console:
    """Return a console on standard error, for progress and messages. NO_COLOR is respected."""
    return _MessageConsole(stderr=True, highlight=False, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """Print a table to standard output, as ``table_lines`` makes it."""
    for line in table_lines(columns, rows, right=right):
        print_line(line)


def table_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> list[str]:
    """Return the lines of a table; the columns named in ``right`` are aligned to the right.

    A row is always one line, so that nothing is cut off or wrapped and the output can be searched line by line.
    """
    lines = [[one_line(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)]
    aligned = [column in set(right) for column in columns]
    return [
        "  ".join(
            padded(cell, width, right=flush) for cell, width, flush in zip(line, widths, aligned, strict=True)
        ).rstrip()
        for line in lines
    ]


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return a text filled with spaces to a width in columns of the terminal, in which some characters take two."""
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as Markdown; what would be markup in a cell is escaped."""
    lines = [map(_plain_markdown, columns), ["---"] * len(columns), *(map(_plain_markdown, row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _plain_markdown(cell: Any) -> str:
    """Escape pipes, code, emphasis, links, images, HTML and entities; a lone underscore between letters is plain text."""
    return re.sub(r"([\\`*|\[\]<>&~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", one_line(cell))


def bar(share: float, width: int = 40) -> str:
    """Return a share 0..1 as a bar, in eighths of a character if the output can display them."""
    if not (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf"):
        return "#" * round(share * width)
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def write_json(value: Any, target: str | None) -> None:
    """Write ``value`` as JSON to a file, to standard output for "-", or nowhere for None."""
    if target is not None:
        write_text(json.dumps(value, indent=1, allow_nan=False), target)


def write_text(text: str, target: str | None) -> None:
    """Write a text to a file, to standard output for "-", or nowhere for None."""
    if target is None:
        return
    if target == "-":
        print_text(text)
        return
    with atomic_path(Path(target)) as path:
        path.write_text(text + "\n", encoding="utf-8")
