"""Mutants that are no faults: they compute the same for every valid call, so that no checker can tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.selftest.mutation import Mutant

_EQUAL_LARGEST = (
    "Where the scores are equal, either is the largest; a zero of the other sign changes no difference but the sign of a "
    "zero, and no value that is made of it."
)
_EMPTY_STEP = "Where nothing is left of a row, the step over what is left touches nothing and adds nothing."
_EITHER_STEP = (
    "Steps of one vector and of four compute the same, in another order of summation; which of them a row takes is a matter "
    "of speed."
)
_ZERO_AT_ZERO = (
    "At x = 0 it gives x itself instead of 0: again 0, at most of the other sign, which compares equal. Everywhere else, "
    "NaN included, both comparisons agree."
)
_HOW_MANY_PANELS = (
    "How many panels of columns a unit takes changes no result: each is computed by itself, in the same order."
)
_UNUSED_FLAG = "The flag says what an average counts; the kernel reads it only where it averages, and here it sums."

EQUIVALENT: dict[str, str | tuple[str, tuple[str, ...]]] = {
    "relu.cpu.relu_cpu boundary: value <= zero -> value < zero": _ZERO_AT_ZERO,
    "relu.cuda._forward boundary: x[i] <= zero -> x[i] < zero": _ZERO_AT_ZERO,
    "pool2d.cpu.direct.avg_pool2d_backward_cpu extreme: max(taps, 1) -> taps": (
        "Only a window with no taps to count is divided by 0 instead of 1. It sees no real input either, so its share, "
        "infinite or NaN, is added nowhere."
    ),
    "dense.cpu.panels._forward loop-bound: prange(groups * parts) -> prange(groups * parts + 1)": (
        "The unit behind the last one begins where the samples end, and turns over none."
    ),
    "dense.cpu.gradients._backward condition: few -> not few": _HOW_MANY_PANELS,
    "dense.cpu.gradients._backward extreme: max(parts * count // UNITS, 1) -> 1": _HOW_MANY_PANELS,
    "pool2d.cuda.sum_pool2d_cuda flag: False -> True #2": _UNUSED_FLAG,
    "pool2d.cuda.sum_pool2d_backward_cuda flag: False -> True #2": _UNUSED_FLAG,
    "softmax.cpu._largest_in_row boundary: whole < start + size -> whole <= start + size": _EMPTY_STEP,
    "softmax.cpu._add_exponentials boundary: whole < start + size -> whole <= start + size": _EMPTY_STEP,
    "softmax.cpu._scale_row boundary: whole < start + size -> whole <= start + size": _EMPTY_STEP,
    "softmax.cpu._differentiate_row boundary: left > 0 -> left >= 0": _EMPTY_STEP,
    "softmax.cpu._differentiate_row boundary: left > 0 -> left >= 0 #2": _EMPTY_STEP,
    "softmax.cpu._exponentials_of_row condition: size <= lanes(x) -> False": _EITHER_STEP,
    "softmax.cpu._exponentials_of_row boundary: size <= lanes(x) -> size < lanes(x)": _EITHER_STEP,
    "softmax.cpu._scale condition: size <= lanes(y) -> size > lanes(y)": _EITHER_STEP,
    "softmax.cpu._scale boundary: size <= lanes(y) -> size < lanes(y)": _EITHER_STEP,
    "softmax.cpu.softmax_backward_cpu condition: classes <= lanes(source) -> classes > lanes(source)": _EITHER_STEP,
    "softmax.cpu.softmax_backward_cpu boundary: classes <= lanes(source) -> classes < lanes(source)": _EITHER_STEP,
    "softmax.cpu._row_loss condition: size <= lanes(x) -> size > lanes(x)": _EITHER_STEP,
    "softmax.cpu._row_loss boundary: size <= lanes(x) -> size < lanes(x)": _EITHER_STEP,
    "softmax.cpu.softmax_backward_cpu loop-bound: prange(unit_count(rows, row_bytes)) -> "
    "prange(unit_count(rows, row_bytes) + 1)": "The unit behind the last one begins where the rows end, and is empty.",
    "softmax.cpu.cross_entropy_backward_cpu arithmetic: classes * logits.itemsize -> classes + logits.itemsize": (
        "How many rows a thread takes at once changes no result."
    ),
    "softmax.cuda._softmax boundary: x[n, k] > largest -> x[n, k] >= largest": _EQUAL_LARGEST,
    "softmax.cuda._row_losses boundary: logits[n, k] > largest -> logits[n, k] >= largest": _EQUAL_LARGEST,
    "softmax.cuda._mean condition: cuda.grid(1) == 0 -> cuda.grid(1) != 0": (
        "A launch starts whole blocks, more than one thread each; instead of the first thread all others compute the sum "
        "in the same order and store the same bits."
    ),
    "softmax.cuda._mean boundary: batch > 0 -> batch >= 0": (
        "Over an empty batch it divides 0 by 0 instead of naming the result; in IEEE arithmetic that is the same NaN."
    ),
    "compile.indexing.valid_range boundary: offset >= 0 -> offset > 0": (
        "At offset = 0 the other branch gives (step - 1) // step, which is 0 as well."
    ),
    "compile.indexing.valid_range boundary: offset >= size -> offset > size": (
        "At offset = size the other branch gives (step - 1) // step, which is 0 as well."
    ),
    "compile.indexing.valid_range extreme: max(first, min(last, count)) -> min(last, count)": (
        "The end falls before the start only where the window lies before the image altogether. Loops over such a range "
        "are empty as before; the pools, which take differences, forbid padding as large as the window."
    ),
    "compile.indexing.window_at clause: position < 0 or position % stride != 0 or position // stride >= count -> "
    "position % stride != 0 or position // stride >= count": (
        "A negative multiple of the stride then gives its negative quotient instead of -1; callers ask only for the sign."
    ),
}
"""Name of the mutant: why no valid call can tell it from the original; where that holds of some algorithms only, which."""


def proof(mutant: Mutant) -> str:
    """Return why no valid call can tell a mutant from the original; empty if there is no such proof."""
    found = EQUIVALENT.get(mutant.name, "")
    if isinstance(found, str):
        return found
    return found[0] if mutant.algorithm in found[1] else ""
