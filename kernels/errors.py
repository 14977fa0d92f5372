"""The errors of the public functions, as the documentation imports them."""

from kernels.declare.errors import (
    DeviceUnavailable,
    DtypeError,
    KernelsError,
    OptionError,
    ShapeError,
)

__all__ = [
    "DeviceUnavailable",
    "DtypeError",
    "KernelsError",
    "OptionError",
    "ShapeError",
]
