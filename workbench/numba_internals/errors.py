"""Numba's errors and warnings."""

from numba.core.errors import NumbaDebugInfoWarning, NumbaError, NumbaWarning, TypingError, UnsupportedError
