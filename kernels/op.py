"""The records that declare an operation and its implementations, as the documentation imports them."""

from kernels.declare.op import *  # noqa: F403
