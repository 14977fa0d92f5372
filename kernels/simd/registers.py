"""The SIMD registers that Numba generates code for: their width, their number, and what they can do."""

from __future__ import annotations

from functools import cache

import llvmlite.binding as llvm
import numba

WIDTHS = {"avx512f": 64, "avx": 32}
"""Bytes of the widest register by feature; else 16, as SSE and NEON have."""


@cache
def features() -> frozenset[str]:
    """Name the features of the processor that Numba generates code for (NUMBA_CPU_FEATURES, else the host's)."""
    if numba.config.CPU_FEATURES is not None:
        return frozenset(word[1:] for word in numba.config.CPU_FEATURES.split(",") if word.startswith("+"))
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


@cache
def register_bytes() -> int:
    """Return the bytes of the widest SIMD register."""
    return next((size for name, size in WIDTHS.items() if name in features()), 16)


@cache
def register_count() -> int:
    """Return the number of SIMD registers: 32 with AVX-512 and on ARM, else 16."""
    return 32 if {"avx512f", "neon"} & features() else 16


@cache
def has_fma() -> bool:
    """Return whether there is a fused multiply-add instruction; elsewhere LLVM would call a library function."""
    return bool({"fma", "neon"} & features())
