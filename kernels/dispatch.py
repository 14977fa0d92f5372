"""From a public call to a kernel: validate, choose the device and the implementation, allocate, call."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels.breakeven import break_even_flops
from kernels.devices import CPU, Array, Device, cuda_fault, get_device, is_device_array
from kernels.errors import DtypeError, OptionError, ShapeError, shown
from kernels.op import Implementation, Input, Op, Shape
from kernels.registry import OPS, implementations
from kernels.shapes import check_axes, normal_options

DEVICE_NAMES = ("cpu", "cuda", "auto")
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

_chosen: ContextVar[str | None] = ContextVar("device", default=None)


@contextmanager
def use_device(name: str) -> Iterator[None]:
    """Run the operations inside the block on ``name``: "cpu", "cuda" or "auto".

    A ``device=`` argument still goes first. Holds for the current thread (more exactly: context).

    Raises
    ------
    OptionError
        The name is none of the three.
    """
    token = _chosen.set(_device_name(name, "use_device"))
    try:
        yield
    finally:
        _chosen.reset(token)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A validated call: everything known, nothing computed."""

    op: Op
    shapes: dict[str, Shape]
    dtype: np.dtype[Any]
    options: dict[str, Any]
    output_shapes: tuple[Shape, ...]
    device: str
    device_reason: str

    @property
    def implementations(self) -> tuple[Implementation, ...]:
        """Those that run, in this order: for each output the first one on the device that accepts the case and computes it.

        Where that is one that computes everything, it runs alone.
        """
        accepting = [
            each
            for each in implementations(self.op.name)
            if each.device == self.device and each.accepts(self.shapes, self.options, self.dtype.name)
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


def run(
    name: str,
    arguments: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
) -> Any:
    """Run operation ``name``; give its output, or a tuple of its outputs."""
    op = OPS[name]
    arguments = present(op, arguments)
    on_device = residence(op, arguments)
    home = get_device("cuda") if on_device else CPU
    arrays = {key: adopt(name, home, key, value) for key, value in arguments.items()}
    dtype = common_dtype(op, {key: array.dtype for key, array in arrays.items()})
    shapes = {key: tuple(array.shape) for key, array in arrays.items()}
    call = plan(op, shapes, dtype, options, device=device, on_device=on_device)
    for item in op.inputs:
        if item.kind == "index":
            arrays[item.name] = _checked_indices(op, item, home, arrays[item.name], call)
    outputs = _outputs(call, home, arrays, out)
    target = get_device(call.device)
    if stream is not None and call.device != "cuda":
        raise OptionError(f"{name}: stream is for CUDA, but the call runs on {call.device}; leave it out")

    inputs = []
    for item in op.inputs:
        wanted = np.dtype(np.int64) if item.kind == "index" else dtype
        if item.name in arrays:
            array = home.prepare(arrays[item.name], wanted)
            inputs.append(array if target is home else target.from_host(array))
        else:
            inputs.append(target.from_host(np.zeros(_symbol_shape(op, item, shapes), wanted)))
    results = [
        output if target is home and output is not None and home.is_plain(output) else target.empty(shape, dtype)
        for output, shape in zip(outputs, call.output_shapes, strict=True)
    ]
    with target.on_stream(stream):
        for implementation in call.implementations:
            implementation.function(
                *inputs, *op.option_values(call.options), *implementation.of_outputs(op.outputs, results)
            )
    given = [_deliver(home, target, output, result) for output, result in zip(outputs, results, strict=True)]
    if out is not None:
        return out
    return given[0] if len(given) == 1 else tuple(given)


def plan(
    op: Op,
    shapes: Mapping[str, Shape],
    dtype: np.dtype[Any],
    options: Mapping[str, Any],
    *,
    device: str | None = None,
    on_device: bool = False,
) -> Call:
    """Validate shapes and options and choose the device, computing nothing.

    Raises
    ------
    ShapeError, OptionError
        The message names the argument, what came and what is needed.
    """
    check_axes(op, shapes)
    known = dict(shapes)
    for item in op.inputs:
        if item.name not in known:
            known[item.name] = _symbol_shape(op, item, shapes)
    normal = normal_options(op, options, known)
    output_shapes = op.output_shapes(known, normal)
    chosen, reason = _choose_device(op, known, normal, device, on_device)
    return Call(
        op=op,
        shapes=known,
        dtype=dtype,
        options=normal,
        output_shapes=output_shapes,
        device=chosen,
        device_reason=reason,
    )


def _device_name(name: Any, source: str) -> str:
    if not isinstance(name, str) or name not in DEVICE_NAMES:
        raise OptionError(f"{source}: device is {shown(name)}; needs one of {', '.join(map(repr, DEVICE_NAMES))}")
    return name


def _requested(device: str | None) -> tuple[str | None, str]:
    """Give the device asked for, if any, and by what: the argument, then use_device, then the environment."""
    if device is not None:
        return _device_name(device, "device="), "device="
    if (chosen := _chosen.get()) is not None:
        return chosen, "use_device"
    if environment := os.environ.get("KERNELS_DEVICE"):
        return _device_name(environment, "KERNELS_DEVICE"), "KERNELS_DEVICE"
    return None, ""


def _choose_device(
    op: Op, shapes: Mapping[str, Shape], options: Mapping[str, Any], device: str | None, on_device: bool
) -> tuple[str, str]:
    wanted, source = _requested(device)
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


def present(op: Op, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the arguments that are None; only optional ones may be."""
    for item in op.inputs:
        if arguments.get(item.name) is None and not item.optional:
            raise DtypeError(f"{op.name}: {item.name} is None; needs an array")
    return {key: value for key, value in arguments.items() if value is not None}


def residence(op: Op, arguments: Mapping[str, Any]) -> bool:
    """Say whether the arguments are on the CUDA device; all must be, or none."""
    places = {key: is_device_array(value) for key, value in arguments.items()}
    if len(set(places.values())) > 1:
        there = [key for key, on_device in places.items() if on_device]
        here = [key for key, on_device in places.items() if not on_device]
        raise OptionError(
            f"{op.name}: {', '.join(there)} on the CUDA device but {', '.join(here)} on the host; copy them to one place "
            "with kernels.to_device or kernels.to_host"
        )
    return any(places.values())


def adopt(function: str, home: Device, name: str, value: Any) -> Array:
    """View the argument ``name`` of ``function`` as an array of ``home``."""
    try:
        return home.adopt(value)
    except DtypeError as error:
        raise DtypeError(f"{function}: {name}: {error}; needs an array") from error


def common_dtype(op: Op, dtypes: Mapping[str, np.dtype[Any]]) -> np.dtype[Any]:
    """Give the one float dtype of the inputs, in native byte order; float32 where no input tells."""
    first: tuple[str, np.dtype[Any]] | None = None
    for item in op.inputs:
        if item.name not in dtypes:
            continue
        dtype = dtypes[item.name].newbyteorder("=")
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


def _checked_indices(op: Op, item: Input, home: Device, array: Array, call: Call) -> Array:
    if item.below is None or array.size == 0:
        return array
    limit = call.shapes[item.below[0]][item.below[1]]
    values = home.to_host(array)
    wrong = np.flatnonzero((values < 0) | (values >= limit))
    if wrong.size:
        place = int(wrong[0])
        raise OptionError(
            f"{op.name}: {item.name}[{place}] is {values[place]}; needs 0 <= value < {limit}, the size of axis "
            f"{item.below[1]} of {item.below[0]}"
        )
    return array


def _symbol_shape(op: Op, item: Input, shapes: Mapping[str, Shape]) -> Shape:
    """Give the shape of an absent input from the sizes that other inputs give its axes."""
    sizes = {
        symbol: size
        for other in op.inputs
        if other.axes is not None and other.name in shapes
        for symbol, size in zip(other.axes, shapes[other.name], strict=True)
    }
    return tuple(sizes[symbol] for symbol in item.axes or ())


def _elements_share_memory(array: Array) -> bool:
    """Say whether two elements of one array may lie in the same place: an axis steps over less than the ones inside it."""
    reach = 0
    for step, size in sorted(
        (abs(step), size) for size, step in zip(array.shape, array.strides, strict=True) if size > 1
    ):
        if step < reach + array.dtype.itemsize:
            return bool(array.size > 0)
        reach += step * (size - 1)
    return False


def _outputs(call: Call, home: Device, inputs: Mapping[str, Array], out: Any) -> tuple[Array | None, ...]:
    """Check ``out`` and give it as arrays; Nones where it is absent."""
    op, names = call.op, call.op.outputs
    if out is None:
        return (None,) * len(names)
    values = (out,) if len(names) == 1 else out
    if len(names) > 1 and not (isinstance(out, tuple | list) and len(out) == len(names)):
        raise OptionError(f"{op.name}: out must be a tuple of {len(names)} arrays ({', '.join(names)})")
    arrays: list[Array] = []
    for name, value, shape in zip(names, values, call.output_shapes, strict=True):
        label = "out" if len(names) == 1 else f"out ({name})"
        if is_device_array(value) != (home is not CPU):
            place, other = ("the host", "the CUDA device") if home is CPU else ("the CUDA device", "the host")
            raise OptionError(f"{op.name}: {label} is on {other} but the inputs are on {place}; give one there")
        array = adopt(op.name, home, label, value)
        if home is CPU and array is not value and array.size and not home.overlap(array, home.adopt(value)):
            # read as an array, it is copied: the result would be lost
            raise DtypeError(f"{op.name}: {label} is {type(value).__name__}; needs an array that can be written")
        if array.dtype != call.dtype:
            raise DtypeError(f"{op.name}: {label} has dtype {array.dtype}; needs {call.dtype}, as the inputs")
        if tuple(array.shape) != shape:
            raise ShapeError(f"{op.name}: {label} has shape {tuple(array.shape)}; needs {shape}")
        if home is CPU and not array.flags.writeable:
            raise OptionError(f"{op.name}: {label} is read-only; needs an array that can be written")
        if _elements_share_memory(array):
            raise OptionError(f"{op.name}: {label} has elements that share memory; needs a place for each")
        for other_name, other_array in (*inputs.items(), *zip(names, arrays, strict=False)):
            if home.overlap(array, other_array):
                raise OptionError(f"{op.name}: {label} overlaps {other_name} in memory; give an array of its own")
        arrays.append(array)
    return tuple(arrays)


def _deliver(home: Device, target: Device, output: Array | None, result: Array) -> Array:
    """Bring a result to where the call's arrays live, into ``output`` if there is one."""
    if target is not home:
        target.synchronize()
        result = target.to_host(result)
    if output is None or output is result:
        return result
    home.assign(output, result)
    return output
