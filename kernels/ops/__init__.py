"""The operations, one folder each, and the registry that collects their declarations.

Every folder has the same files: ``__init__`` declares (``OPS``, ``IMPLEMENTATIONS``), ``reference`` is the formula as
loops, ``cpu`` and ``cuda`` are its twins.
"""

from kernels.declare.op import Implementation, Op
from kernels.ops import conv2d, dense, pool2d, relu, softmax

_FAMILIES = (conv2d, relu, pool2d, dense, softmax)

OPS: dict[str, Op] = {op.name: op for family in _FAMILIES for op in family.OPS}

IMPLEMENTATIONS: tuple[Implementation, ...] = tuple(
    implementation for family in _FAMILIES for implementation in family.IMPLEMENTATIONS
)
