"""PyTorch as a peer: the operators that its layers and its autograd call, without either.

The inputs are created in inference mode, so that autograd ignores them, as inside a whole network; entering the mode in
every timed call would add 4 microseconds. Images are tried in both memory formats; they (and filters) are converted before
the timed call. PyTorch allocates the outputs, as it always does.

A padding that an operator does not support is added before it, and cut from gradients after it, by the ``pad`` that
autograd would use: "pad+" in the name. Backward operators receive what PyTorch saves in its forward pass, such as the
indices of maxima.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kernels.declare.op import Shape
from kernels.declare.shapes import Padding, Pair, window_output
from workbench.peers import Inputs, Options, Variant
from workbench.peers.windows import counted_taps, every_window_sees, fitted_padding

Work = Callable[[], Any]
"""Computes one output, or a tuple of several outputs."""
Way = tuple[str, Work]
"""The name of the extra work besides the operation's own call ("" for none), and the whole work."""

_aten = torch.ops.aten

_PLAIN = torch.contiguous_format
_FORMATS = {"": _PLAIN, " channels_last": torch.channels_last}
"""Memory formats by the suffix of the variant's name."""


def variants(op: str, inputs: Inputs, options: Options, threads: int, device: str) -> tuple[Variant, ...]:
    """See ``workbench.peers.variants``."""
    if op not in _WAYS or (device == "cuda" and not torch.cuda.is_available()):
        return ()
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # full float32 precision
    has_images = any(array.ndim == 4 for array in inputs.values())
    made = []
    with torch.inference_mode():
        for suffix, memory_format in _FORMATS.items() if has_images else [("", _PLAIN)]:
            tensors = {name: _tensor(array, device, memory_format) for name, array in inputs.items()}
            way = _WAYS[op](**tensors, **({"options": options} if options else {}))
            if way is not None:
                besides, work = way
                made.append(_variant(f"torch {besides}{suffix}", work, tensors))
    return tuple(made)


def _tensor(array: NDArray[Any], device: str, memory_format: torch.memory_format) -> Tensor:
    tensor = torch.from_numpy(array).to(device)
    return tensor.contiguous(memory_format=memory_format if array.ndim == 4 else _PLAIN)


def _variant(name: str, compute: Work, tensors: Mapping[str, Tensor]) -> Variant:
    result: list[Any] = []

    def run() -> None:
        result.clear()
        result.append(compute())

    def outputs() -> tuple[Any, ...]:
        several = result[0] if isinstance(result[0], tuple) else (result[0],)
        return tuple(np.array(tensor.cpu().numpy(), order="C") for tensor in several)

    on_host = [tensor for tensor in tensors.values() if tensor.device.type == "cpu"]
    operands = (tensor.as_strided((tensor.numel(),), (1,)).numpy() for tensor in on_host)
    return Variant(name=" ".join(name.split()), run=run, outputs=outputs, operands=tuple(operands))


def _border(padding: Padding) -> list[int]:
    """Return the sides in the order of ``torch.nn.functional.pad``."""
    (top, bottom), (left, right) = padding
    return [left, right, top, bottom]


def _is_symmetric(padding: Padding) -> bool:
    return all(before == after for before, after in padding)


def _conv2d(x: Tensor, w: Tensor, b: Tensor, options: Options) -> Way:
    sides, rest = options["padding"], (options["dilation"], options["groups"])
    stride, border = options["stride"], _border(sides)
    if _is_symmetric(sides):
        padding = sides[0][0], sides[1][0]
        return "", lambda: torch.conv2d(x, w, b, stride, padding, *rest)
    return "pad+conv2d", lambda: torch.conv2d(functional.pad(x, border), w, b, stride, (0, 0), *rest)


def _conv2d_backward(dy: Tensor, x: Tensor, w: Tensor, options: Options) -> Way:
    sides, stride, dilation = options["padding"], options["stride"], options["dilation"]
    border, cut = _border(sides), [-side for side in _border(sides)]

    def backward(image: Tensor, padding: tuple[int, int]) -> Any:
        return _aten.convolution_backward(
            dy,
            image,
            w,
            [w.shape[0]],
            stride,
            padding,
            dilation,
            False,  # transposed
            (0, 0),
            options["groups"],
            (True, True, True),
        )

    def backward_of_padded() -> Any:
        dx, dw, db = backward(functional.pad(x, border), (0, 0))
        return functional.pad(dx, cut), dw, db

    if _is_symmetric(sides):
        return "", lambda: backward(x, (sides[0][0], sides[1][0]))
    return "pad+conv2d_backward", backward_of_padded


@dataclass(frozen=True, kw_only=True)
class _Pool:
    """How PyTorch computes a pool: with its own options, or over an image with a border.

    Attributes
    ----------
    window : kernel size, stride and padding, PyTorch's first arguments
    border : what ``pad`` adds; None if the padding is PyTorch's own
    """

    window: tuple[Pair, Pair, Pair]
    ceil_mode: bool
    border: list[int] | None

    def bordered(self, x: Tensor, value: float) -> Tensor:
        """Return x with its border."""
        return x if self.border is None else functional.pad(x, self.border, value=value)

    def cut(self, dx: Tensor) -> Tensor:
        """Return the gradient without the border."""
        return dx if self.border is None else functional.pad(dx, [-side for side in self.border])


def _plan_pool(kind: str, shape: Shape, options: Options) -> _Pool | None:
    """Return how PyTorch can compute a pool; None if it cannot.

    Its own padding is symmetric and at most half a window before dilation, and no window of a maximum may be entirely in
    the padding. Its averages have no dilation; those over a border also count the elements of the border.
    """
    kernel, sides, dilation = options["kernel_size"], options["padding"], options["dilation"]
    if kind != "max" and dilation != (1, 1):
        return None
    half = all(2 * side[0] <= size for side, size in zip(sides, kernel, strict=True))
    if _is_symmetric(sides) and half and every_window_sees(shape, options):
        padding = sides[0][0], sides[1][0]
        return _Pool(window=(kernel, options["stride"], padding), ceil_mode=options["ceil_mode"], border=None)
    if kind == "avg":
        out = window_output("pool2d", shape, kernel, options)
        counts = counted_taps(shape, options, out, padding=options["count_include_pad"])
        if any(set(counts[axis]) != {kernel[axis]} for axis in (0, 1)):
            return None
    border = _border(fitted_padding("pool2d", shape, kernel, options))
    return _Pool(window=(kernel, options["stride"], (0, 0)), ceil_mode=False, border=border)


def _pool2d(kind: str, x: Tensor, options: Options) -> Way | None:
    pool = _plan_pool(kind, tuple(x.shape), options)
    if pool is None:
        return None
    besides = "" if pool.border is None else f"pad+{kind}_pool2d"
    if kind == "max":
        rest = options["dilation"], pool.ceil_mode
        return besides, lambda: torch.max_pool2d(pool.bordered(x, -inf), *pool.window, *rest)
    how = _averaging(kind, pool, options)
    return besides, lambda: _aten.avg_pool2d(pool.bordered(x, 0.0), *pool.window, *how)


def _averaging(kind: str, pool: _Pool, options: Options) -> tuple[bool, bool, int | None]:
    """Return ceil_mode, count_include_pad and the divisor that replaces the count; a sum divides by 1."""
    return pool.ceil_mode, options.get("count_include_pad", True), 1 if kind == "sum" else None


def _pool2d_backward(kind: str, dy: Tensor, x: Tensor, options: Options) -> Way | None:
    pool = _plan_pool(kind, tuple(x.shape), options)
    if pool is None:
        return None
    besides = "" if pool.border is None else f"pad+{kind}_pool2d_backward"
    if kind == "max":
        image, rest = pool.bordered(x, -inf), (options["dilation"], pool.ceil_mode)
        places = _aten.max_pool2d_with_indices(image, *pool.window, *rest)[1]
        backward = _aten.max_pool2d_with_indices_backward
        return besides, lambda: pool.cut(backward(dy, image, *pool.window, *rest, places))
    image, how = pool.bordered(x, 0.0), _averaging(kind, pool, options)
    return besides, lambda: pool.cut(_aten.avg_pool2d_backward(dy, image, *pool.window, *how))


def _dense_backward(dy: Tensor, x: Tensor, w: Tensor) -> Way:
    return "", lambda: (torch.mm(dy, w), torch.mm(dy.t(), x), dy.sum(0))


def _cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float) -> Way:
    return "", lambda: functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def _cross_entropy_backward(logits: Tensor, labels: Tensor, label_smoothing: float) -> Way | None:
    if label_smoothing:
        return None
    one, total = torch.ones((), dtype=logits.dtype), torch.tensor(float(len(labels)), dtype=logits.dtype)

    def work() -> Tensor:
        logarithms = torch.log_softmax(logits, 1)
        gradient = _aten.nll_loss_backward(one, logarithms, labels, None, _MEAN, _IGNORED, total)
        dlogits: Tensor = _aten._log_softmax_backward_data(gradient, logarithms, 1, logits.dtype)
        return dlogits

    return "log_softmax+backward", work


def _batch_norm(x: Tensor, w: Tensor, b: Tensor, options: Options) -> Way:
    def work() -> tuple[Tensor, ...]:
        y, mean, _ = _aten.native_batch_norm(x, w, b, None, None, True, 0.0, options["epsilon"])
        return y, mean, x.var((0, 2, 3), correction=0)  # it keeps 1/deviation, from which var would have lost digits

    return "batch_norm+var", work


def _batch_norm_backward(dy: Tensor, x: Tensor, w: Tensor, mean: Tensor, var: Tensor, options: Options) -> Way:
    epsilon, needed = options["epsilon"], (True, True, True)
    inverse = torch.rsqrt(var + epsilon)
    return "", lambda: _aten.native_batch_norm_backward(dy, x, w, None, None, mean, inverse, True, epsilon, needed)


def _batch_norm_inference(x: Tensor, w: Tensor, b: Tensor, mean: Tensor, var: Tensor, options: Options) -> Way:
    return "", lambda: torch.batch_norm(x, w, b, mean, var, False, 0.0, options["epsilon"], False)


_MEAN, _IGNORED = 1, -100
"""nll_loss's code for the mean, and the label that it ignores."""

_WAYS: dict[str, Callable[..., Way | None]] = {
    "conv2d": _conv2d,
    "conv2d_backward": _conv2d_backward,
    **{f"{kind}_pool2d": partial(_pool2d, kind) for kind in ("max", "avg", "sum")},
    **{f"{kind}_pool2d_backward": partial(_pool2d_backward, kind) for kind in ("max", "avg", "sum")},
    "relu": lambda x: ("", lambda: torch.relu(x)),
    "relu_backward": lambda dy, x: ("", lambda: _aten.threshold_backward(dy, x, 0)),
    "dense": lambda x, w, b: ("", lambda: functional.linear(x, w, b)),
    "dense_backward": _dense_backward,
    "softmax": lambda x: ("", lambda: torch.softmax(x, 1)),
    "softmax_backward": lambda dy, y: ("", lambda: _aten._softmax_backward_data(dy, y, 1, y.dtype)),
    "cross_entropy": _cross_entropy,
    "cross_entropy_backward": _cross_entropy_backward,
    "batch_norm": _batch_norm,
    "batch_norm_inference": _batch_norm_inference,
    "batch_norm_backward": _batch_norm_backward,
}
