"""Tensor cores for CUDA: products of matrices by a warp, of factors in fewer bits than their sums, which are in float32.

The factors and results of a warp are register tiles (``kernels.simt.tile``); ``kernels.simt.mma_ir`` says which lane holds
which. Compute capability 8.0 or later. In the workbench's simulator lanes exchange the factors, round them as the tensor
cores do, and add the products one after the other; the hardware adds them in an order of its own.
"""

from kernels.simt import mma_ir, tile_ir
from kernels.simt.tile import Tile


@tile_ir.compiled(mma_ir.product(mma_ir.TF32))
def multiply_tf32(tile: Tile, left: Tile, right: Tile) -> Tile:
    """Add a product of 32 rows, 8 terms and 64 columns to the results of a warp; all lanes call it together.

    Parameters
    ----------
    tile : 64 results: four of each tile of 16 x 8
    left : 8 factors that ``rounded_to_tf32`` returned: two terms of each octet of rows
    right : 16 factors: two terms of each octet of columns
    """
    raise NotImplementedError(ABSENT)


@tile_ir.compiled(mma_ir.product(mma_ir.BF16))
def multiply_bf16(tile: Tile, left: Tile, right: Tile) -> Tile:
    """Add a product of 32 rows, 16 terms and 64 columns, of factors rounded to bfloat16; all lanes call it together.

    Parameters
    ----------
    tile : as for ``multiply_tf32``
    left : 16 factors: two terms of each octet of rows, and then two more of each
    right : 32 factors: likewise of each octet of columns
    """
    raise NotImplementedError(ABSENT)


@tile_ir.compiled(mma_ir.rounded(mma_ir.to_tf32))
def rounded_to_tf32(tile: Tile) -> Tile:
    """Return the values of a tile rounded to the nearest of tf32, which have 11 significant bits; ties away from zero."""
    raise NotImplementedError(ABSENT)


ABSENT = "numba-cuda's own simulator has no tensor cores; run the kernel in the workbench's simulator, or on a GPU"
