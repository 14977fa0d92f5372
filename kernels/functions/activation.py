"""ReLU: the public functions."""

from typing import Any

from kernels.call.dispatch import run
from kernels.declare.array_types import FloatArray
from kernels.functions.shared import Array, public


@public
def relu(x: FloatArray, *, out: Any = None, device: str | None = None, stream: Any = None) -> Array:
    """Replace negative values with zero: y = max(x, 0); NaN stays NaN.

    Parameters
    ----------
    x : any shape

    Returns
    -------
    y : the shape of x
    """
    return run("relu", {"x": x}, {}, out=out, device=device, stream=stream)


@public
def relu_backward(
    dy: FloatArray, x: FloatArray, *, out: Any = None, device: str | None = None, stream: Any = None
) -> Array:
    """Return the gradient of ``relu``: 0 where x <= 0, else dy (also where x is NaN).

    Parameters
    ----------
    dy, x : arrays of the same shape

    Returns
    -------
    dx : the shape of x
    """
    return run("relu_backward", {"dy": dy, "x": x}, {}, out=out, device=device, stream=stream)
