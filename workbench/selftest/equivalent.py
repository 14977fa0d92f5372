"""Mutants that are no faults: they compute the same for every valid call, so that no checker can tell them."""

from __future__ import annotations

import ast

from workbench.selftest.mutation import Mutant, Site, site_of
from workbench.selftest.nodes import head

_EQUAL_LARGEST = (
    "Where the scores are equal, either is the largest; a zero of the other sign changes no difference but the sign of a "
    "zero, and no value that is made of it."
)
_EMPTY_STEP = "Where nothing is left, the step over what is left touches nothing and adds nothing."
_WHOLE_STEP = (
    "Of a last vector that is whole, the step over what is left reads and writes all, as that over whole ones does."
)
_ZERO_AT_ZERO = (
    "At x = 0 it gives x itself instead of 0: again 0, at most of the other sign, which compares equal. Everywhere else, "
    "NaN included, both comparisons agree."
)
_UNUSED_FLAG = "The flag says what an average counts; the kernel reads it only where it averages, and here it sums."
_NO_AVERAGE = "It is read only where the kernel averages, and here it does not."
_ANEW = "Results are computed anew where they need not be, which gives the same."
_AGAIN = "What another unit computes is computed once more, from the same inputs, and the same bits are written."
_REPEATED = "Beyond the end of the tables is their last entry again: the last row is computed, and written, once more."
_ALL_WHOLE = "Every panel here is of whole vectors, which what is made for part of a vector reads and writes as well."

_SPLIT = "Rows may be split into tiles of any height that is left: each output is computed by itself."

_FEW_PIXELS = "What is read pixel by pixel is shorter than a register, here of four: at most three pixels."
_NO_LATTICE = "A lattice that begins beyond the image is empty."
_LATTICE_AGAIN = "A lattice that begins one stride further has outputs of the first one, which are computed once more."
_ANY_DIVISOR = (
    "Planes may be taken together by any number that divides theirs; the largest one is 1 if no other is found."
)
_ONE_BY_ONE = "Elements are then copied one by one."
_ONE_ROUND = "All planes are taken in one round, before which none is done."
_NOT_STRIDED = (
    "The gradient of x slides windows over dy with a stride of 1: both strides are the same, and there is one phase."
)
_ALL_IN_ONE = "Outputs are not apart: no memory is needed for them, and its size is not looked at."
_WRITTEN_AFTER = "What is made zero beside that is written after, as the part between the ends always is."
_SHORT_ROWS = (
    "What the forward pass collects are rows shorter than a vector, whose elements are adjacent in the output."
)
_MORE_PHASES = (
    "With a stride of 1 there is one phase, the first one; those added are copied after it, and nothing reads them."
)
_NO_REMAINDER = "The stride is 1, by which the remainder of any number is 0."
_SHORTER_STEPS = "The step is even, and at most two vectors: some pairs are written once more, the same."
_COLLECTED = "To collect outputs elsewhere before they are stored, where they need not be, gives the same."

_SLIDING = ("conv2d_backward/bands", "conv2d_backward/batch-tiles", "conv2d_backward/depthwise")
"""What computes the gradient of x by windows over dy."""

_Proof = str | tuple[str, tuple[str, ...]]

EQUIVALENT: dict[str, _Proof] = {
    "relu.cpu.relu_cpu boundary: value <= zero -> value < zero": _ZERO_AT_ZERO,
    "relu.cuda._forward boundary: x[i] <= zero -> x[i] < zero": _ZERO_AT_ZERO,
    "direct.avg_pool2d_backward_cpu extreme: max(taps, 1) -> taps": (
        "Only a window with no taps to count is divided by 0 instead of 1. It sees no real input either, so its share, "
        "infinite or NaN, is added nowhere."
    ),
    "pool2d.cuda.sum_pool2d_cuda flag: False -> True #2": _UNUSED_FLAG,
    "pool2d.cuda.sum_pool2d_backward_cuda flag: False -> True #2": _UNUSED_FLAG,
    "softmax.cpu._largest_in_row boundary: whole < start + size -> whole <= start + size": _EMPTY_STEP,
    "softmax.cpu._add_exponentials boundary: whole < start + size -> whole <= start + size": _EMPTY_STEP,
    "softmax.cpu._scale_row boundary: whole < start + size -> whole <= start + size": _EMPTY_STEP,
    "softmax.cpu._differentiate_row boundary: left > 0 -> left >= 0": _EMPTY_STEP,
    "softmax.cpu._differentiate_row boundary: left > 0 -> left >= 0 #2": _EMPTY_STEP,
    "softmax.cuda._softmax boundary: x[n, k] > largest -> x[n, k] >= largest": _EQUAL_LARGEST,
    "softmax.cuda._row_losses boundary: logits[n, k] > largest -> logits[n, k] >= largest": _EQUAL_LARGEST,
    "softmax.cuda._mean condition: cuda.grid(1) == 0 -> cuda.grid(1) != 0": (
        "A launch starts whole blocks, more than one thread each; instead of the first thread all others compute the sum "
        "in the same order and store the same bits."
    ),
    "softmax.cuda._mean boundary: batch > 0 -> batch >= 0": (
        "Over an empty batch it divides 0 by 0 instead of naming the result; in IEEE arithmetic that is the same NaN."
    ),
    "indexing.valid_range boundary: offset >= 0 -> offset > 0": (
        "At offset = 0 the other branch gives (step - 1) // step, which is 0 as well."
    ),
    "indexing.valid_range boundary: offset >= size -> offset > size": (
        "At offset = size the other branch gives (step - 1) // step, which is 0 as well."
    ),
    "indexing.valid_range extreme: max(first, min(last, count)) -> min(last, count)": (
        "The end falls before the start only where the window lies before the image altogether. Loops over such a range "
        "are empty as before; the pools, which take differences, forbid padding as large as the window."
    ),
    "indexing.window_at clause: position < 0 or position % stride != 0 or position // stride >= count -> "
    "position % stride != 0 or position // stride >= count": (
        "A negative multiple of the stride then gives its negative quotient instead of -1; callers ask only for the sign."
    ),
    "partition.unit_range extreme: min((unit + 1) * size, items) -> items": _AGAIN,
    "few._forward extreme: min(first + OUTPUTS, b.size) -> b.size": _AGAIN,
    "few._micro boundary: whole < features -> whole <= features": _EMPTY_STEP,
    "matrix.divided division: number % parts -> number // parts": (
        "Only the quotient is used.",
        ("dense/few-samples",),
    ),
    "panels._forward extreme: min(DEPTH, features - k) -> features - k": _AGAIN,
    "panels._forward extreme: min(OUTPUTS, outputs - first) -> outputs - first": _AGAIN,
    "matrix._band boundary: row + 2 < rows -> row + 2 <= rows": _REPEATED,
    "matrix._micro condition: whole -> not whole": (_ALL_WHOLE, ("dense/panels",)),
    "matrix._micro condition: whole -> not whole #2": (_ALL_WHOLE, ("dense/panels",)),
    "matrix._micro boundary: count == n * size -> count != n * size": (_ALL_WHOLE, ("dense/panels",)),
    "matrix._micro arithmetic: n * size -> n + size": (_ALL_WHOLE, ("dense/panels",)),
    "product.turn boundary: j + size <= cols -> j + size < cols": _WHOLE_STEP,
    "product.copy boundary: done + size <= count -> done + size < count": _WHOLE_STEP,
    "filling._separate_row boundary: done + size <= count -> done + size < count": _WHOLE_STEP,
    "filling._separate_row boundary: done < count -> done <= count": _EMPTY_STEP,
    "filling._put_zeros boundary: first > 0 -> first >= 0": _WRITTEN_AFTER,
    "filling._put_zeros boundary: end < count -> end <= count": _WRITTEN_AFTER,
    "filling.fill condition: both -> not both #2": (
        _NOT_STRIDED,
        ("conv2d_backward/bands", "conv2d_backward/depthwise"),
    ),
    "filling.fill condition: both -> not both #4": (
        _NOT_STRIDED,
        ("conv2d_backward/bands", "conv2d_backward/depthwise"),
    ),
    "bands._scatter boundary: out.col > 2 -> out.col >= 2": _ONE_BY_ONE,
    "bands._scatter condition: out.col > 2 -> False": (_SHORT_ROWS, ("conv2d/bands",)),
    "bands._scatter extreme: min(wide - j, size) -> wide - j": (_SHORT_ROWS, ("conv2d/bands",)),
    "bands._scatter arithmetic: wide - j -> wide + j": (_SHORT_ROWS, ("conv2d/bands",)),
    "bands._scatter arithmetic: source + j -> source - j #2": (_SHORT_ROWS, ("conv2d/bands",)),
    "bands._scatter arithmetic: target + j -> target - j": (_SHORT_ROWS, ("conv2d/bands",)),
    "bands._compute extreme: min(own['block_rows'], rows - first_row) -> rows - first_row": _AGAIN,
    "dw_columns._compute extreme: min(own['block_rows'], rows - row) -> rows - row": _AGAIN,
    "dw_outputs._compute extreme: min(own['block_rows'], rows - row) -> rows - row": _AGAIN,
    "dw_columns._compute extreme: min(own['planes'], channels - channel) -> channels - channel": _AGAIN,
    "dw_outputs._compute extreme: min(own['planes'], channels - channel) -> channels - channel": _AGAIN,
    "shares.gradients boundary: plan.shares > 1 -> plan.shares >= 1 #2": "The only share is then copied to where it is.",
    "product._multiplier boundary: row < rows -> row <= rows": (
        _REPEATED,
        (
            "conv2d/bands",
            "conv2d/batch-tiles",
            "conv2d_backward/batch-tiles",
        ),
    ),
    "bands.conv2d_bands_cpu clause: padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y) -> "
    "may_have_multiplied_padding(w, y)": _ANEW,
    "bands.conv2d_bands_cpu clause: padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y) -> "
    "padding != ((0, 0), (0, 0))": _ANEW,
    "batch.conv2d_batch_cpu clause: padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y) -> "
    "may_have_multiplied_padding(w, y)": _ANEW,
    "batch.conv2d_batch_cpu clause: padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y) -> "
    "padding != ((0, 0), (0, 0))": _ANEW,
    "depthwise.conv2d_depthwise_cpu clause: padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y) -> "
    "may_have_multiplied_padding(w, y)": _ANEW,
    "depthwise.conv2d_depthwise_cpu clause: padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y) -> "
    "padding != ((0, 0), (0, 0))": _ANEW,
    "bands.may_have_multiplied_padding clause: not np.isfinite(smaller).all() and (not np.isfinite(larger).all()) -> "
    "not np.isfinite(smaller).all()": _ANEW,
    "bands.may_have_multiplied_padding clause: not np.isfinite(smaller).all() and (not np.isfinite(larger).all()) -> "
    "not np.isfinite(larger).all()": _ANEW,
    "bands._compute boundary: chunk < planes // together -> chunk <= planes // together": _COLLECTED,
    "bands._compute boundary: spread[0] > 1 -> spread[0] >= 1": _COLLECTED,
    "bands._compute boundary: spread[1] > 1 -> spread[1] >= 1": _COLLECTED,
    "bands._compute division: planes // together -> planes % together": (_ONE_ROUND, ("conv2d/bands",)),
    "bands._compute division: planes // together -> planes % together #3": (_ONE_ROUND, ("conv2d/bands",)),
    "bands._compute extreme: min(chunk, planes // together - done) -> chunk": (_ONE_ROUND, ("conv2d/bands",)),
    "bands._compute extreme: min(chunk, planes // together - done) -> planes // together - done": (
        _ONE_ROUND,
        ("conv2d/bands",),
    ),
    "bands._compute arithmetic: planes // together - done -> planes // together + done": (
        _ONE_ROUND,
        ("conv2d/bands",),
    ),
    "bands._compute accumulation: done += count -> done = count": (_ONE_ROUND, ("conv2d/bands",)),
    "bands._compute clause: flat or spread[0] > 1 or spread[1] > 1 or (chunk < planes // together) -> "
    "flat or spread[0] > 1 or spread[1] > 1": (_ONE_ROUND, ("conv2d/bands",)),
    "bands._compute clause: flat or spread[0] > 1 or spread[1] > 1 or (chunk < planes // together) -> "
    "flat or spread[1] > 1 or chunk < planes // together": ("Outputs are adjacent.", ("conv2d/bands",)),
    "bands._compute clause: flat or spread[0] > 1 or spread[1] > 1 or (chunk < planes // together) -> "
    "flat or spread[0] > 1 or chunk < planes // together": ("Outputs are adjacent.", ("conv2d/bands",)),
    "filling._put_zeros arithmetic: count - end -> count + end": "The whole row is cleared where its ends would do.",
    "filling._put_zeros boundary: first > size -> first >= size": "The whole row is cleared where its ends would do.",
    "filling._put_zeros boundary: count < size -> count <= size": "The whole row is cleared where its ends would do.",
    "filling._put_zeros boundary: count - end > size -> count - end >= size": (
        "The whole row is cleared where its ends would do."
    ),
    "geometry.divisor loop-bound: range(min(number, most), 0, -1) -> range(min(number, most) + -1, 0, -1)": _ANY_DIVISOR,
    "geometry.divisor loop-bound: range(min(number, most), 0, -1) -> range(min(number, most), 0 - -1, -1)": _ANY_DIVISOR,
    "geometry.divisor extreme: min(number, most) -> number": _ANY_DIVISOR,
    "geometry.divisor extreme: min(number, most) -> most": _ANY_DIVISOR,
    "filling.copy_row boundary: rest > 0 -> rest >= 0": _EMPTY_STEP,
    "filling.copy_row boundary: rest > 0 -> rest >= 0 #2": _EMPTY_STEP,
    "shares._sum_planes boundary: k < plane -> k <= plane": _EMPTY_STEP,
    "pointwise.seen condition: stride == (1, 1) -> False": "The whole of x is then copied.",
    "batch._turn_rows extreme: min(max(-col, 0), pitch) -> max(-col, 0)": (
        "The last tap looks at the window's column or further right: the first one is less than a row further left.",
        ("conv2d_backward/batch-tiles",),
    ),
    "product.copy condition: step == 1 -> False": _ONE_BY_ONE,
    "product.copy condition: step == 2 -> False": _ONE_BY_ONE,
    "pointwise._spread_row condition: step == 1 -> False": _ONE_BY_ONE,
    "pointwise._spread_row condition: step == 2 -> False": _ONE_BY_ONE,
    "matrix.pack arithmetic: COLUMNS * size -> COLUMNS + size": "Rows are then copied one by one.",
    "geometry.backward_lattices loop-bound: range(min(stride[0], x[2])) -> range(min(stride[0], x[2]) + 1)": (
        _LATTICE_AGAIN,
        _SLIDING,
    ),
    "geometry.backward_lattices loop-bound: range(min(stride[1], x[3])) -> range(min(stride[1], x[3]) + 1)": (
        _LATTICE_AGAIN,
        ("conv2d_backward/bands", "conv2d_backward/batch-tiles"),
    ),
    "geometry.backward_lattices extreme: min(stride[0], x[2]) -> stride[0]": _NO_LATTICE,
    "geometry.backward_lattices extreme: min(stride[1], x[3]) -> stride[1]": _NO_LATTICE,
    "filling.fill arithmetic: place + c * own['plane'] -> place - c * own['plane']": (
        "There is one plane.",
        ("conv2d/depthwise", "conv2d_backward/depthwise"),
    ),
    "filling._seen boundary: left >= 0 -> left > 0": "At left = 0 the other branch gives (step - 1) // step, 0 as well.",
    "depthwise._slide condition: across > 1 -> across <= 1": (_ALL_IN_ONE, ("conv2d/depthwise",)),
    "depthwise._slide boundary: across > 1 -> across >= 1": _ALL_IN_ONE,
    "depthwise._slide arithmetic: across * distance -> across + distance": (_ALL_IN_ONE, ("conv2d/depthwise",)),
    "depthwise._slide arithmetic: height * sums_pitch -> height + sums_pitch": (_ALL_IN_ONE, ("conv2d/depthwise",)),
    "depthwise._slide arithmetic: bands['cols'] + size -> bands['cols'] - size": (_ALL_IN_ONE, ("conv2d/depthwise",)),
    "depthwise._slide extreme: min(gap[1], y.width) -> gap[1]": (_ALL_IN_ONE, ("conv2d/depthwise",)),
    "geometry._band division: row % stride[0] -> row // stride[0]": (_MORE_PHASES, ("conv2d_backward/bands",)),
    "geometry._band division: col % stride[1] -> col // stride[1]": (_MORE_PHASES, ("conv2d_backward/bands",)),
    "depthwise_plan.make_plan division: (tap.row - tap_row) % stride[0] -> (tap.row - tap_row) // stride[0]": (
        _MORE_PHASES,
        ("conv2d_backward/depthwise",),
    ),
    "depthwise_plan.make_plan division: (tap.col - tap_col) % stride[1] -> (tap.col - tap_col) // stride[1]": (
        _MORE_PHASES,
        ("conv2d_backward/depthwise",),
    ),
    "filling._seen extreme: max(first, min(count, (width - left + step - 1) // step)) -> "
    "min(count, (width - left + step - 1) // step)": (
        "The end falls before the start only where a band begins beyond the image; this one has whole rows, from the first "
        "column that a tap reads, which a window has.",
        ("conv2d_backward/depthwise",),
    ),
    "depthwise_plan.make_plan arithmetic: tap.row - tap_row -> tap.row + tap_row": (
        _NO_REMAINDER,
        ("conv2d_backward/depthwise",),
    ),
    "depthwise_plan.make_plan arithmetic: tap.row - tap_row -> tap.row + tap_row #3": (
        _NO_REMAINDER,
        ("conv2d_backward/depthwise",),
    ),
    "depthwise_plan.make_plan arithmetic: tap.col - tap_col -> tap.col + tap_col": (
        _NO_REMAINDER,
        ("conv2d_backward/depthwise",),
    ),
    "depthwise_plan.make_plan arithmetic: tap.col - tap_col -> tap.col + tap_col #3": (
        _NO_REMAINDER,
        ("conv2d_backward/depthwise",),
    ),
    "depthwise._interlace arithmetic: 2 * size -> 2 + size": _SHORTER_STEPS,
    "pointwise._spread_row arithmetic: 2 * size -> 2 + size": _SHORTER_STEPS,
    "depthwise_plan.make_plan arithmetic: len(phases) * phase_rows -> len(phases) + phase_rows": (
        "With one phase it is room for one row more.",
        ("conv2d_backward/depthwise",),
    ),
    "shares._sum_planes boundary: k + COLUMNS * size <= plane -> k + COLUMNS * size < plane": _WHOLE_STEP,
    "scalars.replaces clause: value != value and best == best -> value != value": (
        "Of several NaN it does not matter for the maximum itself which it is.",
        ("max_pool2d/direct",),
    ),
    "filling.copy_row clause: step == 2 and rest > 0 -> step == 2": _EMPTY_STEP,
    "filling.copy_row clause: step == 1 and rest > 0 -> step == 1": _EMPTY_STEP,
    "samples.load_images loop-tail: range(width) -> range(width if width < 3 else width // 3 * 3)": _FEW_PIXELS,
    "geometry.make_plan loop-bound: range(together) -> range(together + 1)": (
        "What the tables hold beyond the planes that are taken together is not read."
    ),
    "depthwise_plan.make_plan divisor: rows / height -> rows": "Bands beyond the last have no rows.",
    "convolution._correlation clause: ROWS == 4 or left not in (6, 8) -> ROWS == 4": _SPLIT,
    "convolution._correlation clause: left >= ROWS and (ROWS == 4 or left not in (6, 8)) -> left >= ROWS": _SPLIT,
    "one_sample._pool_columns boundary: value >= row[j] -> value > row[j]": "Where both are equal, either is the largest.",
    "step.infer extreme: min(start + LANES, order.size) -> start + LANES": "A slice ends where its array does.",
    "optimizer.apply arithmetic: np.sqrt(second[i]) * square_scale + np.float32(_EPSILON) -> "
    "np.sqrt(second[i]) * square_scale - np.float32(_EPSILON)": (
        "The gradients of a network are far above what keeps Adam from dividing by 0; on gradients that are not, the "
        "optimizer by itself is checked.",
        ("fused/train",),
    ),
    "vectors._pool_rows divisor: one / x.dtype.type(divisor_h * divisor_w) -> one": (
        _NO_AVERAGE,
        ("max_pool2d/vectors", "sum_pool2d/vectors"),
    ),
    "vectors._pool_rows arithmetic: divisor_h * divisor_w -> divisor_h + divisor_w": (
        _NO_AVERAGE,
        ("max_pool2d/vectors", "sum_pool2d/vectors"),
    ),
    "one_sample._load_image loop-tail: range(width) -> range(width if width < 3 else width // 3 * 3)": _FEW_PIXELS,
}
"""Name of the mutant: why no valid call can tell it from the original; of some alone, if not of all ("op/algorithm")."""


_BRANCHES: dict[str, tuple[str, tuple[str, ...]]] = {
    "pool2d.cuda._sum ": ("if average", ("sum_pool2d/direct",)),
    "pool2d.cuda._sum_backward ": ("if average", ("sum_pool2d_backward/direct",)),
}
"""By function: a branch that some do not execute. On the CPU a trial tells by itself; what is compiled does not."""


def proof(mutant: Mutant) -> str:
    """Return why no valid call can tell a mutant from the original; empty if there is no such proof."""
    unit, found = f"{mutant.op}/{mutant.algorithm}", EQUIVALENT.get(mutant.name, "")
    if unit in _SLIDING and _is_of_strides(mutant):
        return _NOT_STRIDED
    why, units = (found, (unit,)) if isinstance(found, str) else found
    for function, (branch, others) in _BRANCHES.items():
        if mutant.name.startswith(function) and unit in others and _is_within(site_of(mutant), branch):
            return f"It is executed only where `{branch}` holds, which it never does here."
    return why if unit in units else ""


_OF_STRIDES: dict[str, tuple[str, ...]] = {
    "filling.fill ": ("both =", "other_first, other_end =", "apart ="),
    "filling.copy_row ": ("if step == 1", "if step == 2"),
}
"""By function: how statements begin that matter where there are strides alone."""

_WITH_STRIDES = (
    "filling.fill ",
    "geometry._band ",
    "bands._compute ",
    "batch._correlate ",
    "batch._list_positions ",
    "batch_plan._make_plan ",
    "depthwise._slide ",
    "depthwise_plan.make_plan ",
)
"""Functions with the stride of windows over what they read."""


def _is_of_strides(mutant: Mutant) -> bool:
    """Return whether a mutant takes one stride for the other, or changes what matters where there are strides alone."""
    if mutant.operator == "axes" and "axes: stride[" in mutant.name:
        return mutant.name.startswith(_WITH_STRIDES)
    return any(
        mutant.name.startswith(function) and mutant.before.startswith(beginnings)
        for function, beginnings in _OF_STRIDES.items()
    )


def _is_within(site: Site, branch: str) -> bool:
    """Return whether a site lies in the body of a condition that begins so."""
    conditions = [
        node for node in ast.walk(site.function) if isinstance(node, ast.If) and head(node).startswith(branch)
    ]
    return any(inside is site.statement for node in conditions for each in node.body for inside in ast.walk(each))
