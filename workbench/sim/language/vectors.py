"""Vector types such as ``float32x4`` (``float4``): tuples with the fields x, y, z, w."""

from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any

from numba import types
from numba.extending import intrinsic, overload

from workbench.numba_internals.lowering import cgutils

FIELDS = ("x", "y", "z", "w")


def _types(given: Any) -> Iterator[Any]:
    for each in given:
        if isinstance(each, types.BaseTuple):
            yield from _types(each)
        else:
            yield each


def _flatten(builder: Any, given: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    for kind, part in zip(given, cgutils.unpack_tuple(builder, value), strict=True):
        if isinstance(kind, types.BaseTuple):
            yield from _flatten(builder, kind, part)
        else:
            yield kind, part


def _constructor(name: str, element: Any, count: int) -> Callable[..., None]:
    target = types.NamedUniTuple(element, count, namedtuple(name, FIELDS[:count]))

    @intrinsic
    def pack(_context: Any, given: Any) -> Any:
        if sum(1 for _ in _types(given)) != count:
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            parts = _flatten(builder, signature.args[0], arguments[0])
            values = [context.cast(builder, value, types.unliteral(of), element) for of, value in parts]
            return context.make_tuple(builder, target, values)

        return target(given), generate

    def vector(*parts: Any) -> None:
        """Stands for the vector type in the kernels' namespace."""

    @overload(vector, strict=False)
    def implement(*parts: Any) -> Any:
        return lambda *parts: pack(parts)

    return vector


def _all() -> dict[str, Callable[..., None]]:
    from workbench.numba_internals.cuda_declarations import vector_type_stubs

    made: dict[str, Callable[..., None]] = {}
    for stub in vector_type_stubs:
        name = stub.__name__
        vector = _constructor(name, getattr(types, name[:-2]), int(name[-1]))
        made |= dict.fromkeys([name, *stub.aliases], vector)
    return made


VECTORS = _all()
