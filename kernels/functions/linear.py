"""The dense (fully connected) layer: the public functions."""

from typing import Any

from kernels.call.dispatch import run
from kernels.declare.array_types import FloatArray
from kernels.functions.shared import Array, public


@public
def dense(
    x: FloatArray,
    w: FloatArray,
    b: FloatArray | None = None,
    *,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Apply a fully connected layer: y = x w^T + b.

    Parameters
    ----------
    x : (N, K)
    w : (M, K)
    b : (M,); None: zero

    Returns
    -------
    y : (N, M)
    """
    return run("dense", {"x": x, "w": w, "b": b}, {}, out=out, device=device, stream=stream)


@public
def dense_backward(
    dy: FloatArray, x: FloatArray, w: FloatArray, *, out: Any = None, device: str | None = None, stream: Any = None
) -> tuple[Array, Array, Array]:
    """Return the gradients of ``dense`` with respect to x, w and b.

    Parameters
    ----------
    dy : (N, M) gradient with respect to y
    x : (N, K)
    w : (M, K)

    Returns
    -------
    dx : (N, K)
    dw : (M, K)
    db : (M,)
    """
    return run("dense_backward", {"dy": dy, "x": x, "w": w}, {}, out=out, device=device, stream=stream)
