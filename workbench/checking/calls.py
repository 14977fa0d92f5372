"""The calls that the judge asks for, and what they return: the protocol between the judge and the process of a kernel."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from kernels.compile.twins import Twin
from workbench.checking.buffers import LaidOut
from workbench.sampling import Case

Mode = Literal["run", "bounds", "watch", "huge"]
"""How a kernel is run: unchanged; compiled with bounds checks; uncompiled, with every access watched; unchanged,
on arrays of more than 2**31 bytes, which the process of the kernel makes itself."""

Reason = Literal["result", "untyped", "unmatched", "package", "memory", "exception", "hazard"]
"""Why a call failed: the result is none; it cannot be compiled for these types, or has no code for them; a package or memory
is missing; it raised an exception; an access was an error."""

REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a kernel.

    Attributes
    ----------
    inputs, outputs : the arrays, in the order of the calling convention
    options : the values of the options
    mode : how the kernel is run
    twin : the compilation of a kernel with a serial twin that is called; None: that which it chooses
    order : the seed of the order of ``prange`` in plain Python; None: the natural order
    same_memory : whether the inputs take the place of those of the call before; otherwise they are in new memory
    """

    inputs: tuple[LaidOut, ...]
    outputs: tuple[LaidOut, ...]
    options: tuple[Any, ...]
    mode: Mode = "run"
    twin: Twin | None = None
    order: int | None = None
    same_memory: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """The bytes of the buffers, in order."""
        return tuple(each.image.size for each in (*self.inputs, *self.outputs))


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a call has no result.

    Attributes
    ----------
    kind : the kind of the reason
    reason : one line
    details : lines with more information
    """

    kind: Reason
    reason: str
    details: str = ""


@dataclass(frozen=True, kw_only=True)
class Returned:
    """What a call left.

    Attributes
    ----------
    buffers : the bytes of the buffers of inputs and outputs; none if it failed
    failure : why it failed
    warning : a line on what the simulator warned of
    """

    buffers: tuple[NDArray[np.uint8], ...] = ()
    failure: Failure | None = None
    warning: str = ""


class Caller(Protocol):
    """Calls a kernel, in this process or in another.

    ``NoAnswer`` is raised if that process ends or takes too long.
    """

    @property
    def has_twin(self) -> bool:
        """Whether the kernel has a serial twin."""

    def call(self, call: Call) -> Returned:
        """Make one call."""

    def call_huge(self, case: Case) -> Returned:
        """Make one call on the arrays of a case; return the bytes of the outputs alone."""

    def read_again(self) -> tuple[NDArray[np.uint8], ...]:
        """Return the bytes that the buffers of the last call hold now."""
