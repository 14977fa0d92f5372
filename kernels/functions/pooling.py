"""Pooling: the public functions."""

from typing import Any

from kernels.call.dispatch import run
from kernels.declare.array_types import FloatArray
from kernels.functions.shared import Array, PaddingLike, PairLike, public


@public
def max_pool2d(
    x: FloatArray,
    kernel_size: PairLike,
    *,
    stride: PairLike | None = None,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    ceil_mode: bool = False,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Return the largest value of every window. Padding counts as -inf; a NaN in the window gives NaN.

    y[n,c,i,j] = max over p,q of x[n, c, i*sh + p*dh - top, j*sw + q*dw - left]

    Parameters
    ----------
    x : (N, C, H, W)
    kernel_size, dilation : >= 1
    stride : >= 1; None: kernel_size
    padding : >= 0, smaller than the dilated window
    ceil_mode : round the output size up, and drop windows that would start in the bottom or right padding

    Returns
    -------
    y : (N, C, OH, OW)
    """
    options = _pool_options(kernel_size, stride, padding, dilation, ceil_mode)
    return run("max_pool2d", {"x": x}, options, out=out, device=device, stream=stream)


@public
def avg_pool2d(
    x: FloatArray,
    kernel_size: PairLike,
    *,
    stride: PairLike | None = None,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
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
    count_include_pad : divide by the size of the window clipped to the padded input; otherwise by the number of its
        elements inside the input (a window with none gives NaN)

    Returns
    -------
    y : (N, C, OH, OW)
    """
    options = _pool_options(kernel_size, stride, padding, dilation, ceil_mode, count_include_pad=count_include_pad)
    return run("avg_pool2d", {"x": x}, options, out=out, device=device, stream=stream)


@public
def sum_pool2d(
    x: FloatArray,
    kernel_size: PairLike,
    *,
    stride: PairLike | None = None,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
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


@public
def max_pool2d_backward(
    dy: FloatArray,
    x: FloatArray,
    kernel_size: PairLike,
    *,
    stride: PairLike | None = None,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    ceil_mode: bool = False,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Return the gradient of ``max_pool2d``: dy goes to the first maximum of its window, in row-major order.

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


@public
def avg_pool2d_backward(
    dy: FloatArray,
    x: FloatArray,
    kernel_size: PairLike,
    *,
    stride: PairLike | None = None,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Return the gradient of ``avg_pool2d``: dy, divided as the mean was, goes to every input element of its window.

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


@public
def sum_pool2d_backward(
    dy: FloatArray,
    x: FloatArray,
    kernel_size: PairLike,
    *,
    stride: PairLike | None = None,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    ceil_mode: bool = False,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Array:
    """Return the gradient of ``sum_pool2d``: dy goes to every input element of its window.

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


def _pool_options(
    kernel_size: PairLike,
    stride: PairLike | None,
    padding: PaddingLike,
    dilation: PairLike,
    ceil_mode: bool,
    **more: bool,
) -> dict[str, Any]:
    return {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": ceil_mode,
        **more,
    }
