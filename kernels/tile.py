"""Register tiles, as the documentation imports them."""

from kernels.simd.tile import *  # noqa: F403
