"""Numba's errors and warnings."""

from numba.core.errors import (
    NumbaDebugInfoWarning,
    NumbaError,
    NumbaPerformanceWarning,
    NumbaWarning,
    TypingError,
    UnsupportedError,
)
