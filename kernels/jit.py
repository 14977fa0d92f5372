"""The decorators that compile kernels, as the documentation imports them."""

from kernels.compile.jit import *  # noqa: F403
