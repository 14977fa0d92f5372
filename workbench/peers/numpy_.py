"""NumPy as a peer: code written without a compiler. Outputs are allocated once, outside the timed call.

Convolution copies the elements of every window into columns and multiplies matrices (im2col). Pooling combines one strided
view of the image per tap, which was 40 times as fast as reducing ``sliding_window_view`` (2x2 windows, one Sapphire Rapids
core).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.shapes import Pair, window_output
from workbench.peers import Inputs, Options, Variant
from workbench.peers.windows import counted_taps, fitted_padding, taps

Array = NDArray[Any]
Work = tuple[Callable[[], object], tuple[Array, ...]]
"""The timed call, and its output arrays."""


def variants(op: str, inputs: Inputs, options: Options, threads: int) -> tuple[Variant, ...]:  # noqa: ARG001
    """See ``workbench.peers.variants``; the number of threads is set by the environment."""
    if op in ("max_pool2d", "avg_pool2d", "sum_pool2d"):
        run, filled = _pool2d(op, inputs["x"], options)
    elif op == "conv2d":
        run, filled = _conv2d(**inputs, options=options)
    elif op in _WAYS:
        run, filled = _WAYS[op](**inputs, **options)
    else:
        return ()
    return (
        Variant(
            name="numpy im2col" if op == "conv2d" else "numpy",
            run=run,
            outputs=lambda: tuple(array.copy() for array in filled),
            operands=tuple(array.reshape(-1) for array in (*inputs.values(), *filled)),
        ),
    )


def _relu(x: Array) -> Work:
    y = np.empty_like(x)
    return lambda: np.maximum(x, 0, out=y), (y,)


def _relu_backward(dy: Array, x: Array) -> Work:
    dx, passes = np.empty_like(x), np.empty(x.shape, np.bool_)

    def run() -> None:
        np.greater(x, 0, out=passes)
        np.multiply(dy, passes, out=dx)

    return run, (dx,)


def _dense(x: Array, w: Array, b: Array) -> Work:
    y = np.empty((x.shape[0], w.shape[0]), x.dtype)

    def run() -> None:
        np.matmul(x, w.T, out=y)
        np.add(y, b, out=y)

    return run, (y,)


def _dense_backward(dy: Array, x: Array, w: Array) -> Work:
    dx, dw, db = np.empty_like(x), np.empty_like(w), np.empty(w.shape[0], w.dtype)

    def run() -> None:
        np.matmul(dy, w, out=dx)
        np.matmul(dy.T, x, out=dw)
        np.sum(dy, axis=0, out=db)

    return run, (dx, dw, db)


def _fill_softmax(x: Array, y: Array) -> None:
    np.subtract(x, x.max(axis=1, keepdims=True), out=y)
    np.exp(y, out=y)
    np.divide(y, y.sum(axis=1, keepdims=True), out=y)


def _softmax(x: Array) -> Work:
    y = np.empty_like(x)
    return lambda: _fill_softmax(x, y), (y,)


def _softmax_backward(dy: Array, y: Array) -> Work:
    dx = np.empty_like(y)

    def run() -> None:
        np.multiply(dy, y, out=dx)
        np.subtract(dy, dx.sum(axis=1, keepdims=True), out=dx)
        np.multiply(dx, y, out=dx)

    return run, (dx,)


def _cross_entropy(logits: Array, labels: Array, label_smoothing: float) -> Work:
    loss, rows = np.empty((), logits.dtype), np.arange(labels.size)
    shifted, powers = np.empty_like(logits), np.empty_like(logits)

    def run() -> None:
        np.subtract(logits, logits.max(axis=1, keepdims=True), out=shifted)
        np.exp(shifted, out=powers)
        own = shifted[rows, labels]
        if label_smoothing:
            own = (1 - label_smoothing) * own + label_smoothing * shifted.mean(axis=1)
        np.mean(np.log(powers.sum(axis=1)) - own, out=loss)

    return run, (loss,)


def _cross_entropy_backward(logits: Array, labels: Array, label_smoothing: float) -> Work:
    dlogits, rows = np.empty_like(logits), np.arange(labels.size)

    def run() -> None:
        _fill_softmax(logits, dlogits)
        dlogits[rows, labels] -= 1 - label_smoothing
        if label_smoothing:
            np.subtract(dlogits, label_smoothing / logits.shape[1], out=dlogits)
        np.divide(dlogits, labels.size, out=dlogits)

    return run, (dlogits,)


_WAYS: dict[str, Callable[..., Work]] = {
    "relu": _relu,
    "relu_backward": _relu_backward,
    "dense": _dense,
    "dense_backward": _dense_backward,
    "softmax": _softmax,
    "softmax_backward": _softmax_backward,
    "cross_entropy": _cross_entropy,
    "cross_entropy_backward": _cross_entropy_backward,
}


def _bordered(op: str, x: Array, kernel: Pair, options: Options, value: float) -> tuple[Array, Callable[[], None]]:
    """Return x with its padding, and a function that copies x into it again; without padding, x and a no-op."""
    (top, bottom), (left, right) = fitted_padding(op, x.shape, kernel, options)
    if not (top or bottom or left or right):
        return x, lambda: None
    height, width = x.shape[2:]
    image = np.full((*x.shape[:2], top + height + bottom, left + width + right), value, x.dtype)
    inside = image[:, :, top : top + height, left : left + width]
    return image, lambda: np.copyto(inside, x)


def _conv2d(x: Array, w: Array, b: Array, options: Options) -> Work:
    kernel, groups = (w.shape[2], w.shape[3]), options["groups"]
    out = window_output("conv2d", x.shape, kernel, options)
    image, copy = _bordered("conv2d", x, kernel, options, 0.0)
    per_group = (x.shape[0], groups, w.shape[1])
    columns = np.empty((*per_group, *kernel, *out), x.dtype)
    y = np.empty((x.shape[0], w.shape[0], *out), x.dtype)
    matrix = w.reshape(groups, w.shape[0] // groups, -1)
    by_column = columns.reshape(*per_group[:2], matrix.shape[2], -1)
    product = y.reshape(*per_group[:2], matrix.shape[1], -1)

    def run() -> None:
        copy()
        for (p, q), seen in taps(image, kernel, options, out):
            columns[:, :, :, p, q] = seen.reshape(*per_group, *out)
        np.matmul(matrix, by_column, out=product)
        np.add(y, b[:, None, None], out=y)

    return run, (y,)


def _pool2d(op: str, x: Array, options: Options) -> Work:
    kernel, combine = options["kernel_size"], np.maximum if op == "max_pool2d" else np.add
    out = window_output(op, x.shape, kernel, options)
    image, copy = _bordered(op, x, kernel, options, -np.inf if op == "max_pool2d" else 0.0)
    y = np.empty((*x.shape[:2], *out), x.dtype)
    divisors = _divisors(x, out, options) if op == "avg_pool2d" else None

    def run() -> None:
        copy()
        for (p, q), seen in taps(image, kernel, options, out):
            if p == q == 0:
                np.copyto(y, seen)
            else:
                combine(y, seen, out=y)
        if divisors is not None:
            np.divide(y, divisors, out=y)

    return run, (y,)


def _divisors(x: Array, out: Pair, options: Options) -> Array:
    """Count the taps (OH,OW) that every mean divides by; NaN instead of 0, so that the mean is NaN."""
    rows, columns = counted_taps(x.shape, options, out, padding=options["count_include_pad"])
    counts = np.multiply.outer(rows, columns).astype(x.dtype)
    counts[counts == 0] = np.nan
    return counts
