"""A textual explanation of which implementation would run on which device, and why."""

from typing import Any

import numpy as np

from kernels.call.dispatch import located, present
from kernels.call.planning import common_dtype, plan
from kernels.call.registry import OPS
from kernels.declare.array_types import ArrayLike
from kernels.declare.errors import KernelsError, OptionError, ShapeError
from kernels.declare.op import Implementation, Shape
from kernels.memory.devices import CPU, get_device


def explain(
    name: str,
    *arrays_or_shapes: ArrayLike | Shape | None,
    device: str | None = None,
    precision: str | None = None,
    **options: Any,
) -> str:
    """Explain which implementation would run on which device, and why, without computing anything.

    Parameters
    ----------
    name : an operation's name, a key of ``kernels.OPS``
    *arrays_or_shapes : the operation's inputs in order, each an array or a shape (a tuple of ints; float32 is
        assumed where no array says otherwise); optional inputs may be left out or None
    device, precision : as for the operation itself
    **options : the operation's options

    Returns
    -------
    str
        A few lines: the implementation, the reason for the device, the shapes, the normalized options, and the work.

    Raises
    ------
    OptionError, ShapeError, DtypeError
        As raised by the operation itself.

    Examples
    --------
    >>> print(explain("dense", (64, 400), (120, 400)))
    dense runs dense_cpu (panels) on cpu: the arrays are on the host
      inputs   x (64, 400), w (120, 400), b (120,), float32
      outputs  y (64, 120)
      options  none
      work     6,144,000 flops, 325,600 bytes
    """
    if not isinstance(name, str) or name not in OPS:
        raise OptionError(f"explain: unknown operation {name!r}; needs one of {', '.join(OPS)}")
    op = OPS[name]
    unknown = sorted(set(options) - {option.name for option in op.options})
    if unknown:
        known = ", ".join(option.name for option in op.options) or "none"
        raise OptionError(f"{name}: unknown option {unknown[0]!r}; it takes {known}")
    required = sum(not item.optional for item in op.inputs)
    if not required <= len(arrays_or_shapes) <= len(op.inputs):
        needs = ", ".join(item.name for item in op.inputs)
        raise ShapeError(f"explain: {name} takes {needs}; {len(arrays_or_shapes)} given")
    names = (item.name for item in op.inputs)
    arguments = present(op, dict(zip(names, arrays_or_shapes, strict=False)))
    arrays = {key: value for key, value in arguments.items() if not _is_shape(value)}
    home, arrays = located(op, arrays)
    dtype = common_dtype(op, {key: array.dtype for key, array in arrays.items()})
    shapes = {key: _shape(name, key, arrays.get(key, value)) for key, value in arguments.items()}
    call = plan(op, shapes, dtype, options, device=device, on_device=home is not CPU, precision=precision)
    chosen = call.implementations
    cost = op.cost(call.shapes, call.options, dtype.itemsize)
    given = ", ".join(f"{key} {shape}" for key, shape in call.shapes.items())
    outputs = ", ".join(f"{key} {shape}" for key, shape in zip(op.outputs, call.output_shapes, strict=True))
    normal = ", ".join(f"{key}={value}" for key, value in call.options.items()) or "none"
    lines = [
        f"{name} runs {' and '.join(map(_named, chosen))} on {call.device}: {call.device_reason}",
        *(f"  chosen   {each.name} for {each.when}" for each in chosen if each.when),
        f"  inputs   {given}, {dtype}",
        f"  outputs  {outputs}",
        f"  options  {normal}",
        f"  work     {cost.flops:,} flops, {cost.bytes:,} bytes",
    ]
    try:
        get_device(call.device)
    except KernelsError as error:
        lines.append(f"  but      {error}")
    return "\n".join(lines)


def _named(implementation: Implementation) -> str:
    part = f" for {', '.join(implementation.computes)}" if implementation.computes else ""
    return f"{implementation.name} ({implementation.algorithm}){part}"


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(size, int | np.integer) for size in value)


def _shape(op: str, name: str, array_or_shape: Any) -> Shape:
    if not isinstance(array_or_shape, tuple):
        return tuple(array_or_shape.shape)
    if any(size < 0 for size in array_or_shape):
        raise ShapeError(f"{op}: {name} has shape {array_or_shape}; no size may be negative")
    return tuple(int(size) for size in array_or_shape)
