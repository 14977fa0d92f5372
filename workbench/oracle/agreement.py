"""Whether two kernels agree: the results of the built-in kernels, and how far from them another right result may be.

This costs two calls of the built-in kernels, where the reference in a higher precision costs some ten times as much.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from kernels.call.planning import plan
from kernels.call.registry import built_in_only
from kernels.declare.op import Op, Options
from kernels.declare.rounding import Analytic
from workbench.oracle.bounds import Oracle, oracle
from workbench.sampling import Arrays

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def agreement(op: Op, inputs: Arrays, options: Options, accumulate: str | None = None) -> Oracle:
    """Return the outputs of the built-in CPU kernels in float32, with the bounds of the difference of two right results.

    A share above 1 means that one of the two is wrong. Where the bounds are a formula of the exact outputs, the built-in
    kernels compute in float64, and the bounds are those of one result.

    Parameters
    ----------
    op, inputs, options : the call, options in normal form
    accumulate : the lower precision that the other kernel declares
    """
    precise = DOUBLE if isinstance(op.rounding, Analytic) else SINGLE
    compiled = _built_in(op, precise)
    return oracle(op, inputs, options, SINGLE, compiled=compiled, accumulate=accumulate, precise=precise)


def _built_in(op: Op, dtype: np.dtype[Any]) -> Callable[..., None]:
    """Return the built-in kernels as a function in the calling convention."""
    names, settings = [item.name for item in op.inputs], [option.name for option in op.options]

    def compute(*arguments: Any) -> None:
        inputs = dict(zip(names, arguments, strict=False))
        options = dict(zip(settings, arguments[len(names) :], strict=False))
        outputs = arguments[len(names) + len(settings) :]
        shapes = {name: array.shape for name, array in inputs.items()}
        with built_in_only():
            call = plan(op, shapes, dtype, options, device="cpu")
            steps = call.steps
        for function, positions in steps:
            function(*inputs.values(), *call.option_values, *[outputs[position] for position in positions])

    return compute
