"""The errors of the public functions, as the documentation imports them."""

from kernels.declare.errors import *  # noqa: F403
