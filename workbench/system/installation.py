"""Whether ``kernels`` is the package that the workbench was installed with.

The registry has another package of that name, and installers overwrite and remove files of each other's packages without a
word. ``kernels`` itself notices if it replaced that package (``kernels.installation``). This module imports nothing of
``kernels``, because the other one may stand in its place, and what only a fault needs inside functions, because every
command runs it.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

OURS, RIVAL = "kernel-workbench", "kernels"
"""The names of the two packages in an installation."""

_MARK = "from kernels.installation import"
"""A line of this project's ``kernels/__init__.py``."""


def fault() -> str | None:
    """Return what is wrong with the package ``kernels`` and how to mend it; None if it is this project's."""
    spec = find_spec("kernels")
    if spec is not None and spec.origin is not None:
        if _MARK in Path(spec.origin).read_text(encoding="utf-8", errors="replace"):
            return None
        return f"{spec.origin} is not that of {OURS}, but of {_owner(Path(spec.origin))}; {_remedy(_uninstall())}"
    return (
        f"the package kernels of {OURS} is not complete: most likely the registry's package of that name was installed over "
        f"it and then uninstalled; {_remedy()}"
    )


def _owner(file: Path) -> str:
    """Return the package that installed a file, except this project."""
    from importlib.metadata import distributions

    for each in distributions():
        if each.name != OURS and any(
            part.name == "__init__.py" and Path(str(each.locate_file(part))).resolve() == file.resolve()
            for part in each.files or ()
        ):
            return f"{each.name} {each.version}"
    return "another package or a folder named kernels"


def _remedy(*first: str) -> str:
    """Return how to get this project's package back, after these commands."""
    import shlex

    again = shlex.join([*_pip("install"), "--force-reinstall", "--no-deps", _source()])
    return f"install {OURS} in an environment of its own, or here again: {'; '.join([*first, again])}"


def _uninstall() -> str:
    """Return the command that uninstalls the other package."""
    import shlex

    return shlex.join([*_pip("uninstall"), RIVAL])


def _pip(command: str) -> list[str]:
    """Return the beginning of a command of pip, or of uv in an environment that uv made."""
    if find_spec("pip") is None:
        return ["uv", "pip", command, "--python", sys.executable]
    return [sys.executable, "-m", "pip", command]


def _source() -> str:
    """Return where this project was installed from: a folder or a file if that is recorded, else its name."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import unquote, urlsplit

    try:
        recorded = distribution(OURS).read_text("direct_url.json")
    except PackageNotFoundError:
        recorded = None
    url = json.loads(recorded)["url"] if recorded else ""
    return unquote(urlsplit(url).path) if url.startswith("file:") else url or f"the sources of {OURS}"
