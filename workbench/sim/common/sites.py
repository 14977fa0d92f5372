"""Numbers that machine code uses for source places, array names and shared arrays."""

import zlib
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

Value = TypeVar("Value")

_MOST = 1 << 31
"""Numbers are below this: the runtime stores them in 32 bits, and -1 for none."""


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


class _Numbering(Generic[Value]):
    """Numbers for values that depend on the values alone, as long as no two collide: compiled kernels on disk hold them."""

    def __init__(self) -> None:
        self.values: dict[int, Value] = {}
        self._numbers: dict[Value, int] = {}

    def number_of(self, value: Value) -> int:
        """Return the number of a value."""
        if value not in self._numbers:
            self._numbers[value] = self.new(value)
        return self._numbers[value]

    def new(self, value: Value) -> int:
        """Return a number for a value that no other value has, not even an equal one."""
        number = zlib.crc32(repr(value).encode()) % _MOST
        while number in self.values:
            number = (number + 1) % _MOST
        self.values[number] = value
        return number

    def claim(self, number: int, value: Value) -> bool:
        """Let a value have a number, as machine code on disk does; return whether no other value has it."""
        self._numbers.setdefault(value, number)
        return self.values.setdefault(number, value) == value


SITES: _Numbering[Site] = _Numbering()
NAMES: _Numbering[str] = _Numbering()
DECLARATIONS: _Numbering[Declaration] = _Numbering()
"""A declaration has a number for each call in a compiled function."""


def site_at(number: int) -> Site | None:
    """Return the place with a number; None for -1."""
    return SITES.values.get(number)


def name_at(number: int) -> str:
    """Return the name with a number."""
    return NAMES.values[number]


def declaration_at(number: int) -> Declaration:
    """Return the declaration with a number."""
    return DECLARATIONS.values[number]
