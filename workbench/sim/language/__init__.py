"""``numba.cuda`` as kernels see it in the simulator."""

from types import ModuleType
from typing import Any

import numba
import numpy as np

from workbench.sim.language import arrays, atomics, integers, synchronizing, thread_indices, warps
from workbench.sim.language.fp16 import FP16
from workbench.sim.language.libdevice import LIBDEVICE
from workbench.sim.language.mathematics import MATH, REPLACED
from workbench.sim.language.tensor_cores import TENSOR_CORES
from workbench.sim.language.tiles import TILES as REGISTER_TILES
from workbench.sim.language.vectors import VECTORS

__all__ = ["CUDA", "LIBDEVICE", "MATH", "NUMBA", "REPLACED", "TILES", "VECTORS"]


TILES = REGISTER_TILES | TENSOR_CORES
"""What stands for the functions of ``kernels.simt`` that are intrinsics on a GPU."""


def _module(name: str, members: dict[str, Any]) -> ModuleType:
    module = ModuleType(f"workbench.sim.{name}")
    vars(module).update(members)
    return module


def _named(source: ModuleType, names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names.split()}


CUDA = _module(
    "cuda",
    {
        "threadIdx": thread_indices.thread_index,
        "blockIdx": thread_indices.block_index,
        "blockDim": thread_indices.block_shape,
        "gridDim": thread_indices.grid_shape,
        "warpsize": np.int32(32),
        "laneid": thread_indices.lane_id,
        **_named(thread_indices, "grid gridsize lanemask_lt"),
        **_named(synchronizing, "syncthreads syncthreads_count syncthreads_and syncthreads_or nanosleep"),
        **_named(synchronizing, "threadfence threadfence_block threadfence_system"),
        **_named(warps, "syncwarp activemask shfl_sync shfl_up_sync shfl_down_sync shfl_xor_sync"),
        **_named(warps, "all_sync any_sync eq_sync ballot_sync match_any_sync match_all_sync"),
        **_named(atomics, "ldca ldcg ldcs ldlu ldcv stcg stcs stwb stwt"),
        **_named(integers, "popc brev clz ffs fma selp"),
        "cbrt": np.cbrt,
        "shared": _module("cuda.shared", {"array": arrays.shared_array}),
        "local": _module("cuda.local", {"array": arrays.local_array}),
        "const": _module("cuda.const", {"array_like": arrays.const_array_like}),
        "cg": _module("cuda.cg", {"this_grid": synchronizing.this_grid}),
        "atomic": _module(
            "cuda.atomic",
            {
                **_named(atomics, "add sub and_ or_ xor inc dec exch nanmax nanmin cas compare_and_swap"),
                "max": atomics.max_,
                "min": atomics.min_,
            },
        ),
        "fp16": FP16,
        "libdevice": LIBDEVICE,
        **VECTORS,
        **{name: getattr(numba, name) for name in ("int8", "int16", "int32", "int64")},
        **{name: getattr(numba, name) for name in ("uint8", "uint16", "uint32", "uint64")},
        **{name: getattr(numba, name) for name in ["float32", "float64", "complex64", "complex128", "boolean"]},
    },
)


class _Numba(ModuleType):
    """Numba, with the simulator's ``cuda``."""

    cuda = CUDA

    def __getattr__(self, name: str) -> Any:
        return getattr(numba, name)


NUMBA = _Numba("numba")
