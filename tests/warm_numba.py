"""Importing this compiles one function, which fills Numba's registries, for processes that are forked."""

import gc

import numba
import numpy as np

numba.njit(lambda x: x[0] + 1.0)(np.zeros(1))
gc.collect()
gc.freeze()  # a collection would write to memory that forks share
gc.set_threshold(50_000, 20, 50)
