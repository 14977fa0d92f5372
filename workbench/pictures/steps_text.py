"""A step of a convolution as text: the picture with its window, the filter, the products, the feature map, the sum."""

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from workbench.pictures.filters import Pair
from workbench.pictures.matrices import aligned, block
from workbench.pictures.steps import Convolution
from workbench.system.terminal import one_line

GAP = 3


def step_text(convolution: Convolution, step: Pair, width: int) -> str:
    """Return a step as lines of at most ``width`` characters, if the matrices by themselves are not wider."""
    number, count = convolution.steps.index(step) + 1, len(convolution.steps)
    factor, rows = convolution.kernel.rows()
    (height, wide), (out_h, out_w) = convolution.padded[convolution.picture].shape, convolution.feature_map.shape
    zeros = ", zeros around it" if convolution.has_border else ""
    done = [
        [cell if place <= step else "." for place, cell in zip(places, cells, strict=True)]
        for places, cells in zip(
            [[(i, j) for j in range(out_w)] for i in range(out_h)], convolution.values, strict=True
        )
    ]
    picture = _marked(aligned(convolution.padded), convolution.corner(step), convolution.kernel.size)
    blocks = [
        "\n".join([f"picture {height}x{wide}{zeros}", *picture]),
        block(f"filter {one_line(convolution.kernel.name)}", rows, f"{factor} x " if factor else ""),
        "\n".join(["products", *_marked(_products(convolution, step), (-1, -1), (0, 0))]),
        "\n".join([f"feature map {out_h}x{out_w}", *_marked(done, step, (1, 1))]),
    ]
    title = f"step {number} of {count}: row {step[0] + 1}, column {step[1] + 1} of the feature map"
    total = textwrap.fill(
        f"sum: {convolution.sum_text(step)}", width, subsequent_indent="     ", break_on_hyphens=False
    )
    return "\n\n".join([title, *_side_by_side(blocks, width), total])


def _products(convolution: Convolution, step: Pair) -> list[list[str]]:
    """Return the products as text, as wide as the longest of all steps, so that nothing moves from one to the next."""
    longest = max(
        len(cell) for each in convolution.steps for row in aligned(convolution.products(each)) for cell in row
    )
    return [[cell.rjust(longest) for cell in row] for row in aligned(convolution.products(step))]


def _marked(rows: Sequence[Sequence[str]], corner: Pair, size: Pair) -> list[str]:
    """Return a matrix as lines, with brackets around the window at a corner."""
    longest = max(len(cell) for row in rows for cell in row)
    lines = []
    for i, row in enumerate(rows):
        line = ""
        for j, cell in enumerate([*row, ""]):
            inside = corner[0] <= i < corner[0] + size[0]
            line += "[" if inside and j == corner[1] else "]" if inside and j == corner[1] + size[1] else " "
            line += f"{cell:>{longest}}" if j < len(row) else ""
        lines.append(f" {line}")
    return lines


def _side_by_side(blocks: Sequence[str], width: int) -> list[str]:
    """Join blocks of lines from left to right, as many as the width takes, and the others below."""
    joined = [blocks[0].splitlines()]
    for each in blocks[1:]:
        lines = each.splitlines()
        used = max(map(len, joined[-1])) + GAP
        if used + max(map(len, lines)) > width:
            joined.append(lines)
        else:
            joined[-1] = [f"{left:<{used}}{right}" for left, right in zip_longest(joined[-1], lines, fillvalue="")]
    return ["\n".join(line.rstrip() for line in lines) for lines in joined]
