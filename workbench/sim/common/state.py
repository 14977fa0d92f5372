"""The state of the current launch: one per process, at an address known to machine code."""

import numpy as np

from workbench.sim.runtime import layout as at

WORDS = np.zeros(at.STATE_WORDS, np.int64)
ADDRESS = WORDS.ctypes.data
