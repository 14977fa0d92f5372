"""Eviction of arrays from the processor's caches, so that the next kernel reads them from memory, as after other work."""

import platform
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from kernels.compile.jit import cpu_serial
from kernels.compile.numba_internals.llvm import ir

LINE = 64
"""Bytes of a cache line on x86."""

UNKNOWN_CACHE = 2**26
"""Bytes assumed for the last-level cache if the system does not report its size."""


def flush(arrays: Iterable[NDArray[Any]]) -> None:
    """Evict host arrays from all caches: line by line on x86, elsewhere by writing twice the size of the largest cache."""
    if platform.machine() in ("x86_64", "AMD64"):
        for array in arrays:
            low, high = np.lib.array_utils.byte_bounds(array)
            _flush_lines(low, high)
    else:
        _sweep().fill(1)


def last_level_bytes() -> int:
    """Return the size of the largest cache in bytes, as reported by the system."""
    sizes = cache_bytes().values()
    return max(sizes, default=UNKNOWN_CACHE)


def cache_bytes() -> dict[int, int]:
    """Return the sizes in bytes of the first core's data caches by level; empty if the system does not report them."""
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            if (index / "type").read_text().strip() == "Instruction":
                continue
            size = (index / "size").read_text().strip()
            found[int((index / "level").read_text())] = int(size.rstrip("KM")) * {"K": 2**10, "M": 2**20}[size[-1]]
        except (OSError, ValueError, KeyError):
            continue
    return found


@cache
def _sweep() -> NDArray[np.uint8]:
    return np.empty(2 * last_level_bytes(), np.uint8)


@intrinsic  # type: ignore[untyped-decorator]
def _clflush(_typing: Any, _address: Any) -> Any:
    """Write back and invalidate the cache line that holds ``address``."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        function = builder.module.declare_intrinsic(
            "llvm.x86.sse2.clflush", (), ir.FunctionType(ir.VoidType(), [pointer])
        )
        builder.call(function, [builder.inttoptr(arguments[0], pointer)])
        return ir.Constant(ir.IntType(8), 0)

    return types.int8(types.uintp), generate


@cpu_serial
def _flush_lines(low: int, high: int) -> None:
    for address in range(low - low % LINE, high, LINE):
        _clflush(np.uintp(address))
