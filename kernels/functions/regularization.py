"""Dropout: the public functions."""

from typing import Any

from kernels.call.dispatch import run
from kernels.declare.array_types import FloatArray
from kernels.functions.shared import Array, public


@public
def dropout(
    x: FloatArray, *, p: float, seed: int, out: Any = None, device: str | None = None, stream: Any = None
) -> Array:
    """Set elements to zero at random, with probability p, and divide the others by 1 - p.

    Parameters
    ----------
    x : any shape; the first axis counts the samples
    p : 0 <= p < 1
    seed : 0 <= seed < 2**63. Which elements are kept depends on it and on their places alone: on the number of the sample
        and the place in the sample, not on the device or the number of threads.

    Returns
    -------
    y : the shape of x
    """
    return run("dropout", {"x": x}, {"p": p, "seed": seed}, out=out, device=device, stream=stream)


@public
def dropout_backward(
    dy: FloatArray, *, p: float, seed: int, out: Any = None, device: str | None = None, stream: Any = None
) -> Array:
    """Return the gradient of ``dropout`` with the same p and seed: dy / (1 - p) where the element was kept, else 0.

    Parameters
    ----------
    dy : any shape, that of x
    p, seed : as in the forward pass

    Returns
    -------
    dx : the shape of dy
    """
    return run("dropout_backward", {"dy": dy}, {"p": p, "seed": seed}, out=out, device=device, stream=stream)
