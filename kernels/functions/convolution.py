"""Convolution: the public functions."""

from typing import Any

from kernels.call.dispatch import run
from kernels.declare.array_types import FloatArray
from kernels.functions.shared import Array, PaddingLike, PairLike, public


@public
def conv2d(
    x: FloatArray,
    w: FloatArray,
    b: FloatArray | None = None,
    *,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int = 1,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
    precision: str | None = None,
) -> Array:
    """Apply a bank of filters to images (2-D cross-correlation with zero padding).

    y[n,o,i,j] = b[o] + sum over c,p,q of w[o,c,p,q] * x[n, g*C/groups + c, i*sh + p*dh - top, j*sw + q*dw - left]

    Parameters
    ----------
    x : (N, C, H, W) images
    w : (O, C/groups, KH, KW) filters
    b : (O,) bias; None: zero
    stride, dilation : >= 1
    padding : >= 0
    groups : divides C and O; output group g reads channel group g
    precision : "tf32" or "bf16": float32 factors may be rounded to 11 or 8 significant bits where the device has tensor
        cores for them; sums stay in float32. None: neither

    Returns
    -------
    y : (N, O, OH, OW) with OH = floor((H + top + bottom - dh*(KH-1) - 1) / sh) + 1, OW likewise
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return run("conv2d", {"x": x, "w": w, "b": b}, options, out=out, device=device, stream=stream, precision=precision)


@public
def conv2d_backward(
    dy: FloatArray,
    x: FloatArray,
    w: FloatArray,
    *,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int = 1,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
    precision: str | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of ``conv2d`` with respect to x, w and b.

    Parameters
    ----------
    dy : (N, O, OH, OW) gradient with respect to y
    x, w, stride, padding, dilation, groups : as given to ``conv2d``
    precision : as for ``conv2d``; db is in full precision

    Returns
    -------
    dx : (N, C, H, W)
    dw : (O, C/groups, KH, KW)
    db : (O,)
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return run(
        "conv2d_backward",
        {"dy": dy, "x": x, "w": w},
        options,
        out=out,
        device=device,
        stream=stream,
        precision=precision,
    )
