"""Parts of the source that decide only how fast a kernel is: they get no mutants, because no result could show a fault.

They are listed by hand, with the reason. A test checks that every listed part still exists.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from workbench.selftest.nodes import head
from workbench.selftest.sources import own_nodes

_BAND = "Bands of any height and width give the same outputs: their sizes are chosen for caches and threads."
_UNITS = (
    "Work may be divided into any number of units: each computes its own outputs, with the terms in the same order."
)
_TOGETHER = "Planes may be grouped by any divisor of their number: the terms of a sum keep their order."
_TILES = (
    "Tiles of any shape give the same outputs: tables repeat their last entry past the end, which is written twice."
)
_TILES_OF_LINES = "Tiles of one line and of two compute the same sums, term by term in the same order."
_PACKED = "Packing a factor before the product changes no value that is multiplied."
_PLACE = "The start of scratch memory and the distance of planes in it are chosen for the cache."
_ANEW = (
    "An unnecessary recomputation of results that may have multiplied padding costs time and returns the same values."
)
_EITHER = "Steps of one vector and of four compute the same sums in another order, within the same bound."
_FIRST = "The item that a worker begins with decides only which worker computes what: each worker tries all items."
_THREAD = "When and how a thread waits does not affect the results."

_GRID = "A grid of any size computes the same: blocks stride over the work. Sums may be split into any number of parts."

_TURNED = "Results are read from shared memory as they were written; what turns them decides on bank conflicts alone."
_GRID_OR_BITS = f"{_GRID} Integers of 64 bits compute what those of 32 do where these suffice."

SPEED_ALONE: dict[str, tuple[tuple[str, ...], str]] = {
    "geometry._band": (("if plane % (16 * lanes) == 0",), _PLACE),
    "geometry._band_width": (("return",), _BAND),
    "geometry.make_plan": (
        (
            "extra =",
            "flat =",
            "step =",
            "height =",
            "while height + step <= lattice.rows",
            "if planes * _band(",
            "while units * blocks < UNITS",
            "together =",
        ),
        _BAND,
    ),
    "geometry.weights_plan": (("height =", "block_rows =", "planes =", "bands =", "shares="), _UNITS),
    "channel_plan.forward_channel_plan": (("stride[0]",), _BAND),
    "channel_plan._clocks": (("clocks", "while columns", "own =", "columns", "return"), _TILES_OF_LINES),
    "channel_plan._plan": (
        (
            "cols =",
            "if cols > PIXELS[0]",
            "if apart %",
            "paired =",
            "chunk =",
            "while height < lattice.rows",
            "height += chunk",
            "if ((height + chunk - 1)",
            "while units * blocks",
            "min(planes, FILTER_BYTES",
        ),
        _BAND,
    ),
    "batch_plan._make_plan": (
        ("blocks =", "height =", "written =", "while height > 1", "read =", "if (read + height", "together ="),
        _BAND,
    ),
    "batch_plan.forward_plan": (("w[0] // groups",), _BAND),
    "depthwise_plan.forward_plan": (("x[0] * x[1]",), _BAND),
    "depthwise_plan.backward_plan": (("x[0] * x[1]",), _BAND),
    "depthwise_plan.make_plan": (("fitting =", "shared =", "height ="), _BAND),
    "depthwise._compute": (("tall =",), _TILES),
    "tiles._launch": (("pixels =", "blocks ="), _GRID),
    "tiles._make_backward": (("most =", "parts, _, _ ="), _GRID),
    "simt.operands.split": (("tiles =", "min(BLOCKS", "-(-terms // (parts", "return Split"), _GRID),
    "tensor_product._turned": (("return",), _TURNED),
    "pixel_threads._launch": (("channels =", "blocks =", "extents =", "reached", "integers ="), _GRID_OR_BITS),
    "weight_sums.conv2d_dw_cuda": (("terms =", "parts ="), _GRID),
    "bias.backward_bias": (("parts =",), _GRID),
    "bands.may_have_multiplied_padding": (("smaller, larger =",), _ANEW),
    "bands._compute": (("chunk =",), _TOGETHER),
    "dw_columns._compute": (("together =",), _UNITS),
    "product.aligned": (("room =", "skip ="), _PLACE),
    "product._multiplier": (("wide =", "tall ="), _TILES),
    "matrix.multiply": (("if panel.size > 0",), _PACKED),
    "gradients._backward": (("few =", "own =", "blocks, own, depth ="), _UNITS),
    "panels._forward": (("width =",), _TILES),
    "blocks.rows_in_vector": (("return",), _TILES),
    "partition._unit_size": (("return",), _UNITS),
    "softmax.cpu._exponentials_of_row": (("size <= lanes",), _EITHER),
    "softmax.cpu._scale": (("size <= lanes",), _EITHER),
    "softmax.cpu._row_loss": (("size <= lanes",), _EITHER),
    "softmax.cpu._distances": (("size <= lanes",), _EITHER),
    "softmax.cpu.softmax_backward_cpu": (("classes <= lanes", "row_bytes ="), _EITHER),
    "softmax.cpu.softmax_cpu": (("row_bytes =",), _UNITS),
    "softmax.cpu.cross_entropy_cpu": (("row_bytes =",), _UNITS),
    "softmax.cpu.cross_entropy_backward_cpu": (("row_bytes =",), _UNITS),
    "vectors.max_pool2d_vectors_cpu": (("row_bytes =",), _UNITS),
    "vectors.sum_pool2d_vectors_cpu": (("row_bytes =",), _UNITS),
    "vectors.avg_pool2d_vectors_cpu": (("row_bytes =",), _UNITS),
    "vectors_backward.max_pool2d_backward_vectors_cpu": (("plane_bytes =",), _UNITS),
    "vectors_backward.sum_pool2d_backward_vectors_cpu": (("plane_bytes =",), _UNITS),
    "vectors_backward.avg_pool2d_backward_vectors_cpu": (("plane_bytes =",), _UNITS),
    "convolution.correlate_weights": (("if step.rows % _most",), _TILES),
    "step.train": (("own.number * work // own.workers", "own.number * chunks // own.workers"), _FIRST),
    "step._wait": (("while", "spins +=", "if spins", "pause", "yield"), _THREAD),
}
"""Function -> how the parts begin that decide only its speed, and why they do."""


def speed_alone(function: str, statement_nodes: Iterator[ast.AST]) -> set[int]:
    """Return the ids of the nodes of a statement that belong to such a part of a function."""
    beginnings, _ = SPEED_ALONE.get(function, ((), ""))
    found: set[int] = set()
    for node in statement_nodes if beginnings else ():
        if isinstance(node, ast.stmt | ast.expr | ast.keyword) and head(node).startswith(beginnings):
            found |= {id(inside) for inside in own_nodes(node)}
    return found
