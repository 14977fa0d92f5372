"""Explain why a CPU kernel is slow, from the machine code that Numba generates: loop by loop, on its source lines."""
