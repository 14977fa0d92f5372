"""The records that declare an operation and its implementations, as the documentation imports them."""

from kernels.declare.op import (
    REQUIRED,
    Implementation,
    Input,
    Op,
    Option,
    Options,
    Shape,
    Shapes,
)

__all__ = [
    "REQUIRED",
    "Implementation",
    "Input",
    "Op",
    "Option",
    "Options",
    "Shape",
    "Shapes",
]
