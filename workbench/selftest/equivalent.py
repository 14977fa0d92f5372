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

_ROWS_AGAIN = (
    "The rows after the first one or two are computed once more, and the same is written. It ends: where a tile of so many "
    "rows is taken of all rows, none is taken of the rows without these."
)
_UNREAD = "What is laid out here in vain is not read: where it is, the same condition is asked again."
_CLAIMED = "A worker that tries an item again finds it claimed."
_EACH_PIXEL = (
    "A whole vector is loaded pixel by pixel, which gives the same: its bytes become the same numbers either way."
)

_FEW_PIXELS = "What is read pixel by pixel is shorter than a register, here of four: at most three pixels."
_NO_LATTICE = "A lattice that begins beyond the image is empty."

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
    "bands._compute division: planes // together -> planes % together #3": (
        "A plane's part of a filter lies beside the next one's: all planes are taken in the first round.",
        ("conv2d/bands",),
    ),
    "depthwise_plan._runs clause: found[-1][3] == 1 or found[-1][2] == step -> found[-1][2] == step": (
        "Runs of one tap are runs as well, and give the same terms in the same order."
    ),
    "filling._put_zeros arithmetic: count - end -> count + end": "The whole row is cleared where its ends would do.",
    "filling._put_zeros boundary: first > size -> first >= size": "The whole row is cleared where its ends would do.",
    "filling._put_zeros boundary: count < size -> count <= size": "The whole row is cleared where its ends would do.",
    "filling._put_zeros boundary: count - end > size -> count - end >= size": (
        "The whole row is cleared where its ends would do."
    ),
    "geometry.divisor loop-bound: range(min(number, most), 0, -1) -> range(min(number, most) + -1, 0, -1)": (
        "A smaller divisor serves as well: planes may be taken together by any."
    ),
    "product.copy condition: step == 1 -> False": "Elements are then copied one by one.",
    "product.copy condition: step == 2 -> False": "Elements are then copied one by one.",
    "matrix.pack arithmetic: COLUMNS * size -> COLUMNS + size": "Rows are then copied one by one.",
    "geometry.backward_lattices extreme: min(stride[0], x[2]) -> stride[0]": _NO_LATTICE,
    "geometry.backward_lattices extreme: min(stride[1], x[3]) -> stride[1]": _NO_LATTICE,
    "filling.fill arithmetic: place + c * own['plane'] -> place - c * own['plane']": (
        "There is one plane.",
        ("conv2d/depthwise", "conv2d_backward/depthwise"),
    ),
    "depthwise._slide condition: across > 1 -> across <= 1": (
        "Outputs are not apart: what the memory is for does not run.",
        ("conv2d/depthwise",),
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
    "convolution._correlation boundary: left >= ROWS -> left > ROWS": _SPLIT,
    "convolution._correlation boundary: left >= 4 -> left > 4": _SPLIT,
    "convolution._correlation boundary: left >= 2 -> left > 2": _SPLIT,
    "dense.dense_inputs loop-tail: range(VECTORS) -> range(VECTORS if VECTORS < 3 else VECTORS // 3 * 3)": (
        "There are three vectors, whatever the processor."
    ),
    "one_sample._dense loop-tail: range(channels) -> range(channels if channels < 3 else channels // 3 * 3)": _FEW_PIXELS,
    "convolution.correlate_weights boundary: row < step.rows -> row <= step.rows": (
        "The scratch memory has room for a tile after the last row, which reads the last row again, and is not read."
    ),
    "convolution._correlation accumulation: row += 1 -> row = 1": _ROWS_AGAIN,
    "convolution._correlation accumulation: row += 2 -> row = 2": _ROWS_AGAIN,
    "one_sample._dense clause: channels > whole and whole > 0 -> whole > 0": _UNREAD,
    "one_sample._dense clause: channels > whole and whole > 0 -> channels > whole": _UNREAD,
    "one_sample._dense boundary: channels > whole -> channels >= whole": _UNREAD,
    "one_sample._dense boundary: whole > 0 -> whole >= 0": _UNREAD,
    "one_sample._pool_columns boundary: value >= row[j] -> value > row[j]": "Where both are equal, either is the largest.",
    "step.infer boundary: start < order.size -> start <= order.size": "Of a block without samples nothing is written.",
    "step._claim clause: read(counters, CLAIMED + item) == step and exchange(counters, CLAIMED + item, step, step + 1) -> "
    "exchange(counters, CLAIMED + item, step, step + 1)": "The exchange compares by itself; to read first is cheaper.",
    "step.train loop-bound: range(work) -> range(work + 1)": _CLAIMED,
    "step.train loop-bound: range(chunks) -> range(chunks + 1)": _CLAIMED,
    "samples.load_images boundary: width < LANES -> width <= LANES": _EACH_PIXEL,
    "one_sample._load_image boundary: width < LANES -> width <= LANES": _EACH_PIXEL,
    "samples.cross_entropy boundary: score > most -> score >= most": _EQUAL_LARGEST,
    "samples.cross_entropy loop-bound: range(chosen.size, LANES) -> range(chosen.size, LANES + 1)": (
        "The element after a class's lanes is the first lane of the next class, which is always a sample's and is set "
        "later; after the last class it is scratch memory."
    ),
    "one_sample._dense boundary: total <= 0 -> total < 0": _ZERO_AT_ZERO,
    "one_sample._run boundary: arena[place] <= 0 -> arena[place] < 0": _ZERO_AT_ZERO,
    "one_sample._dense loop-bound: range(LANES) -> range(LANES + 1)": (
        "The element after the vector holds the first of the sums, which is set later."
    ),
    "one_sample._dense loop-bound: range(OUTPUTS) -> range(OUTPUTS + 1)": (
        "The scratch memory goes on after the sums, and what it holds there is not read."
    ),
    "one_sample._dense loop-bound: range(min(OUTPUTS, step.rows - row)) -> range(min(OUTPUTS, step.rows - row) + 1)": (
        "One output more is set again by the next block of outputs; after the last one it lies between two values, where "
        "nothing is read that counts."
    ),
    "convolution._product clause: biased and step.relu -> step.relu": (
        "Only a convolution forward, which has a bias, is followed by ReLU."
    ),
    "dense.dense_inputs boundary: step.channels < LANES -> step.channels <= LANES": (
        "Of a whole vector of channels, either sums over the same rows in the same order."
    ),
    "dense.dense_weights boundary: channel + COLUMNS * LANES <= step.channels -> "
    "channel + COLUMNS * LANES < step.channels": _WHOLE_STEP,
    "dense.dense_weights arithmetic: step.channels - channel -> step.channels + channel": (
        "What is loaded beyond the end of a row is in lanes that are not stored."
    ),
    "dense.dense_weights boundary: channel < step.channels -> channel <= step.channels": _EMPTY_STEP,
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
    why, units = (found, (unit,)) if isinstance(found, str) else found
    for function, (branch, others) in _BRANCHES.items():
        if mutant.name.startswith(function) and unit in others and _is_within(site_of(mutant), branch):
            return f"It is executed only where `{branch}` holds, which it never does here."
    return why if unit in units else ""


def _is_within(site: Site, branch: str) -> bool:
    """Return whether a site lies in the body of a condition that begins so."""
    conditions = [
        node for node in ast.walk(site.function) if isinstance(node, ast.If) and head(node).startswith(branch)
    ]
    return any(inside is site.statement for node in conditions for each in node.body for inside in ast.walk(each))
