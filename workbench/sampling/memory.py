"""Whether the arrays of a call fit into memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kernels.declare.op import Op, Shape
from workbench.system.errors import InputError
from workbench.system.machine import memory_bytes


def check_memory(op: Op, shapes: Mapping[str, Shape], options: Mapping[str, Any], dtype: str, name: str) -> None:
    """Raise InputError if the inputs and outputs of a call would not fit into this machine's memory.

    Parameters
    ----------
    op, shapes, options, dtype : the call
    name : where it comes from, for the message
    """
    needed, there = op.moved_bytes(shapes, options, np.dtype(dtype).itemsize), memory_bytes()
    if needed > there:
        raise InputError(
            f"{name}: {op.name} would need {needed / 2**30:,.0f} GiB for its arrays, this machine has "
            f"{there / 2**30:,.0f}; use a smaller case"
        )
