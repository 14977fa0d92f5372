"""Orders of summation, each within the bound of ``kernels.declare.rounding.Sum``."""

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.selftest.variants._compiling import Array, Kernel, compiled

Order = Callable[[Array], Any]
"""Returns the sum of the terms, of which there may be none; may overwrite them."""
Summing = tuple[str, Callable[[Order], Kernel], tuple[Order, ...]]
"""(operation, function that returns its kernel for an order, the orders)"""


@compiled
def backwards(terms: Array) -> Any:
    """Add from the last term."""
    total = terms.dtype.type(0)
    for i in range(terms.size - 1, -1, -1):
        total += terms[i]
    return total


@compiled
def pairwise(terms: Array) -> Any:
    """Add neighbours, then neighbouring sums, and so on."""
    size = terms.size
    if size == 0:
        return terms.dtype.type(0)
    while size > 1:
        for i in range(size // 2):
            terms[i] = terms[2 * i] + terms[2 * i + 1]
        if size % 2:
            terms[size // 2] = terms[size - 1]
        size = (size + 1) // 2
    return terms[0]


@compiled
def four_sums(terms: Array) -> Any:
    """Deal the terms out to four accumulators."""
    sums = np.zeros(4, terms.dtype)
    for i in range(terms.size):
        sums[i % 4] += terms[i]
    return (sums[0] + sums[1]) + (sums[2] + sums[3])


@compiled
def blocks(terms: Array) -> Any:
    """Add the sums of blocks of eight."""
    total = terms.dtype.type(0)
    for first in range(0, terms.size, 8):
        block = terms.dtype.type(0)
        for i in range(first, min(first + 8, terms.size)):
            block += terms[i]
        total += block
    return total


@compiled
def from_both_ends(terms: Array) -> Any:
    """Add the first and the last term, the second and the last but one, and so on."""
    total = terms.dtype.type(0)
    for i in range((terms.size + 1) // 2):
        total += terms[i]
        if i != terms.size - 1 - i:
            total += terms[terms.size - 1 - i]
    return total


@compiled
def compensated(terms: Array) -> Any:
    """Return Kahan's sum; the plain sum if that is not finite, since inf - inf in the compensation would make it NaN."""
    total = terms.dtype.type(0)
    plain = terms.dtype.type(0)
    lost = terms.dtype.type(0)
    for term in terms:
        plain += term
        corrected = term - lost
        raised = total + corrected
        lost = (raised - total) - corrected
        total = raised
    return total if np.isfinite(plain) else plain


@compiled
def in_double(terms: Array) -> Any:
    """Add in float64, rounding once at the end."""
    total = 0.0
    for term in terms:
        total += term
    return terms.dtype.type(total)


ORDER_NAMES: dict[Order, str] = {
    backwards: "reversed",
    pairwise: "pairwise",
    four_sums: "four accumulators",
    blocks: "in blocks of eight",
    from_both_ends: "from both ends",
    compensated: "compensated",
    in_double: "accumulated in float64",
}
