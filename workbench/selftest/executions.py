"""Counting how often a spoiled statement is executed: in plain Python, and in kernels compiled for the simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from workbench.numba_internals.llvm import ir

UNEXECUTED = 80
"""Cases after which a statement that was not executed is given up."""


class Executions:
    """The number of executions of a statement, before which the counter is called."""

    def __init__(self) -> None:
        self._counted = np.zeros(1, np.int64)

    def __call__(self) -> None:
        """Count one execution in plain Python."""
        self._counted[0] += 1

    @property
    def count(self) -> int:
        """The executions counted."""
        return int(self._counted[0])

    def is_hopeless(self, cases: int) -> bool:
        """Return whether enough cases were tried without executing the statement."""
        return cases >= UNEXECUTED and not self.count

    def compiled(self) -> Callable[[], None]:
        """Return what counts an execution in compiled code; the counter must live as long as that."""
        place = self._counted.ctypes.data

        @intrinsic  # type: ignore[untyped-decorator]
        def count(_typing: Any) -> Any:
            def generate(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
                word = ir.IntType(64)
                pointer = builder.inttoptr(ir.Constant(word, place), word.as_pointer())
                builder.atomic_rmw("add", pointer, ir.Constant(word, 1), "monotonic")

            return types.void(), generate

        return count  # type: ignore[no-any-return]
