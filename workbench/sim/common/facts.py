"""Facts about a function and the device functions that it calls, collected when it is compiled for the simulator."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Function = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Capture:
    """An array in device memory that a kernel captures: it uses the address, not a copy.

    Attributes
    ----------
    name : the array's name in the kernel
    array : the array's memory
    words : where machine code reads the array's region, address, shape and strides, set by every launch
    """

    name: str
    array: NDArray[Any]
    words: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", np.zeros(2 + 2 * self.array.ndim, np.int64))


@dataclass
class Facts:
    """Facts about one function.

    Attributes
    ----------
    by_bytes : whether it views memory as smaller elements
    makes_arrays : whether it makes shared or local arrays, which are not cleared
    captures : arrays in device memory that it captures as globals or free variables
    constants : arrays in host memory that it captures, by name: constants of the kernel
    calls : device functions that it calls
    sites, names, declarations : numbers that its machine code holds
    extended : whether it calls functions or methods that a user has implemented with ``overload``
    """

    by_bytes: bool = False
    makes_arrays: bool = False
    captures: list[Capture] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    calls: set[Function] = field(default_factory=set)
    sites: set[int] = field(default_factory=set)
    names: set[int] = field(default_factory=set)
    declarations: set[int] = field(default_factory=set)
    extended: bool = False


_facts: dict[Function, Facts] = defaultdict(Facts)


def of(function: Function) -> Facts:
    """Return the facts about a function, to read or update."""
    return _facts[function]


def reachable(function: Function) -> list[Facts]:
    """Return the facts about a function and about all functions that it calls, directly or indirectly."""
    found, left = {function}, [function]
    while left:
        new = _facts[left.pop()].calls - found
        found |= new
        left += new
    return [_facts[each] for each in found]
