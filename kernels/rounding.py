"""The a-priori rounding bounds, as the documentation imports them."""

from kernels.declare.rounding import *  # noqa: F403
