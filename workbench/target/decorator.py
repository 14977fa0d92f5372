"""The decorator that declares which operation a kernel implements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from workbench.system.errors import InputError, nearest

if TYPE_CHECKING:
    from kernels.declare.op import Op
    from workbench.target.binding import UserKernel
    from workbench.target.launch import Extent

Function = TypeVar("Function", bound=Callable[..., Any])

declared: list[UserKernel] = []
"""The kernels decorated so far, in order."""


def implements(
    op: str | Op,
    *,
    device: Literal["cpu", "cuda"] | None = None,
    grid: Extent | None = None,
    block: Extent | None = None,
    shared: int | Callable[..., int] = 0,
    accumulate: str | None = None,
    when: Mapping[str, Any] | None = None,
    dtypes: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
) -> Callable[[Function], Function]:
    """Declare that a kernel implements an operation, and register it for every command.

    The kernel is a Python function, or the result of @njit, @cuda.jit, @vectorize, @guvectorize or @stencil (write this
    decorator above those). Its parameters are names of the operation's inputs, options and outputs. It is returned
    unchanged.

    Parameters
    ----------
    op : the operation's name, or its ``Op``, which is then registered
    device : "cpu" or "cuda", the kind of arrays that it takes; None: derived from its compiler's decorator
    grid, block : for a bare CUDA kernel: blocks and threads per block, each an int, a tuple, or a function of the arrays
        and options by name, for example ``grid=lambda y: -(-y.size // 128)``
    shared : bytes of dynamic shared memory, a number or such a function
    accumulate : a lower precision that it computes in, which determines its bound: float16, bfloat16, tf32 or float32
    when : the calls that it is for, if not all: by axis or option, a value or a ``range``, for example
        ``{"KH": 3, "KW": 3, "C": range(1, 65), "padding": 1}``. Only such calls are generated and dispatched to it.
    dtypes : the precisions that it is for, if not both: "float32", "float64"
    names : for parameters with other names, theirs in the operation, for example ``{"A": "x", "B": "w"}``

    Raises
    ------
    InputError
        The operation is unknown; a parameter binds to nothing; a CUDA kernel has no launch; a precision, axis, option or
        value is unknown.

    Examples
    --------
    >>> from numba import njit
    >>> @implements("relu")
    ... @njit
    ... def my_relu(x, y):
    ...     for i in range(x.size):
    ...         y.flat[i] = max(x.flat[i], 0)
    """

    def decorate(function: Function) -> Function:
        from kernels import register
        from workbench.target.binding import implementation

        kernel = make_kernel(
            function,
            op,
            device=device,
            accumulate=accumulate,
            when=when,
            dtypes=dtypes,
            names=names,
            grid=grid,
            block=block,
            shared=shared,
        )
        register(implementation(kernel))
        declared.append(kernel)
        return function

    return decorate


def make_kernel(
    function: Any,
    op: str | Op,
    *,
    device: str | None,
    accumulate: str | None = None,
    when: Mapping[str, Any] | None = None,
    dtypes: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    **launch: Any,
) -> UserKernel:
    """Check the arguments of ``implements`` and return the kernel's record; registers an ``Op``, not the kernel.

    Raises
    ------
    InputError
        As ``implements`` does, except for the parameters, which ``binding.bind`` checks.
    """
    from kernels import OPS, Op, register
    from kernels.declare.errors import OptionError
    from workbench.oracle.bounds import ACCUMULATE
    from workbench.sampling import DTYPES
    from workbench.sampling.restriction import restriction
    from workbench.target.binding import UserKernel, function_name, is_kernel, kind_of

    if not is_kernel(function):
        raise InputError(f"{function!r} is not a function; give a Python function or a compiled one")
    name = function_name(function)
    if isinstance(op, Op):
        register(op)
        op = op.name
    if op not in OPS:
        raise InputError(f"{name}: {nearest('operation', op, list(OPS))}")
    if device not in (None, "cpu", "cuda"):
        raise InputError(f"{name}: device is {device!r}; needs cpu or cuda")
    if accumulate is not None and accumulate not in ACCUMULATE:
        raise InputError(f"{name}: accumulate is {accumulate!r}; needs one of {', '.join(ACCUMULATE)}")
    kind = kind_of(function)
    if device is not None and device != kind and python_only(function) is False:
        raise InputError(f"{name} is compiled for {kind}, not for {device}; leave device out")
    dtypes = (dtypes,) if isinstance(dtypes, str) else tuple(dtypes)
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise InputError(f"{name}: dtypes has {dtype!r}; needs {' or '.join(DTYPES)}")
    try:
        only = restriction(OPS[op], when or {}, dtypes)
    except OptionError as error:
        raise InputError(f"{name}: {error}") from None
    chosen: Any = device or kind
    return UserKernel(
        function=function,
        op=OPS[op],
        device=chosen,
        accumulate=accumulate,
        only=only,
        names=dict(names or {}),
        **launch,
    )


def python_only(function: Any) -> bool:
    """Return whether ``function`` is plain Python, which may work on the arrays of either device."""
    from workbench.target.binding import python_function

    return python_function(function) is function
