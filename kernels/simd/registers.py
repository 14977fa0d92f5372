"""The SIMD registers that Numba generates code for: their width, number and capabilities."""

from functools import cache

import numba

from kernels.compile.numba_internals.llvm import binding as llvm

WIDTHS = {"avx512f": 64, "avx": 32}
"""Bytes of the widest register by feature; 16 otherwise, as for SSE and NEON."""


@cache
def features() -> frozenset[str]:
    """Return the features of the processor that Numba generates code for (NUMBA_CPU_FEATURES, else the host's)."""
    if numba.config.CPU_FEATURES is not None:
        return frozenset(word[1:] for word in numba.config.CPU_FEATURES.split(",") if word.startswith("+"))
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


@cache
def register_bytes() -> int:
    """Return the size of the widest SIMD register in bytes."""
    return next((size for name, size in WIDTHS.items() if name in features()), 16)


@cache
def register_count() -> int:
    """Return the number of SIMD registers: 32 with AVX-512 and on ARM, otherwise 16."""
    return 32 if {"avx512f", "neon"} & features() else 16


@cache
def has_fma() -> bool:
    """Return whether there is a fused multiply-add instruction; without one, LLVM would call a library function."""
    return bool({"fma", "neon"} & features())
