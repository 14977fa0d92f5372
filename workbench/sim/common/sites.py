"""Numbers that machine code uses for source places, array names and shared arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Site:
    """A place in a kernel's source."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A call of ``cuda.shared.array``: the name, shape and type of its result; dynamic memory has no shape."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


_sites: list[Site] = []
_numbers: dict[Site, int] = {}
_names: list[str] = []
_declarations: list[Declaration] = []


def number_of(function: str, file: str, line: int) -> int:
    """Return the number of a place."""
    site = Site(function=function, file=file, line=line)
    if site not in _numbers:
        _numbers[site] = len(_sites)
        _sites.append(site)
    return _numbers[site]


def site_at(number: int) -> Site | None:
    """Return the place with a number; None for -1."""
    return _sites[number] if 0 <= number < len(_sites) else None


def number_of_name(name: str) -> int:
    """Return the number of an array's name."""
    if name not in _names:
        _names.append(name)
    return _names.index(name)


def name_at(number: int) -> str:
    """Return the name with a number."""
    return _names[number]


def declare(declaration: Declaration) -> int:
    """Assign a number to a shared array, one for each call in a compiled function."""
    _declarations.append(declaration)
    return len(_declarations) - 1


def declaration_at(number: int) -> Declaration:
    """Return the declaration with a number."""
    return _declarations[number]
