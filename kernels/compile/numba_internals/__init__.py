"""What the kernels use of Numba and llvmlite beyond Numba's documented API.

``numba``, ``numba.cuda``, ``numba.types`` and ``numba.extending`` are documented and may be imported anywhere. All other
modules of Numba, and llvmlite, may change with every version: only this package imports them, one
module for each purpose, and a test enforces that. For another version change ``TESTED`` and the bounds in pyproject.toml,
run all tests (``make test-lowest``, ``make test-newest``) and adapt what fails.
"""

import re
from collections.abc import Mapping
from importlib.metadata import version

Versions = tuple[str, str]
"""The lowest and the highest version, major and minor number."""

TESTED: Mapping[str, Versions] = {"numba": ("0.66", "0.68"), "llvmlite": ("0.48", "0.50")}
"""The versions that the internals were tested with."""


def untested(tested: Mapping[str, Versions] = TESTED) -> list[str]:
    """Return the installed packages whose version is outside the tested ones, each with both."""
    installed = {name: version(name) for name in tested}
    return [
        f"{name} {installed[name]}, tested with {shown(ends)}"
        for name, ends in tested.items()
        if not _minor(ends[0]) <= _minor(installed[name]) <= _minor(ends[1])
    ]


def shown(ends: Versions) -> str:
    """Return a range of versions as text."""
    return " to ".join(dict.fromkeys(ends))


def _minor(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
