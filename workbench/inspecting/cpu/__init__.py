"""Why is a CPU kernel slow? The machine code that Numba makes of it, loop by loop, on its source lines."""
