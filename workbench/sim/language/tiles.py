"""Register tiles (``kernels.simt.tile``): their arithmetic as on a GPU, their accesses checked and recorded.

An access of 16 bytes is one access to the runtime, so that counters see it as the hardware does.
"""

from collections.abc import Callable
from typing import Any

from numba.extending import intrinsic

from kernels.simt import tile, tile_ir
from workbench.numba_internals.lowering import arrayobj, cgutils
from workbench.sim.common.generating import (
    Indices,
    check_inside,
    constant,
    indices_of,
    note_piece,
    note_progress,
    state_address,
)
from workbench.sim.runtime import layout as at


def _watched(define: tile_ir.Definition, access: int) -> tile_ir.Definition:
    """Return a definition of ``tile.load`` or ``tile.store`` that checks and records the accesses first."""

    def definition(typing: Any, array: Any, offset: Any, third: Any) -> Any:
        defined = define(typing, array, offset, third)
        if defined is None:
            return None
        call, generate = defined
        count = (third if access == at.WRITES else call.return_type).count

        def checked(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            view = arrayobj.make_array(array)(context, builder, arguments[0])
            lengths = cgutils.unpack_tuple(builder, view.shape, 1)
            found = indices_of(context, builder, signature.args[1], arguments[1])
            assert found is not None
            start = found[1][0]
            for end in (start, builder.add(start, constant(count - 1))):
                indices = Indices(words=[end], constants=[None])
                check_inside(builder, view.parent, indices, lengths, "", access | at.FROM_START)
            for first, size in tile_ir.pieces(array.dtype, count):
                note_piece(builder, array, view, builder.add(start, constant(first)), size, access)
            if access == at.WRITES:
                note_progress(builder, constant(0))
            return generate(context, builder, signature, arguments)

        return call, checked

    return definition


def _bounded(define: tile_ir.Definition, access: int) -> tile_ir.Definition:
    """Return a definition of ``tile.part`` or ``tile.put`` that checks the place in the tile, its second argument."""

    def definition(typing: Any, tile: Any, place: Any, third: Any) -> Any:
        defined = define(typing, tile, place, third)
        if defined is None:
            return None
        call, generate = defined
        count = call.return_type.count if access == at.READS else 1

        def checked(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            found = indices_of(context, builder, signature.args[1], arguments[1])
            assert found is not None
            parent = builder.inttoptr(state_address(builder, at.LOCAL_REGION), cgutils.voidptr_t)
            for end in (found[1][0], builder.add(found[1][0], constant(count - 1))):
                indices = Indices(words=[end], constants=[None])
                check_inside(builder, parent, indices, [constant(tile.count)], "", access | at.FROM_START)
            return generate(context, builder, signature, arguments)

        return call, checked

    return definition


def made(define: tile_ir.Definition) -> Any:
    """Return what simulated kernels call for a definition."""
    return intrinsic(prefer_literal=True)(define)


TILES: dict[Callable[..., Any], Any] = {
    tile.spread: made(tile_ir.spread),
    tile.outer: made(tile_ir.outer),
    tile.part: made(_bounded(tile_ir.part, at.READS)),
    tile.put: made(_bounded(tile_ir.put, at.WRITES)),
    tile.load: made(_watched(tile_ir.load, at.READS)),
    tile.store: made(_watched(tile_ir.store, at.WRITES)),
}
"""What stands for the functions on register tiles in simulated kernels."""
