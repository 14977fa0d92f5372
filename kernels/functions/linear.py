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
    precision: str | None = None,
) -> Array:
    """Apply a fully connected layer: y = x w^T + b.

    Parameters
    ----------
    x : (N, K)
    w : (M, K)
    b : (M,); None: zero
    precision : "tf32" or "bf16": float32 factors may be rounded to 11 or 8 significant bits where the device has tensor
        cores for them; sums stay in float32. None: neither

    Returns
    -------
    y : (N, M)
    """
    return run("dense", {"x": x, "w": w, "b": b}, {}, out=out, device=device, stream=stream, precision=precision)


@public
def dense_backward(
    dy: FloatArray,
    x: FloatArray,
    w: FloatArray,
    *,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
    precision: str | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of ``dense`` with respect to x, w and b.

    Parameters
    ----------
    dy : (N, M) gradient with respect to y
    x : (N, K)
    w : (M, K)
    precision : as for ``dense``; db is in full precision

    Returns
    -------
    dx : (N, K)
    dw : (M, K)
    db : (M,)
    """
    return run(
        "dense_backward", {"dy": dy, "x": x, "w": w}, {}, out=out, device=device, stream=stream, precision=precision
    )
