"""Everything that uses Numba: options, the compile cache, serial twins, threads."""
