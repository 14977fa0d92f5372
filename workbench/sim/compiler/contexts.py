"""A Numba context for code that Numba generates for iterators and records; it records their loads and stores."""

from typing import Any

from numba import types

from workbench.sim.common.generating import constant, note_place, note_progress, unchanged
from workbench.sim.runtime import layout as at


def noting(context: Any, *, watch: bool) -> Any:
    """Return a context that records every load and store; without ``watch``, only that memory changes."""

    def unpack_value(builder: Any, kind: Any, place: Any, align: Any = None) -> Any:
        if watch and not isinstance(kind, types.Record):  # a record's value is its address
            note_place(context, builder, kind, place, at.READS)
        return context.unpack_value(builder, kind, place, align)

    def pack_value(builder: Any, kind: Any, value: Any, place: Any, align: Any = None) -> None:
        if not watch:
            note_progress(builder, constant(0))
        else:
            if isinstance(kind, types.Record):
                note_place(context, builder, kind, value, at.READS)
            flag = builder.add(unchanged(context, builder, kind, place, value), constant(at.WRITES))
            note_place(context, builder, kind, place, flag)
        context.pack_value(builder, kind, value, place, align)

    return context.subtarget(cached_internal_func={}, unpack_value=unpack_value, pack_value=pack_value)
