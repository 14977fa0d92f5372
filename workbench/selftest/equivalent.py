"""Equivalent mutants: they compute the same result for every valid call, so no checker can detect them."""

from __future__ import annotations

import ast

from workbench.selftest.mutation import Mutant, Site, site_of
from workbench.selftest.nodes import head

_EQUAL_LARGEST = (
    "If the scores are equal, either is the largest. If they are zeros of different sign, only the sign of a zero "
    "difference changes, and no value computed from it."
)
_EMPTY_STEP = "If nothing remains, the step over the remainder reads, writes and adds nothing."
_WHOLE_STEP = "If the last vector is full, the step over the remainder processes it exactly as the main loop would."
_ZERO_AT_ZERO = (
    "At x = 0 it returns x instead of 0: also a zero, perhaps of the other sign, which compares equal. Everywhere else, "
    "NaN included, both comparisons agree."
)
_UNUSED_FLAG = "The flag says what an average counts; the kernel reads it only where it averages, and here it sums."
_NO_AVERAGE = "It is read only where the kernel averages, and here it does not."
_NOT_AVERAGING = tuple(f"{kind}_pool2d{way}/vectors" for kind in ("max", "sum") for way in ("", "_backward"))
_NO_AVERAGE_BACKWARD = _NO_AVERAGE, ("max_pool2d_backward/vectors", "sum_pool2d_backward/vectors")
_ANEW = "Results are computed anew where they need not be, which gives the same."
_AGAIN = "What another unit computes is computed once more, from the same inputs, and the same bits are written."
_REPEATED = "Beyond the end of the tables is their last entry again: the last row is computed, and written, once more."
_ALL_WHOLE = "Every panel here is of whole vectors, which what is made for part of a vector reads and writes as well."

_NO_PADDING = (
    "A window without padding may be a block of its own, and be computed as one with padding: the terms are the same."
)
_BY_PARTS = "Whether a block is computed as a whole vector, or as part of one, changes no result."
_ONE_SQUARE = (
    "There are no more samples than lanes: all rows are in the first square, whose offset is zero.",
    ("conv2d/batch-tiles", "conv2d_backward/batch-tiles"),
)
_NUMBER = (
    "The number of windows tells only which of them are computed together, and whether they tile the image. With more than "
    "there are, the last one is not inside it; with fewer, a piece is left: neither is taken for a tiling."
)
_SUMS = ("sum_pool2d/vectors", "avg_pool2d/vectors")
_ZERO_TERM = ("A sum may begin with a zero.", _SUMS)

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

_FEW_PIXELS = "Only rows shorter than a register, of four lanes here, are read pixel by pixel: at most three pixels."
_NO_LATTICE = "A lattice that starts outside the image is empty."
_ALL_CLEARED = "The whole row is cleared, where clearing its ends would suffice."
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
        "Only a window without taps to count is divided by 0 instead of 1. Such a window contains no input, so its "
        "share, which is infinite or NaN, is not added to any element."
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
        "A launch starts full blocks of more than one thread. Instead of the first thread, all others compute the sum, "
        "in the same order, and store the same bits."
    ),
    "softmax.cuda._mean boundary: batch > 0 -> batch >= 0": (
        "For an empty batch it divides 0 by 0 instead of storing NaN; in IEEE arithmetic the quotient is also NaN."
    ),
    "indexing.valid_range boundary: offset >= 0 -> offset > 0": (
        "At offset = 0 the other branch gives (step - 1) // step, which is 0 as well."
    ),
    "indexing.valid_range boundary: offset >= size -> offset > size": (
        "At offset = size the other branch gives (step - 1) // step, which is 0 as well."
    ),
    "indexing.valid_range extreme: max(first, min(last, count)) -> min(last, count)": (
        "The end precedes the start only if the whole window lies before the image. Loops over such a range are empty "
        "either way. Pooling, which uses the difference, does not allow padding as large as the window."
    ),
    "indexing.window_at clause: position < 0 or position % stride != 0 or position // stride >= count -> "
    "position % stride != 0 or position // stride >= count": (
        "For a negative multiple of the stride it returns the negative quotient instead of -1; callers only test the sign."
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
    "product.turn arithmetic: first + i * step -> first - i * step": _ONE_SQUARE,
    "product.turn arithmetic: start + j * width + i -> start + j * width - i": _ONE_SQUARE,
    "product.turn_back arithmetic: j * width + i -> j * width - i": _ONE_SQUARE,
    "product.turn_back arithmetic: (cols - 1) * width + i -> (cols - 1) * width - i": _ONE_SQUARE,
    "product.turn_back arithmetic: first + i * step -> first - i * step": _ONE_SQUARE,
    "product.copy boundary: done + size <= count -> done + size < count": _WHOLE_STEP,
    "filling._separate_row boundary: done + size <= count -> done + size < count": _WHOLE_STEP,
    "product._multiplier clause: wide and tall -> tall": (
        "Few columns are then computed in the wide tile, which repeats the last one: the same values are stored again."
    ),
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
    "filling._put_zeros arithmetic: count - end -> count + end": _ALL_CLEARED,
    "filling._put_zeros boundary: first > size -> first >= size": _ALL_CLEARED,
    "filling._put_zeros boundary: count < size -> count <= size": _ALL_CLEARED,
    "filling._put_zeros boundary: count - end > size -> count - end >= size": (_ALL_CLEARED),
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
        "There is only one plane, so its number is 0.",
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
        "If a window has several NaN, the maximum is NaN whichever of them is taken.",
        ("max_pool2d/direct",),
    ),
    "filling.copy_row clause: step == 2 and rest > 0 -> step == 2": _EMPTY_STEP,
    "filling.copy_row clause: step == 1 and rest > 0 -> step == 1": _EMPTY_STEP,
    "samples.load_images loop-tail: range(width) -> range(width if width < 3 else width // 3 * 3)": _FEW_PIXELS,
    "geometry.make_plan loop-bound: range(together) -> range(together + 1)": (
        "Entries of the tables past the planes of a group are not read."
    ),
    "depthwise_plan.make_plan divisor: rows / height -> rows": "Bands past the last have no rows.",
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
        "The gradients of a network are much larger than Adam's epsilon. The program `update` checks the optimizer on "
        "gradients that are not.",
        ("fused/train",),
    ),
    "blocks.windows_along arithmetic: (kernel - 1) * dilation - padding[0] -> (kernel - 1) * dilation + padding[0]": (
        _NO_PADDING
    ),
    "blocks.windows_along axes: padding[1] -> padding[0]": (_NO_AVERAGE, _NOT_AVERAGING),
    "blocks.block_at condition: windows.inner_first <= i < windows.inner_last -> False": _NO_PADDING,
    "vectors._combine_taps clause: q < taps[1] and taps[0] > 0 -> q < taps[1]": (
        "Where a window sees no row, a sum is of the zeros that are taken for its columns.",
        _SUMS,
    ),
    "vectors._combine_taps boundary: taps[0] > 0 -> taps[0] >= 0": (
        "Where a window sees no row, a sum is of the zeros that are taken for its columns.",
        _SUMS,
    ),
    "vectors._combine_taps boundary: p > 0 -> p >= 0": _ZERO_TERM,
    "scalars.replaces boundary: value > best -> value >= best": (_EQUAL_LARGEST, ("max_pool2d/direct",)),
    "vectors._pool_rows axes: out_h -> out_w": _NUMBER,
    "vectors._pool_rows axes: out_h -> out_w #3": _NUMBER,
    "vectors._pool_rows extreme: min(ROWS * fold, most) -> ROWS * fold": _AGAIN,
    "vectors._pool_rows arithmetic: end_row - row -> end_row + row": _AGAIN,
    "vectors._pool_rows arithmetic: x.shape[0] * x.shape[1] -> x.shape[0] + x.shape[1]": (
        "Any number of planes can be treated as one; the last of these need not be whole."
    ),
    "vectors._pool_rows clause: paired or j + count < across.inner_last -> paired": _BY_PARTS,
    "vectors._pool_rows clause: paired or j + count < across.inner_last -> j + count < across.inner_last": _BY_PARTS,
    "vectors_backward._pool_backward clause: paired or j + count < across.inner_last -> paired": _BY_PARTS,
    "vectors_backward._pool_backward clause: paired or j + count < across.inner_last -> j + count < across.inner_last": (
        _BY_PARTS
    ),
    "vectors_backward._pool_backward boundary: cleared < seen -> cleared <= seen": (
        "Where all that is seen is cleared, clearing it touches nothing."
    ),
    "vectors_backward._pool_backward clause: cleared < seen and (not once) -> cleared < seen": (
        "What is written once, is written after it was cleared."
    ),
    "vectors_backward._pool_backward condition: average -> not average": (
        "The maximum takes no factor.",
        ("max_pool2d_backward/vectors",),
    ),
    "vectors_backward._pool_backward divisor: one / dx.dtype.type(max(divisor_h * divisor_w, 1)) -> one": (
        _NO_AVERAGE_BACKWARD
    ),
    "vectors_backward._pool_backward arithmetic: divisor_h * divisor_w -> divisor_h + divisor_w": _NO_AVERAGE_BACKWARD,
    "vectors_backward._pool_backward extreme: max(divisor_h * divisor_w, 1) -> 1": _NO_AVERAGE_BACKWARD,
    "vectors_backward._pool_backward extreme: max(divisor_h * divisor_w, 1) -> divisor_h * divisor_w": (
        "A window with no taps to count sees no input either: its share, infinite or NaN, is added nowhere."
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
"""Name of the mutant -> why no valid call distinguishes it from the original.

If this holds for some of the units that share the mutant only, they follow as "op/algorithm".
"""


_AVERAGES = "scalars.averaged_taps ", (*_NOT_AVERAGING, "sum_pool2d/direct", "sum_pool2d_backward/direct")
"""The function whose result is read only in averages, and what reaches it but does not average."""

_BRANCHES: dict[str, tuple[str, tuple[str, ...]]] = {
    "pool2d.cuda._sum ": ("if average", ("sum_pool2d/direct",)),
    "pool2d.cuda._sum_backward ": ("if average", ("sum_pool2d_backward/direct",)),
}
"""Function -> a branch, and the units that never execute it. For compiled CUDA kernels no trial can find this out."""


def proof(mutant: Mutant) -> str:
    """Return why no valid call distinguishes a mutant from the original; empty if there is no such proof."""
    unit, found = f"{mutant.op}/{mutant.algorithm}", EQUIVALENT.get(mutant.name, "")
    if unit in _SLIDING and _is_of_strides(mutant):
        return _NOT_STRIDED
    why, units = (found, (unit,)) if isinstance(found, str) else found
    if mutant.name.startswith(_AVERAGES[0]) and unit in _AVERAGES[1]:
        return _NO_AVERAGE
    for function, (branch, others) in _BRANCHES.items():
        if mutant.name.startswith(function) and unit in others and _is_within(site_of(mutant), branch):
            return f"It is executed only inside `{branch}`, whose condition is never true here."
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
    """Return whether a site is in the body of an ``if`` statement that begins with ``branch``."""
    conditions = [
        node for node in ast.walk(site.function) if isinstance(node, ast.If) and head(node).startswith(branch)
    ]
    return any(inside is site.statement for node in conditions for each in node.body for inside in ast.walk(each))
