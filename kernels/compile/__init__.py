"""Everything that touches Numba: options, the compile cache, serial twins, threads."""
