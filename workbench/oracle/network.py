"""The naive references, compiled and in float64, in place of the kernels: the oracle of an op-by-op executor.

Rounding errors pass through a network. Layers that sum products leave them about as large, relative to the largest value, as
they were. A batch normalization does not: it subtracts the mean, and divides by a deviation that may be small.
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS
from kernels.declare.op import Op
from kernels.declare.shapes import normal_options
from workbench.oracle.bounds import reference_outputs
from workbench.oracle.reference import compiled_reference

MOST = 2.0**24
"""The largest factor of one call: nothing is left of a float32 result."""


class References(SimpleNamespace):
    """Every operation as an attribute, called like that of ``kernels``.

    Attributes
    ----------
    amplification : the factor by which the batch normalizations that were called may have enlarged relative errors, at least
        1; the caller sets it to 1. It is a product over the calls: y has the error of x times |w|/deviation, dx that of dy;
        both count relative to the largest value.
    """

    amplification: float = 1.0


def references() -> References:
    """Return an object with every operation as an attribute."""
    found = References(**{name: partial(_call, op) for name, op in OPS.items()})
    for name in ("batch_norm", "batch_norm_inference", "batch_norm_backward"):
        setattr(found, name, partial(_normalize, found, OPS[name]))
    return found


def _normalize(found: References, op: Op, *arrays: NDArray[Any], **options: Any) -> Any:
    outputs = _call(op, *arrays, **options)
    given = dict(zip((item.name for item in op.inputs), arrays, strict=True))
    made = dict(zip(op.outputs, outputs if isinstance(outputs, tuple) else (outputs,), strict=True))
    mean, var = (given[name] if name in given else made[name] for name in ("mean", "var"))
    epsilon = normal_options(op, options, {name: array.shape for name, array in given.items()})["epsilon"]
    slope = (np.abs(given["w"]) / np.sqrt(var + epsilon)).reshape(-1, 1, 1)
    if "dy" in given:
        terms, result = slope * np.abs(given["dy"]), made["dx"]
    else:
        terms, result = slope * (np.abs(given["x"]) + np.abs(mean).reshape(-1, 1, 1)), made["y"]
    given_size, made_size = float(terms.max(initial=0)), float(np.abs(result).max(initial=0))
    found.amplification *= 1 + (given_size / made_size if given_size < MOST * made_size else MOST)
    return outputs


def _call(op: Op, *arrays: NDArray[Any], **options: Any) -> Any:
    inputs = {item.name: np.ascontiguousarray(array) for item, array in zip(op.inputs, arrays, strict=True)}
    shapes = {name: array.shape for name, array in inputs.items()}
    normal = normal_options(op, options, shapes)
    outputs = reference_outputs(op, inputs, normal, np.dtype(np.float64), compiled_reference(op))
    return tuple(outputs) if len(outputs) > 1 else outputs[0]
