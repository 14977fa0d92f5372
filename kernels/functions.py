"""The public functions. Every one validates, chooses a device, and calls one implementation of its operation.

Arrays are NumPy arrays and whatever offers ``__array__``, ``__array_interface__``, host DLPack or
``__cuda_array_interface__``; inputs are never changed. Options of windows are an int or (height, width); ``padding`` also
((top, bottom), (left, right)), "valid" or "same" (stride 1, the extra pixel at the end).
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any, TypeVar

from kernels.dispatch import run

ArrayLike = Any
"""A NumPy array, or an object as in the list above."""
Array = Any
"""A NumPy array for host inputs, a Numba device array for device inputs."""
Pair = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | str


Function = TypeVar("Function", bound=Callable[..., Any])

_SHARED = """
Other Parameters
----------------
out : receives the result and is returned; an array of its shape and dtype on the same device that overlaps no
    input (a tuple of them for several outputs)
device : "cpu", "cuda" or "auto"; None: use_device, then KERNELS_DEVICE, then where the arrays are
stream : a Numba CUDA stream to launch on; None: the default stream

Raises
------
ShapeError, OptionError, DtypeError
    An argument does not fit; the text names it, what came and what is needed.
DeviceUnavailable
    The device asked for is not there; the text says what would bring it.

Notes
-----
Arrays are all float32 or all float64. The reference in kernels/ops/ carries the mathematics and its sources.
"""


def _public(function: Function) -> Function:
    """Append to a docstring what all operations share."""
    function.__doc__ = f"{dedent('    ' + (function.__doc__ or '')).rstrip()}\n{_SHARED}"
    return function


@_public
def conv2d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Slide a bank of filters over images (2-D cross-correlation, zero padding).

    y[n,o,i,j] = b[o] + sum over c,p,q of w[o,c,p,q] * x[n, g*C/groups + c, i*sh + p*dh - top, j*sw + q*dw - left]

    Parameters
    ----------
    x : (N, C, H, W) images
    w : (O, C/groups, KH, KW) filters
    b : (O,) bias; None: zero
    stride, dilation : >= 1
    padding : >= 0
    groups : divides C and O; group g of the outputs sees group g of the channels

    Returns
    -------
    y : (N, O, OH, OW) with OH = floor((H + top + bottom - dh*(KH-1) - 1) / sh) + 1, OW likewise
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return run("conv2d", {"x": x, "w": w, "b": b}, options, out=out, device=device, stream=stream)


@_public
def conv2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> tuple[Array, Array, Array]:
    """Give the gradients of ``conv2d`` with respect to x, w and b.

    Parameters
    ----------
    dy : (N, O, OH, OW) gradient with respect to y
    x, w, stride, padding, dilation, groups : as given to ``conv2d``

    Returns
    -------
    dx : (N, C, H, W)
    dw : (O, C/groups, KH, KW)
    db : (O,)
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    result: tuple[Array, Array, Array] = run(
        "conv2d_backward", {"dy": dy, "x": x, "w": w}, options, out=out, device=device, stream=stream
    )
    return result


@_public
def relu(x: ArrayLike, *, out: Any = None, device: str | None = None, stream: Any = None) -> Array:
    """Replace negative values by zero: y = max(x, 0), a NaN staying NaN.

    Parameters
    ----------
    x : any shape

    Returns
    -------
    y : the shape of x
    """
    return run("relu", {"x": x}, {}, out=out, device=device, stream=stream)


@_public
def relu_backward(
    dy: ArrayLike, x: ArrayLike, *, out: Any = None, device: str | None = None, stream: Any = None
) -> Array:
    """Give the gradient of ``relu``: 0 where x <= 0, else dy (also where x is NaN).

    Parameters
    ----------
    dy, x : of one shape

    Returns
    -------
    dx : the shape of x
    """
    return run("relu_backward", {"dy": dy, "x": x}, {}, out=out, device=device, stream=stream)


@_public
def max_pool2d(
    x: ArrayLike,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Keep the largest value in every window; padding counts as -inf, a NaN wins.

    y[n,c,i,j] = max over p,q of x[n, c, i*sh + p*dh - top, j*sw + q*dw - left]

    Parameters
    ----------
    x : (N, C, H, W)
    kernel_size, dilation : >= 1
    stride : >= 1; None: kernel_size
    padding : >= 0, smaller than the dilated window
    ceil_mode : round the output's size up, dropping a window that would start in the bottom or right padding

    Returns
    -------
    y : (N, C, OH, OW)
    """
    options = _pool_options(kernel_size, stride, padding, dilation, ceil_mode)
    return run("max_pool2d", {"x": x}, options, out=out, device=device, stream=stream)


@_public
def avg_pool2d(
    x: ArrayLike,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Average every window.

    y[n,c,i,j] = sum over p,q of x[n, c, i*sh + p*dh - top, j*sw + q*dw - left] / (the number of values)

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode : as for ``max_pool2d``
    count_include_pad : divide by the window clipped to the padded input; else by the values on real input (a
        window that sees none gives NaN)

    Returns
    -------
    y : (N, C, OH, OW)
    """
    options = _pool_options(kernel_size, stride, padding, dilation, ceil_mode, count_include_pad=count_include_pad)
    return run("avg_pool2d", {"x": x}, options, out=out, device=device, stream=stream)


@_public
def sum_pool2d(
    x: ArrayLike,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Sum every window.

    y[n,c,i,j] = sum over p,q of x[n, c, i*sh + p*dh - top, j*sw + q*dw - left]

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode : as for ``max_pool2d``

    Returns
    -------
    y : (N, C, OH, OW)
    """
    options = _pool_options(kernel_size, stride, padding, dilation, ceil_mode)
    return run("sum_pool2d", {"x": x}, options, out=out, device=device, stream=stream)


@_public
def max_pool2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Give the gradient of ``max_pool2d``: dy goes to the first place, in row-major order, that holds the maximum.

    Parameters
    ----------
    dy : (N, C, OH, OW)
    x : (N, C, H, W), and the options, as given to ``max_pool2d``

    Returns
    -------
    dx : (N, C, H, W)
    """
    options = _pool_options(kernel_size, stride, padding, dilation, ceil_mode)
    return run("max_pool2d_backward", {"dy": dy, "x": x}, options, out=out, device=device, stream=stream)


@_public
def avg_pool2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Give the gradient of ``avg_pool2d``: dy, divided as the mean was, goes to every place its window saw.

    Parameters
    ----------
    dy : (N, C, OH, OW)
    x : (N, C, H, W), and the options, as given to ``avg_pool2d``

    Returns
    -------
    dx : (N, C, H, W)
    """
    options = _pool_options(kernel_size, stride, padding, dilation, ceil_mode, count_include_pad=count_include_pad)
    return run("avg_pool2d_backward", {"dy": dy, "x": x}, options, out=out, device=device, stream=stream)


@_public
def sum_pool2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Give the gradient of ``sum_pool2d``: dy goes to every place its window saw.

    Parameters
    ----------
    dy : (N, C, OH, OW)
    x : (N, C, H, W), and the options, as given to ``sum_pool2d``

    Returns
    -------
    dx : (N, C, H, W)
    """
    options = _pool_options(kernel_size, stride, padding, dilation, ceil_mode)
    return run("sum_pool2d_backward", {"dy": dy, "x": x}, options, out=out, device=device, stream=stream)


@_public
def dense(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Connect every input to every output: y = x w^T + b.

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


@_public
def dense_backward(
    dy: ArrayLike, x: ArrayLike, w: ArrayLike, *, out: Any = None, device: str | None = None, stream: Any = None
) -> tuple[Array, Array, Array]:
    """Give the gradients of ``dense`` with respect to x, w and b.

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
    result: tuple[Array, Array, Array] = run(
        "dense_backward", {"dy": dy, "x": x, "w": w}, {}, out=out, device=device, stream=stream
    )
    return result


@_public
def softmax(x: ArrayLike, *, out: Any = None, device: str | None = None, stream: Any = None) -> Array:
    """Turn each row of scores into probabilities that sum to one: exp(x) / sum exp(x) along axis 1.

    Parameters
    ----------
    x : (N, K)

    Returns
    -------
    y : (N, K)
    """
    return run("softmax", {"x": x}, {}, out=out, device=device, stream=stream)


@_public
def softmax_backward(
    dy: ArrayLike, y: ArrayLike, *, out: Any = None, device: str | None = None, stream: Any = None
) -> Array:
    """Give the gradient of ``softmax``: dx = y * (dy - sum over k of dy*y).

    Parameters
    ----------
    dy : (N, K) gradient with respect to y
    y : (N, K) what softmax returned

    Returns
    -------
    dx : (N, K)
    """
    return run("softmax_backward", {"dy": dy, "y": y}, {}, out=out, device=device, stream=stream)


@_public
def cross_entropy(
    logits: ArrayLike, labels: ArrayLike, *, out: Any = None, device: str | None = None, stream: Any = None
) -> Array:
    """Give the mean over the batch of -log softmax(logits)[label].

    Parameters
    ----------
    logits : (N, K)
    labels : (N,) of any integer dtype, in [0, K)

    Returns
    -------
    loss : 0-d array of the logits' dtype; NaN for N = 0
    """
    return run("cross_entropy", {"logits": logits, "labels": labels}, {}, out=out, device=device, stream=stream)


@_public
def cross_entropy_backward(
    logits: ArrayLike, labels: ArrayLike, *, out: Any = None, device: str | None = None, stream: Any = None
) -> Array:
    """Give the gradient of ``cross_entropy`` with respect to the logits: (softmax(logits) - onehot(labels)) / N.

    Parameters
    ----------
    logits : (N, K)
    labels : (N,) of any integer dtype, in [0, K)

    Returns
    -------
    dlogits : (N, K)
    """
    return run(
        "cross_entropy_backward", {"logits": logits, "labels": labels}, {}, out=out, device=device, stream=stream
    )


def _pool_options(
    kernel_size: Pair, stride: Pair | None, padding: Padding, dilation: Pair, ceil_mode: bool, **more: bool
) -> dict[str, Any]:
    return {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": ceil_mode,
        **more,
    }
