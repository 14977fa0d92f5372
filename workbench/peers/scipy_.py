"""SciPy as a peer: the filters of scipy.ndimage, convolution by FFT, and scipy.special for the classifier.

Both ways to convolve support only stride 1, dilation 1 and one group. ``ndimage.correlate`` sums in float64 on one thread,
one channel of the images and one of a filter at a time. The other way transforms images and filters by ``scipy.fft``, sums
over the channels in the frequency domain and transforms back. Its rounding errors are small relative to the largest element
of the result, not to each element, so that an element-wise bound may be exceeded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, special

from kernels.declare.shapes import Pair, window_output
from workbench.peers import Inputs, Options, Variant

Array = NDArray[Any]


def variants(op: str, inputs: Inputs, options: Options, threads: int) -> tuple[Variant, ...]:
    """See ``workbench.peers.variants``."""
    if op == "softmax":
        x = inputs["x"]
        return (_variant("scipy", lambda: special.softmax(x, axis=1), inputs),)
    if op == "cross_entropy":
        return (
            _variant("scipy", _cross_entropy(inputs["logits"], inputs["labels"], options["label_smoothing"]), inputs),
        )
    if op != "conv2d" or options["stride"] != (1, 1) or options["dilation"] != (1, 1) or options["groups"] != 1:
        return ()
    x, w, b = inputs["x"], inputs["w"], inputs["b"]
    out = window_output(op, x.shape, (w.shape[2], w.shape[3]), options)
    sides = ((0, 0), (0, 0), *options["padding"])
    padded = any(sum(side) for side in sides)

    def image() -> Array:
        return np.pad(x, sides) if padded else x

    return (
        _variant("scipy ndimage.correlate", lambda: _correlate(image(), w, b, out), inputs),
        _variant("scipy fft", lambda: _convolve_by_fft(image(), w, b, out, threads), inputs),
    )


def _variant(name: str, compute: Callable[[], Array], inputs: Inputs) -> Variant:
    result: list[Array] = []

    def run() -> None:
        result[:] = [compute()]

    return Variant(
        name=name,
        run=run,
        outputs=lambda: tuple(np.array(array, order="C") for array in result),
        operands=tuple(array.reshape(-1) for array in inputs.values()),
    )


def _cross_entropy(logits: Array, labels: Array, label_smoothing: float) -> Callable[[], Array]:
    rows = np.arange(labels.size)

    def compute() -> Array:
        logarithms = special.log_softmax(logits, axis=1)
        loss = -logarithms[rows, labels].mean()
        return np.asarray(
            (1 - label_smoothing) * loss - label_smoothing * logarithms.mean() if label_smoothing else loss
        )

    return compute


def _correlate(image: Array, w: Array, b: Array, out: Pair) -> Array:
    """Correlate images (N,C,H,W), padding included, with filters (O,C,KH,KW)."""
    top, left = w.shape[2] // 2, w.shape[3] // 2  # ndimage keeps the size: its windows are centred on the pixels
    y = np.empty((image.shape[0], w.shape[0], *out), image.dtype)
    y[...] = b[:, None, None]
    for o in range(w.shape[0]):
        for c in range(w.shape[1]):
            same = ndimage.correlate(image[:, c], w[o, c, None], mode="constant")
            y[:, o] += same[:, top : top + out[0], left : left + out[1]]
    return y


def _convolve_by_fft(image: Array, w: Array, b: Array, out: Pair, threads: int) -> Array:
    """Convolve as ``_correlate`` does. Wrap-around affects only positions at which no window starts."""
    size = [fft.next_fast_len(length, real=True) for length in image.shape[2:]]
    images = fft.rfft2(image, size, workers=threads).transpose(2, 3, 0, 1)
    filters = fft.rfft2(w, size, workers=threads).conj().transpose(2, 3, 1, 0)
    products = np.ascontiguousarray(images) @ np.ascontiguousarray(filters)  # (frequencies, N, O)
    y: Array = fft.irfft2(products.transpose(2, 3, 0, 1), size, workers=threads)[:, :, : out[0], : out[1]]
    y += b[:, None, None]
    return y
