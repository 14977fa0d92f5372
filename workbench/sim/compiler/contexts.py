"""Numba contexts for the simulator: for constants, and for code that Numba generates for iterators and records."""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from workbench.sim.common.generating import constant, note_place, note_progress, unchanged
from workbench.sim.runtime import layout as at


def embedding(context: Any) -> Any:
    """Return a context that copies the elements of every constant array into the machine code.

    Numba's context uses the memory of large arrays and strided views, and puts the address of a Python object where arrays
    of the simulator have their region.
    """
    copying = context.subtarget(allow_dynamic_globals=False)

    def make_constant_array(builder: Any, kind: Any, array: NDArray[Any]) -> Any:
        contiguous = array.flags.c_contiguous or array.flags.f_contiguous
        is_plain = contiguous and all(stride >= 0 for stride in array.strides)
        return copying.make_constant_array(builder, kind, array if is_plain else np.ascontiguousarray(array))

    return context.subtarget(make_constant_array=make_constant_array)


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
