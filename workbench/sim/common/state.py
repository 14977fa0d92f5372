"""The state of the launch under way: one a process, at an address that machine code knows."""

from __future__ import annotations

import numpy as np

from workbench.sim.runtime import layout as at

WORDS = np.zeros(at.STATE_WORDS, np.int64)
ADDRESS = WORDS.ctypes.data
