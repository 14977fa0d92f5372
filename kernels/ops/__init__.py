"""The operations, one folder each, and the registry that collects their declarations.

Every folder has the same structure: ``__init__`` declares (``OPS``, ``IMPLEMENTATIONS``), ``reference`` is the formula as
loops, ``cpu`` and ``cuda`` contain the implementations. Every folder here is collected automatically.
"""

from importlib import import_module
from pkgutil import iter_modules

from kernels.declare.op import Implementation, Op

_LAYERS = ("conv2d", "relu", "pool2d", "dense", "softmax")
"""The families that are listed first, in the order of a network's layers; others follow by name."""


def _place(family: str) -> tuple[int, str]:
    return (_LAYERS.index(family) if family in _LAYERS else len(_LAYERS)), family


_FAMILIES = tuple(
    import_module(f"{__name__}.{name}")
    for name in sorted((each.name for each in iter_modules(__path__) if each.ispkg), key=_place)
)

OPS: dict[str, Op] = {op.name: op for family in _FAMILIES for op in family.OPS}

IMPLEMENTATIONS: tuple[Implementation, ...] = tuple(
    implementation for family in _FAMILIES for implementation in family.IMPLEMENTATIONS
)
