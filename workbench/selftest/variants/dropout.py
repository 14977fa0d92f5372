"""Right kernels of dropout and its gradient."""

import numpy as np

from kernels.ops.dropout.reference import word_of
from workbench.selftest.variants._compiling import Array, Other


def _mask(shape: tuple[int, ...], p: float, seed: int) -> Array:
    """Return which elements are kept."""
    size = int(np.prod(shape[1:]))
    words = [word_of(seed, n, e) for n in range(shape[0]) for e in range(size)]
    return np.array(words, np.int64).reshape(shape) >= int(p * 2**32)


def _selected(x: Array, p: float, seed: int, y: Array) -> None:
    factor = x.dtype.type(1 / (1 - p))
    y[...] = np.where(_mask(x.shape, p, seed), x * factor, x.dtype.type(0))


def _divided(x: Array, p: float, seed: int, y: Array) -> None:
    y[...] = 0
    np.divide(x, x.dtype.type(1 - p), out=y, where=_mask(x.shape, p, seed))


def _backward_selected(dy: Array, p: float, seed: int, dx: Array) -> None:
    dx[...] = 0
    kept = _mask(dy.shape, p, seed)
    dx[kept] = dy[kept] / dy.dtype.type(1 - p)


OTHERS: tuple[Other, ...] = (
    ("dropout", "np.where", _selected),
    ("dropout", "divided where kept", _divided),
    ("dropout_backward", "the kept elements alone", _backward_selected),
)
