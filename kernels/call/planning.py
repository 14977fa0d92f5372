"""The plan of a call, made before it runs: validated shapes and options, the device, the implementations.

Making a plan takes about 30 us of Python. ``planned`` caches plans by shapes, dtypes, options and device until the registry
changes; ``plain_call`` finds the plan of a call on plain arrays, in less than one.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kernels.call.breakeven import break_even_flops
from kernels.call.registry import all_implementations, implementations
from kernels.declare.errors import DtypeError, OptionError, shown
from kernels.declare.op import PRECISIONS, Implementation, Input, Op, Shape
from kernels.declare.shapes import check_axes, normal_options, shape_by_symbols
from kernels.memory.devices import Array, cuda_fault, has_tensor_cores

DEVICE_NAMES = ("cpu", "cuda", "auto")

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

VARIABLE = "KERNELS_DEVICE"
"""The environment variable that selects a device."""

_chosen: ContextVar[str | None] = ContextVar("device", default=None)


def _make_reader() -> Callable[[], str | None]:
    """Return a function that reads the variable. When unset, ``os.environ`` takes 1.4 us, its own dictionary 0.06 us."""
    variables = getattr(os.environ, "_data", None)
    if variables is None:
        return lambda: os.environ.get(VARIABLE)
    key = os.environ.encodekey(VARIABLE)
    return lambda: os.environ[VARIABLE] if key in variables else None


_variable = _make_reader()


@contextmanager
def use_device(name: str) -> Iterator[None]:
    """Run the operations inside the block on ``name``: "cpu", "cuda" or "auto".

    A ``device=`` argument takes precedence. The setting holds for the current thread (more precisely, context).

    Raises
    ------
    OptionError
        The name is not one of the three.
    """
    token = _chosen.set(_device_name(name, "use_device"))
    try:
        yield
    finally:
        _chosen.reset(token)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A validated call: everything is known, nothing is computed."""

    op: Op
    shapes: dict[str, Shape]
    dtype: np.dtype[Any]
    options: dict[str, Any]
    output_shapes: tuple[Shape, ...]
    device: str
    device_reason: str
    precision: str | None = None

    @cached_property
    def implementations(self) -> tuple[Implementation, ...]:
        """The implementations to run, in order: for each output, the first on the device that accepts and computes it.

        An implementation that computes all outputs runs alone. Those of the requested precision, if any, come first.
        """
        precisions: list[str | None] = [None]
        if self.precision is not None and self.device == "cuda" and has_tensor_cores():
            precisions.insert(0, self.precision)
        accepting = [
            each
            for precision in precisions
            for each in implementations(self.op.name)
            if (each.device, each.precision) == (self.device, precision)
            and each.accepts(self.shapes, self.options, self.dtype.name)
        ]
        chosen: list[Implementation] = []
        for output in self.op.outputs:
            if any(each.computes is not None and output in each.computes for each in chosen):
                continue
            first = next((each for each in accepting if each.computes is None or output in each.computes), None)
            if first is None:
                what = f"{output} of {self.op.name}" if accepting else self.op.name
                raise OptionError(f"{what}: no implementation on {self.device} accepts {self.shapes}, {self.options}")
            if first.computes is None:
                return (first,)
            chosen.append(first)
        return tuple(chosen)

    @cached_property
    def steps(self) -> tuple[tuple[Callable[..., None], tuple[int, ...]], ...]:
        """The functions of the implementations, each with the positions of the outputs that it receives."""
        positions = range(len(self.op.outputs))
        return tuple(
            (each.function, tuple(each.of_outputs(self.op.outputs, positions))) for each in self.implementations
        )

    @cached_property
    def operands(self) -> tuple[tuple[str, Shape, np.dtype[Any]], ...]:
        """The inputs in order: names, shapes, and the dtypes that implementations receive."""
        return tuple((item.name, self.shapes[item.name], item.own_dtype or self.dtype) for item in self.op.inputs)

    @cached_property
    def results(self) -> tuple[tuple[Shape, np.dtype[Any]], ...]:
        """The outputs in order: shapes and dtypes."""
        return tuple(zip(self.output_shapes, self.op.dtypes_of_outputs(self.dtype), strict=True))

    @cached_property
    def indices(self) -> tuple[Input, ...]:
        """The inputs whose values must be checked."""
        return tuple(item for item in self.op.inputs if item.below is not None)

    @cached_property
    def option_values(self) -> tuple[Any, ...]:
        """The options in calling-convention order."""
        return self.op.option_values(self.options)


class PlainCall:
    """A call on the CPU whose arguments its kernels can read as they are.

    Attributes
    ----------
    call : its plan
    options, results : those of the plan
    absent : of the inputs that are None: position, shape and dtype of the zeros in their place
    settled : from the second call on, a faster way to run the steps: functions, each with the positions of its outputs, None
        for all of them in order; empty until then
    only : the one of ``settled`` that computes the only result from inputs that are all there; else None
    """

    __slots__ = ("absent", "call", "only", "options", "results", "settled")

    def __init__(self, call: Call, present: Mapping[str, Array]) -> None:
        self.call, self.options, self.results = call, call.option_values, call.results
        self.absent = tuple(
            (number, shape, dtype) for number, (name, shape, dtype) in enumerate(call.operands) if name not in present
        )
        self.settled: tuple[tuple[Callable[..., None], tuple[int, ...] | None], ...] = ()
        self.only: Callable[..., None] | None = None


_PLAIN = np.ndarray

MOST_PLANS = 1024
"""The maximum number of cached plans; the cache is cleared when it is full."""

_plans: tuple[tuple[Implementation, ...], dict[Any, Call], dict[Any, PlainCall]] = ((), {}, {})
"""The registry that the plans belong to, the plans by key, and those of calls on plain arrays by keys of their own."""


def _plans_of_now() -> tuple[tuple[Implementation, ...], dict[Any, Call], dict[Any, PlainCall]]:
    global _plans
    registry = all_implementations()
    if registry is not _plans[0]:
        _plans = registry, {}, {}
    return _plans  # a plan made while the registry changes goes into the old cache


def plain_call(
    op: Op, arguments: Mapping[str, Any], options: Mapping[str, Any], device: Any, precision: Any
) -> PlainCall | None:
    """Return how a call runs that is on the CPU and has arguments that its kernels can read as they are; None for others.

    Parameters
    ----------
    op, options, device, precision : as for ``plan``
    arguments : the inputs by name, in order; None for those that are absent

    Raises
    ------
    ShapeError, OptionError, DtypeError
        As raised by ``planned``.
    """
    chosen, variable = _chosen.get(), _variable()
    key: Any = [op.name, device, precision, chosen, variable]
    add = key.append
    for value in arguments.values():
        if type(value) is _PLAIN and value.flags.carray:
            add(value.shape)
            add(value.dtype)
        elif value is None:
            add(None)
        else:
            return None
    try:
        if options:
            key += map(_typed, options.values())
        key = tuple(key)
        found = _plans_of_now()[2].get(key)
    except TypeError:  # what cannot be part of a key
        return None
    if found is None or found.call.op is not op:
        found = _make_plain(op, arguments, options, device, precision)
        if found is not None and "auto" not in (device, chosen, variable):  # it depends on a break-even that may change
            plain = _plans_of_now()[2]
            if len(plain) >= MOST_PLANS:
                plain.clear()
            plain[key] = found
    return found


def _make_plain(
    op: Op, arguments: Mapping[str, Any], options: Mapping[str, Any], device: Any, precision: Any
) -> PlainCall | None:
    given = {name: value for name, value in arguments.items() if value is not None}
    is_complete = all(item.optional or item.name in given for item in op.inputs)
    if not (is_complete and all(array.dtype.isnative for array in given.values())):
        return None
    call = planned(op, given, options, device=device, on_device=False, precision=precision)
    return PlainCall(call, given) if call.device == "cpu" and not call.indices else None


def planned(
    op: Op,
    arrays: Mapping[str, Array],
    options: Mapping[str, Any],
    *,
    device: Any,
    on_device: bool,
    precision: Any = None,
) -> Call:
    """Return the plan of a call, from the cache or newly made.

    Parameters
    ----------
    op, options, device, on_device, precision : as for ``plan``
    arrays : the inputs that are present, by name

    Raises
    ------
    ShapeError, OptionError, DtypeError
        As raised by ``plan`` and ``common_dtype``. Errors are not cached.
    """
    plans = _plans_of_now()[1]
    requested = _requested(device)
    key: Any = [op.name, requested, on_device, precision]
    for name, array in arrays.items():
        key += name, array.shape, array.dtype
    try:
        for name, value in options.items():
            key += name, _typed(value)
        key = tuple(key)
        call = plans.get(key)
    except TypeError:  # an option value that cannot be part of a key
        key = call = None
    if call is None or call.op is not op:
        dtype = common_dtype(op, {name: array.dtype for name, array in arrays.items()})
        shapes = {name: tuple(array.shape) for name, array in arrays.items()}
        call = plan(op, shapes, dtype, options, device=device, on_device=on_device, precision=precision)
        if key is not None and requested[0] != "auto":  # "auto" depends on a break-even that may change
            if len(plans) >= MOST_PLANS:
                plans.clear()
            plans[key] = call
    return call


def common_dtype(op: Op, dtypes: Mapping[str, np.dtype[Any]]) -> np.dtype[Any]:
    """Return the common float dtype of the inputs, in native byte order; float32 if there is no float input."""
    first: tuple[str, np.dtype[Any]] | None = None
    for item in op.inputs:
        if item.name not in dtypes:
            continue
        dtype = dtypes[item.name].newbyteorder("=")
        if item.dtype is not None:
            if dtype != item.own_dtype:
                raise DtypeError(f"{op.name}: {item.name} has dtype {dtype}; needs {item.dtype}")
            continue
        if item.kind == "index":
            if dtype.kind not in "iu":
                raise DtypeError(f"{op.name}: {item.name} has dtype {dtype}; needs an integer dtype")
            continue
        if dtype not in FLOATS:
            raise DtypeError(f"{op.name}: {item.name} has dtype {dtype}; needs float32 or float64")
        first = first or (item.name, dtype)
        if dtype != first[1]:
            raise DtypeError(
                f"{op.name}: {item.name} has dtype {dtype} but {first[0]} has {first[1]}; they must be equal"
            )
    return first[1] if first else FLOATS[0]


def _typed(value: Any) -> Any:
    """Return an option value as part of a key that distinguishes 1, 1.0 and True; raise TypeError unless it is plain."""
    kind = type(value)
    if kind is int:
        return value
    if kind is tuple:
        return value if {*map(type, value)} == {int} else tuple([_typed(each) for each in value])
    if kind in (bool, float, str, type(None)):
        return kind, value
    raise TypeError


def plan(
    op: Op,
    shapes: Mapping[str, Shape],
    dtype: np.dtype[Any],
    options: Mapping[str, Any],
    *,
    device: str | None = None,
    on_device: bool = False,
    precision: str | None = None,
) -> Call:
    """Validate shapes and options and choose the device, computing nothing.

    Parameters
    ----------
    op, shapes, dtype, options : the operation, and what it is called with
    device : the requested device, if any
    on_device : whether the arrays are on the CUDA device
    precision : the lowest precision that factors may be rounded to, a key of ``PRECISIONS``; None: that of the arrays

    Raises
    ------
    ShapeError, OptionError
        The message names the argument, the value received and the value required.
    """
    if precision is not None and (not isinstance(precision, str) or precision not in PRECISIONS):
        needs = ", ".join(map(repr, PRECISIONS))
        raise OptionError(
            f"{op.name}: precision is {shown(precision)}; needs one of {needs}, or None for full precision"
        )
    check_axes(op, shapes)
    known = dict(shapes)
    for item in op.inputs:
        if item.name not in known:
            known[item.name] = shape_by_symbols(op, item, shapes)
    normal = normal_options(op, options, known)
    output_shapes = op.output_shapes(known, normal)
    chosen, reason = _choose_device(op, known, normal, _requested(device), on_device)
    return Call(
        op=op,
        shapes=known,
        dtype=dtype,
        options=normal,
        output_shapes=output_shapes,
        device=chosen,
        device_reason=reason,
        precision=precision,
    )


def _device_name(name: Any, source: str) -> str:
    if not isinstance(name, str) or name not in DEVICE_NAMES:
        raise OptionError(f"{source}: device is {shown(name)}; needs one of {', '.join(map(repr, DEVICE_NAMES))}")
    return name


def _requested(device: Any) -> tuple[Any, str]:
    """Return the requested device, if any, and its source: the argument, then use_device, then the environment."""
    if device is not None:
        return device, "device="
    if (chosen := _chosen.get()) is not None:
        return chosen, "use_device"
    if environment := _variable():
        return environment, VARIABLE
    return None, ""


def _choose_device(
    op: Op, shapes: Mapping[str, Shape], options: Mapping[str, Any], requested: tuple[Any, str], on_device: bool
) -> tuple[str, str]:
    wanted, source = requested
    if wanted is not None:
        _device_name(wanted, source)
    if on_device:
        if wanted == "cpu":
            raise OptionError(
                f"{op.name}: {source} asks for 'cpu', but the arrays are on the CUDA device; copy them with "
                "kernels.to_host first"
            )
        return "cuda", "the arrays are on the CUDA device"
    if wanted is None:
        return "cpu", "the arrays are on the host"
    if wanted != "auto":
        return wanted, f"{source} asks for {wanted!r}"
    fault = cuda_fault()
    if fault is not None:
        return "cpu", f"{source} is 'auto' and there is no CUDA: {fault}"
    flops = op.flops(shapes, options)
    threshold, origin = break_even_flops(op.name)
    if flops > threshold:
        return "cuda", f"{source} is 'auto' and {flops:,} flops are above the break-even of {threshold:,} ({origin})"
    return "cpu", f"{source} is 'auto' and {flops:,} flops are not above the break-even of {threshold:,} ({origin})"
