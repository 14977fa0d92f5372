"""What is asked of kernels and device functions without a launch: ``kernel.overloads``; and functions without a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.sim.common.modes import Mode
from workbench.sim.compiler.signatures import Signature


def _signatures(kernel: Any) -> tuple[Signature, ...]:
    """Return what a kernel was told; nothing of one that was defined outside the simulator."""
    return getattr(kernel, "signatures", ())


@dataclass(frozen=True)
class Overload:
    """A function for some types of arguments, told or to be inferred."""

    kernel: Any
    arguments: tuple[Any, ...]

    @property
    def signature(self) -> Any:
        """Numba's signature, with the type of the result."""
        from workbench.sim.compiler.compilation import device_function

        compiled = device_function(self.kernel.fn, _signatures(self.kernel), mode=Mode.WATCHED)
        if self.arguments not in compiled.overloads:
            compiled.compile(self.arguments)
        return compiled.overloads[self.arguments].signature

    def max_cooperative_grid_blocks(self, blockdim: Any) -> int:
        """Return how many blocks of so many threads can wait for each other."""
        from workbench.sim.host.tables import FIBERS

        return FIBERS // int(np.prod(blockdim))


class Overloads(dict[tuple[Any, ...], Overload]):
    """What a kernel is asked for by types of arguments: its signatures, and any others."""

    def __init__(self, kernel: Any) -> None:
        super().__init__({each.arguments: Overload(kernel, each.arguments) for each in _signatures(kernel)})
        self._kernel = kernel

    def __missing__(self, arguments: tuple[Any, ...]) -> Overload:
        return Overload(self._kernel, arguments)


@dataclass(frozen=True)
class LinkedFunction:
    """What ``cuda.declare_device`` gives: a name in code that only a GPU's linker finds."""

    name: str
