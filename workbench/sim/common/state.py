"""The state of the current launch: one per process, which machine code finds by its symbol."""

import numpy as np

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.symbols import publish

WORDS = np.zeros(at.STATE_WORDS, np.int64)
ADDRESS = WORDS.ctypes.data

publish("state", ADDRESS)
