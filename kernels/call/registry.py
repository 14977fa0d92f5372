"""The registry: every operation and every way to run one. The built-in ones are there; users add their own."""

from __future__ import annotations

from kernels import ops
from kernels.declare.errors import OptionError
from kernels.declare.op import Implementation, Op

OPS: dict[str, Op] = dict(ops.OPS)
"""Operations by name."""

_implementations: tuple[Implementation, ...] = tuple(ops.IMPLEMENTATIONS)


def register(entry: Op | Implementation, *, preferred: bool = False) -> None:
    """Add an operation, or a way to run one that is registered.

    One of the user's own that goes by the same name (for an implementation: of the same operation and device) is
    replaced, so that a file or a notebook cell can be run again. The built-in ones stay.

    Parameters
    ----------
    entry : what is added
    preferred : dispatch considers the implementation before those that are there; else after them

    Raises
    ------
    OptionError
        The name is that of a built-in one, or an implementation is of an operation that is not registered.
    """
    if isinstance(entry, Op):
        if entry.name in ops.OPS and ops.OPS[entry.name] is not entry:
            raise OptionError(f"register: {entry.name!r} is a built-in operation; give yours another name")
        OPS[entry.name] = entry
        return
    if entry.op not in OPS:
        raise OptionError(f"register: {entry.name} is of {entry.op!r}, which is no operation; register that first")
    if any(_key(each) == _key(entry) for each in ops.IMPLEMENTATIONS):
        raise OptionError(f"register: {entry.name!r} is a built-in kernel of {entry.op}; give yours another name")
    global _implementations
    unregister(entry)
    _implementations = (entry, *_implementations) if preferred else (*_implementations, entry)


def unregister(entry: Implementation) -> None:
    """Take out the user's implementation of that operation, device and name, if there is one; the built-in ones stay."""
    global _implementations
    _implementations = tuple(
        each for each in _implementations if each in ops.IMPLEMENTATIONS or _key(each) != _key(entry)
    )


def all_implementations() -> tuple[Implementation, ...]:
    """Return the implementations of all operations, in the order in which dispatch considers them.

    The same object as long as nothing is registered or taken out.
    """
    return _implementations


def implementations(name: str) -> tuple[Implementation, ...]:
    """Return the implementations of an operation, in the order in which dispatch considers them.

    Raises
    ------
    OptionError
        There is no operation of that name.
    """
    if not isinstance(name, str) or name not in OPS:
        raise OptionError(f"implementations: unknown operation {name!r}; needs one of {', '.join(OPS)}")
    return tuple(implementation for implementation in _implementations if implementation.op == name)


def _key(implementation: Implementation) -> tuple[str, str, str]:
    return implementation.op, implementation.device, implementation.name
