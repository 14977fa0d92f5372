"""Where Python finds modules: never in the working directory, and in a user's folder only while a file of it loads."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""For the environment of a new Python process: it does not put its working directory or its script's folder on the path."""

_ROOT = str(Path(__file__).resolve().parents[2])
"""The folder of the package: on the path if it is installed, else a source checkout."""


@contextmanager
def folder_on_path(folder: Path) -> Iterator[None]:
    """Find modules in a folder too inside the block, after all others: a file beside a user's hides no module."""
    entry = str(folder)
    sys.path.append(entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def own_path() -> list[str]:
    """Return the path for a new process: this one's without the working directory, with the folder of this package."""
    path = [entry for entry in sys.path if entry]
    return path if _ROOT in path else [*path, _ROOT]


def python_command(module: str) -> list[str]:
    """Return the command that calls ``main()`` of a module of this package in a new process."""
    code = f"import sys; sys.path[:] = {own_path()!r}; from {module} import main; main()"
    return [sys.executable, "-P", "-c", code]
