"""Batch normalization: the public functions."""

from typing import Any

from kernels.call.dispatch import run
from kernels.declare.array_types import FloatArray
from kernels.functions.shared import Array, public


@public
def batch_norm(
    x: FloatArray,
    w: FloatArray,
    b: FloatArray,
    *,
    epsilon: float = 1e-5,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> tuple[Array, Array, Array]:
    """Bring every channel to mean 0 and variance 1 over the batch: y = w * (x - mean) / sqrt(var + epsilon) + b.

    Parameters
    ----------
    x : (N, C, H, W); reshape the outputs (N, K) of a dense layer to (N, K, 1, 1)
    w, b : (C,)
    epsilon : at least 1e-12

    Returns
    -------
    y : (N, C, H, W)
    mean, var : (C,) over N, H and W; the variance is divided by N*H*W, not by one less. NaN for N = 0
    """
    return run("batch_norm", {"x": x, "w": w, "b": b}, {"epsilon": epsilon}, out=out, device=device, stream=stream)


@public
def batch_norm_inference(
    x: FloatArray,
    w: FloatArray,
    b: FloatArray,
    mean: FloatArray,
    var: FloatArray,
    *,
    epsilon: float = 1e-5,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Apply ``batch_norm`` with a mean and a variance that are given, such as averages over many batches.

    Parameters
    ----------
    x : (N, C, H, W)
    w, b, mean, var : (C,); no variance is negative
    epsilon : at least 1e-12

    Returns
    -------
    y : (N, C, H, W)
    """
    arrays = {"x": x, "w": w, "b": b, "mean": mean, "var": var}
    return run("batch_norm_inference", arrays, {"epsilon": epsilon}, out=out, device=device, stream=stream)


@public
def batch_norm_backward(
    dy: FloatArray,
    x: FloatArray,
    w: FloatArray,
    mean: FloatArray,
    var: FloatArray,
    *,
    epsilon: float = 1e-5,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of ``batch_norm``'s y with respect to x, w and b; mean and var depend on x.

    Parameters
    ----------
    dy : (N, C, H, W) gradient with respect to y
    x : (N, C, H, W)
    w : (C,)
    mean, var : (C,) of x, as ``batch_norm`` returns them
    epsilon : as in the forward pass

    Returns
    -------
    dx : (N, C, H, W)
    dw, db : (C,)
    """
    arrays = {"dy": dy, "x": x, "w": w, "mean": mean, "var": var}
    return run("batch_norm_backward", arrays, {"epsilon": epsilon}, out=out, device=device, stream=stream)
