"""Queries of kernels and device functions without a launch: ``kernel.overloads``."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.sim.common.modes import Mode
from workbench.sim.compiler.device_functions import device_function
from workbench.sim.compiler.pipeline import COMPILERS
from workbench.sim.compiler.signatures import Signature
from workbench.sim.host.devices import blocks_at_once
from workbench.sim.host.tables import FIBERS


def _signatures(kernel: Any) -> tuple[Signature, ...]:
    """Return a kernel's explicit signatures; none for one defined outside the simulator."""
    return getattr(kernel, "signatures", ())


@dataclass(frozen=True)
class Overload:
    """A function for some argument types, given or inferred."""

    kernel: Any
    arguments: tuple[Any, ...]

    @property
    def signature(self) -> Any:
        """Numba's signature, with the type of the result."""
        compiled = device_function(self.kernel.fn, _signatures(self.kernel), compiler=COMPILERS[Mode.WATCHED])
        if self.arguments not in compiled.overloads:
            compiled.compile(self.arguments)
        return compiled.overloads[self.arguments].signature

    def max_cooperative_grid_blocks(self, blockdim: Any, dynsmemsize: int = 0) -> int:
        """Return the most blocks of ``blockdim`` threads that can wait for each other: on the GPU, and here."""
        threads = int(np.prod(blockdim))
        return min(blocks_at_once(threads, dynsmemsize), FIBERS // threads)


class Overloads(dict[tuple[Any, ...], Overload]):
    """A kernel's overloads by argument types: its signatures, and others on request."""

    def __init__(self, kernel: Any) -> None:
        super().__init__({each.arguments: Overload(kernel, each.arguments) for each in _signatures(kernel)})
        self._kernel = kernel

    def __missing__(self, arguments: tuple[Any, ...]) -> Overload:
        return Overload(self._kernel, arguments)
