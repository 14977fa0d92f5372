"""dropout, as loops.

In training every element is dropped with probability p, and the others are enlarged, so that the expectation stays:

    y  = x / (1 - p)  where the element is kept, else 0
    dx = dy / (1 - p) where the element is kept, else 0

Inference does nothing. Whether an element is kept is a pure function of the seed, of the number n of its sample and of its
place e in the sample: it is kept if its random word of 32 bits is at least p * 2**32. Philox gives four words for a counter;
they belong to places that are 16 apart, so that 16 neighbours have the same word of 16 neighbouring counters:

    word[e] = philox(counter = (16 * (e // 64) + e % 16, n), key = seed)[e % 64 // 16]

A dropped element is 0 even if it is NaN or infinite; in ``dropout_multiplied`` it is multiplied by 0, as in PyTorch.

Source: N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 2014, section 10
(scaled in training, not in inference); Philox: see ``kernels.compile.philox``, whose formula stands here once more.
"""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


def dropout_reference(x: Array, p: float, seed: int, y: Array) -> None:
    """Compute y from x, of any shape, of which the first axis counts the samples."""
    samples = x.shape[0] if x.ndim > 0 else 1
    size = x.size // max(samples, 1)
    x, y = x.reshape(-1), y.reshape(-1)
    one = y.dtype.type(1)
    for n in range(samples):
        for e in range(size):
            kept = word_of(seed, n, e) >= int(p * 2**32)
            y[n * size + e] = x[n * size + e] / (one - y.dtype.type(p)) if kept else 0


def dropout_backward_reference(dy: Array, p: float, seed: int, dx: Array) -> None:
    """Compute dx from dy, of any shape, of which the first axis counts the samples."""
    samples = dy.shape[0] if dy.ndim > 0 else 1
    size = dy.size // max(samples, 1)
    dy, dx = dy.reshape(-1), dx.reshape(-1)
    one = dx.dtype.type(1)
    for n in range(samples):
        for e in range(size):
            kept = word_of(seed, n, e) >= int(p * 2**32)
            dx[n * size + e] = dy[n * size + e] / (one - dx.dtype.type(p)) if kept else 0


def dropout_multiplied(x: Array, p: float, seed: int, y: Array) -> None:
    """Compute y like ``dropout_reference``, and dx from dy, by a product with 0 where an element is dropped."""
    ones = x.copy()
    ones[...] = 1
    dropout_reference(ones, p, seed, y)
    y *= x


def word_of(seed: int, n: int, e: int) -> int:
    """Return the random word of element e of sample n."""
    mask = 0xFFFFFFFF
    counter = e // 64 * 16 + e % 16
    c0, c1, c2, c3 = counter & mask, counter >> 32, n & mask, n >> 32
    k0, k1 = seed & mask, seed >> 32
    for _ in range(10):
        first, second = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1 = ((second >> 32) & mask) ^ c1 ^ k0, second & mask
        c2, c3 = ((first >> 32) & mask) ^ c3 ^ k1, first & mask
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return (c0, c1, c2, c3)[e % 64 // 16]
