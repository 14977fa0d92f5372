"""The naive references, compiled and in float64, in place of the kernels: the oracle of an op-by-op executor."""

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


def references() -> Any:
    """Return an object with every operation as an attribute, called like that of ``kernels``."""
    return SimpleNamespace(**{name: partial(_call, op) for name, op in OPS.items()})


def _call(op: Op, *arrays: NDArray[Any], **options: Any) -> Any:
    inputs = {item.name: np.ascontiguousarray(array) for item, array in zip(op.inputs, arrays, strict=True)}
    shapes = {name: array.shape for name, array in inputs.items()}
    normal = normal_options(op, options, shapes)
    outputs = reference_outputs(op, inputs, normal, np.dtype(np.float64), compiled_reference(op))
    return outputs if len(outputs) > 1 else outputs[0]
