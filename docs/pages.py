"""The pages of the documentation as data: the files that they show, and their commands with the output below them."""

import re
from collections.abc import Iterator

FENCE = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", flags=re.DOTALL)
"""A block of code: its language, the name of its file if it has one, and its text."""


def files(page: str) -> dict[str, str]:
    """Return the Python files that a page shows, by name."""
    return {file: code for kind, file, code in FENCE.findall(page) if kind == "python" and file}


def transcripts(page: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a page, each with the output shown below it."""
    for kind, _, text in FENCE.findall(page):
        if kind == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                yield command, output
