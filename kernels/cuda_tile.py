"""Register tiles for CUDA, as the documentation imports them."""

from kernels.simt.tile import *  # noqa: F403
