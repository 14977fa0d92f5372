"""The registry of all operations and their implementations. The built-in ones are present; users can add their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from kernels import ops
from kernels.declare.errors import OptionError, shown
from kernels.declare.op import Implementation, Op

OPS: dict[str, Op] = dict(ops.OPS)
"""Operations by name."""

_built_in: tuple[Implementation, ...] = tuple(ops.IMPLEMENTATIONS)

_implementations = _built_in

_only_built_in: ContextVar[bool] = ContextVar("only_built_in", default=False)


@contextmanager
def built_in_only() -> Iterator[None]:
    """Let dispatch consider the built-in implementations only inside the block, in the current thread."""
    token = _only_built_in.set(True)
    try:
        yield
    finally:
        _only_built_in.reset(token)


def register(entry: Op | Implementation, *, preferred: bool = False) -> None:
    """Add an operation, or an implementation of a registered operation.

    A user's entry of the same name (for an implementation: also of the same operation and device) is replaced, so that a
    file or a notebook cell can be run again. Built-in entries cannot be replaced.

    Parameters
    ----------
    entry : the operation or implementation
    preferred : whether dispatch considers the implementation before the existing ones; otherwise after them

    Raises
    ------
    OptionError
        The entry is neither; its name is that of a built-in entry; the implementation's operation is not registered.
    """
    if isinstance(entry, Op):
        if entry.name in ops.OPS and ops.OPS[entry.name] is not entry:
            raise OptionError(f"register: {entry.name!r} is a built-in operation; choose another name")
        OPS[entry.name] = entry
        return
    if not isinstance(entry, Implementation):
        raise OptionError(
            f"register: {shown(entry)} is neither an Op nor an Implementation; decorate a kernel with "
            "@workbench.implements, which registers it"
        )
    if entry.op not in OPS:
        raise OptionError(
            f"register: {entry.name} implements {entry.op!r}, which is not an operation; register that first"
        )
    if any(_key(each) == _key(entry) for each in ops.IMPLEMENTATIONS):
        raise OptionError(f"register: {entry.name!r} is a built-in kernel of {entry.op}; choose another name")
    global _implementations
    unregister(entry)
    _implementations = (entry, *_implementations) if preferred else (*_implementations, entry)


def unregister(entry: Implementation) -> None:
    """Remove the user's implementation with this operation, device and name, if any; built-in ones stay."""
    global _implementations
    _implementations = tuple(
        each for each in _implementations if each in ops.IMPLEMENTATIONS or _key(each) != _key(entry)
    )


def all_implementations() -> tuple[Implementation, ...]:
    """Return the implementations of all operations, in the order in which dispatch considers them.

    The object is the same until an implementation is added or removed.
    """
    return _built_in if _only_built_in.get() else _implementations


def implementations(name: str) -> tuple[Implementation, ...]:
    """Return the implementations of an operation, in the order in which dispatch considers them.

    Raises
    ------
    OptionError
        No operation has that name.
    """
    if not isinstance(name, str) or name not in OPS:
        raise OptionError(f"implementations: unknown operation {name!r}; needs one of {', '.join(OPS)}")
    return tuple(implementation for implementation in all_implementations() if implementation.op == name)


def _key(implementation: Implementation) -> tuple[str, str, str]:
    return implementation.op, implementation.device, implementation.name
