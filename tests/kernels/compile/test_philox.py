"""Philox 4x32-10: the authors' known answers, compiled and not, and seeds derived from it."""

import numpy as np
import pytest

from kernels.compile.philox import WORD, derived_seed, philox
from kernels.ops.dropout.reference import word_of

PI = 0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0
KNOWN = {
    (0,) * 6: (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    (WORD,) * 6: (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    PI: (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
}
"""Counter and key -> words: tests/kat_vectors of the authors' library, Random123."""


@pytest.mark.parametrize("given", KNOWN)
def test_known_answers(given):
    assert tuple(philox(*given)) == KNOWN[given]
    assert getattr(philox, "py_func", philox)(*given) == KNOWN[given]


def test_the_reference_of_dropout_draws_the_same_words():
    for seed, n, e in [(0, 0, 0), (2**63 - 1, 5, 63), (12345678901234, 70000, 1000), (1, 0, 17)]:
        counter = e // 64 * 16 + e % 16
        words = philox(counter, 0, n, 0, seed & WORD, seed >> 32)
        assert word_of(seed, n, e) == words[e % 64 // 16]


def test_a_derived_seed_depends_on_everything():
    base = [3, 4, 5, 6]
    seeds = {derived_seed(*base)}
    for place in range(4):
        for change in (1, 2**31 - 5):
            changed = list(base)
            changed[place] += change
            seeds.add(derived_seed(*changed))
    assert len(seeds) == 9
    assert derived_seed(3 + 2**40, 4, 5, 6) not in seeds
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_words_are_uniform():
    """Means of words and of bits, each within five standard deviations of a half."""
    words = np.array([philox(counter, 0, 0, 0, 7, 0) for counter in range(2000)], np.int64).reshape(-1)
    assert abs((words / 2**32).mean() - 0.5) < 5 / np.sqrt(12 * words.size)
    bits = words[:, None] >> np.arange(32) & 1
    assert (np.abs(bits.mean(axis=0) - 0.5) < 5 / np.sqrt(4 * words.size)).all()
