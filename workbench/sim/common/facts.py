"""What compiling a function for the simulator tells of it, and of the device functions that it calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.sim.compiler.capturing import Capture

Function = Callable[..., Any]


@dataclass
class Facts:
    """What is known of one function.

    Attributes
    ----------
    by_bytes : whether it looks at memory as at smaller elements
    captures : arrays in device memory that it takes from where it was defined
    calls : device functions
    """

    by_bytes: bool = False
    captures: list[Capture] = field(default_factory=list)
    calls: set[Function] = field(default_factory=set)


_facts: dict[Function, Facts] = defaultdict(Facts)


def of(function: Function) -> Facts:
    """Return what is known of a function, to be read or added to."""
    return _facts[function]


def reachable(function: Function) -> list[Facts]:
    """Return what is known of a function and of all that it calls, directly or through others."""
    found, left = {function}, [function]
    while left:
        new = _facts[left.pop()].calls - found
        found |= new
        left += new
    return [_facts[each] for each in found]
