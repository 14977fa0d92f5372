"""Random numbers as a pure function of a counter and a key: Philox 4x32-10, for the CPU, for CUDA and uncompiled.

No generator is advanced, so that the numbers do not depend on the order in which they are computed, nor on threads. All
words are integers of 32 bits in wider ones: plain Python, NumPy and compiled code give the same, and LLVM turns the products
into one SIMD instruction each. (As signed integers of 64 bits the products may wrap around; the bits used are the same.)

Source: J. Salmon, M. Moraes, R. Dror and D. Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011, section 4.3.
"""

from kernels.compile.jit import cpu_core

Words = tuple[int, int, int, int]

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
"""Added to the key in every round."""
WORD = 0xFFFFFFFF
"""The largest word: 32 bits."""

_M0, _M1 = MULTIPLIERS
_W0, _W1 = WEYL


@cpu_core
def philox(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> Words:
    """Return four random words for the counter (c0, c1, c2, c3) and the key (k0, k1)."""
    for _ in range(ROUNDS):
        first, second = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (second >> 32 & WORD) ^ c1 ^ k0, second & WORD, (first >> 32 & WORD) ^ c3 ^ k1, first & WORD
        k0, k1 = (k0 + _W0) & WORD, (k1 + _W1) & WORD
    return c0, c1, c2, c3


@cpu_core
def derived_key(low: int, high: int, step: int, number: int, purpose: int) -> tuple[int, int]:
    """Return the two words of ``derived_seed``, from the two of a seed."""
    first, second, _, _ = philox(step & WORD, step >> 32, number, purpose, low, high)
    return first, second & 0x7FFFFFFF


def derived_seed(seed: int, step: int, number: int, purpose: int) -> int:
    """Return the seed, from 0 to 2**63 - 1, of what is drawn in a step of a training.

    Parameters
    ----------
    seed : that of the training, 0 or more; its lowest 64 bits count
    step : the number of steps taken before
    number : tells apart what is drawn for the same purpose, for example the number of a layer; below 2**32
    purpose : DROPOUT, or another constant; below 2**32
    """
    uncompiled = getattr(philox, "py_func", philox)  # compiling takes longer than all calls of a training
    first, second, _, _ = uncompiled(step & WORD, step >> 32, number, purpose, seed & WORD, seed >> 32 & WORD)
    return int(first | (second & 0x7FFFFFFF) << 32)


DROPOUT, AUGMENTATION = 1, 2
"""The purposes: the masks of dropout layers, each told apart by the number of its layer; what is drawn for pictures."""
