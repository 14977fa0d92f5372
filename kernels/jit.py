"""The decorators that compile kernels, as the documentation imports them."""

from kernels.compile.jit import (
    cpu_core,
    cpu_inline,
    cpu_kernel,
    cpu_part,
    cpu_serial,
    cuda_kernel,
    current_stream,
    launch,
    on_stream,
    scalar,
)

__all__ = [
    "cpu_core",
    "cpu_inline",
    "cpu_kernel",
    "cpu_part",
    "cpu_serial",
    "cuda_kernel",
    "current_stream",
    "launch",
    "on_stream",
    "scalar",
]
