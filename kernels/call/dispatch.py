"""From a public call to a kernel: plan the call, check what a plan cannot know, allocate outputs, run the kernels."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kernels.call.planning import Call, PlainCall, plain_call, planned
from kernels.call.registry import OPS
from kernels.declare.errors import DtypeError, OptionError, ShapeError
from kernels.declare.op import Input, Op
from kernels.memory.devices import CPU, Array, Device, get_device, is_device_array


def run(
    name: str,
    arguments: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    out: Any = None,
    device: str | None = None,
    stream: Any = None,
    precision: str | None = None,
) -> Any:
    """Run operation ``name`` and return its output, or a tuple of its outputs."""
    op = OPS[name]
    if out is None and stream is None:
        plain = plain_call(op, arguments, options, device, precision)
        if plain is not None:
            return _run_plainly(plain, arguments)
    return _run(op, arguments, options, out, device, stream, precision)


def _run_plainly(plain: PlainCall, arguments: Mapping[str, Any]) -> Any:
    if plain.only is not None:
        ((shape, dtype),) = plain.results
        output = np.empty(shape, dtype)
        plain.only(*arguments.values(), *plain.options, output)
        return output
    outputs = [np.empty(shape, dtype) for shape, dtype in plain.results]
    inputs = [*arguments.values()]  # in order, as the public functions pass them
    for position, shape, dtype in plain.absent:
        inputs[position] = np.zeros(shape, dtype)
    if plain.settled:
        for run_step, own in plain.settled:
            run_step(*inputs, *plain.options, *(outputs if own is None else [outputs[each] for each in own]))
    else:
        everything = tuple(range(len(outputs)))
        settled = []
        for function, positions in plain.call.steps:
            given = (*inputs, *plain.options, *[outputs[position] for position in positions])
            function(*given)
            settled.append((_settled(function, given), None if positions == everything else positions))
        plain.settled = tuple(settled)
        if len(outputs) == 1 and not plain.absent:
            ((plain.only, _),) = settled
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _settled(function: Callable[..., None], arguments: tuple[Any, ...]) -> Callable[..., None]:
    settled = getattr(function, "settled", None)  # a method of twins.Kernel; not imported, to import Numba lazily
    if settled is None:
        return function
    found: Callable[..., None] = settled(arguments)
    return found


def _run(
    op: Op,
    arguments: Mapping[str, Any],
    options: Mapping[str, Any],
    out: Any,
    device: str | None,
    stream: Any,
    precision: str | None,
) -> Any:
    """Run an operation on arbitrary arguments; see ``run``."""
    name = op.name
    home, arrays = located(op, present(op, arguments))
    call = planned(op, arrays, options, device=device, on_device=home is not CPU, precision=precision)
    for item in call.indices:
        _check_indices(op, item, home, arrays[item.name], call)
    outputs = None if out is None else _outputs(call, home, arrays, out)
    target = get_device(call.device)
    if stream is not None and call.device != "cuda":
        raise OptionError(f"{name}: stream is for CUDA, but the call runs on {call.device}; leave it out")

    inputs = [
        home.prepare(arrays[key], dtype) if key in arrays else home.from_host(np.zeros(shape, dtype))
        for key, shape, dtype in call.operands
    ]
    if target is not home:
        inputs = [target.from_host(array) for array in inputs]
    results = (
        [target.empty(shape, dtype) for shape, dtype in call.results]
        if outputs is None
        else [
            output if target is home and home.is_plain(output) else target.empty(shape, dtype)
            for output, (shape, dtype) in zip(outputs, call.results, strict=True)
        ]
    )
    with target.on_stream(stream):
        for function, positions in call.steps:
            function(*inputs, *call.option_values, *[results[position] for position in positions])
    if target is not home:
        target.synchronize()
        results = [target.to_host(result) for result in results]
    if outputs is None:
        return results[0] if len(results) == 1 else tuple(results)
    for output, result in zip(outputs, results, strict=True):
        if output is not result:
            home.assign(output, result)
    return out


def located(op: Op, arguments: dict[str, Any]) -> tuple[Device, dict[str, Array]]:
    """Return the device that holds the arguments, and the arguments as arrays of that device."""
    if {*map(type, arguments.values())} == {np.ndarray}:
        return CPU, arguments
    home = get_device("cuda") if _is_on_device(op, arguments) else CPU
    return home, {key: adopt(op.name, home, key, value) for key, value in arguments.items()}


def present(op: Op, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the arguments that are None; only optional ones may be None."""
    given = {key: value for key, value in arguments.items() if value is not None}
    if len(given) < len(op.inputs):
        for item in op.inputs:
            if item.name not in given and not item.optional:
                raise DtypeError(f"{op.name}: {item.name} is None; needs an array")
    return given


def adopt(function: str, home: Device, name: str, value: Any) -> Array:
    """View the argument ``name`` of ``function`` as an array of ``home``."""
    try:
        return home.adopt(value)
    except DtypeError as error:
        raise DtypeError(f"{function}: {name}: {error}; needs an array") from error


def _is_on_device(op: Op, arguments: Mapping[str, Any]) -> bool:
    """Return whether the arguments are on the CUDA device; either all are or none is."""
    places = {key: is_device_array(value) for key, value in arguments.items()}
    if len(set(places.values())) > 1:
        there = [key for key, on_device in places.items() if on_device]
        here = [key for key, on_device in places.items() if not on_device]
        raise OptionError(
            f"{op.name}: {', '.join(there)} on the CUDA device but {', '.join(here)} on the host; copy them to one device "
            "with kernels.to_device or kernels.to_host"
        )
    return any(places.values())


def _check_indices(op: Op, item: Input, home: Device, array: Array, call: Call) -> None:
    if item.below is None or array.size == 0:
        return
    limit = call.shapes[item.below[0]][item.below[1]]
    values = home.to_host(array)
    if np.maximum.reduce(values.astype(np.uint64), axis=None) < limit:  # a negative one becomes very large
        return
    place = int(np.flatnonzero((values < 0) | (values >= limit))[0])
    raise OptionError(
        f"{op.name}: {item.name}[{place}] is {values[place]}; needs 0 <= value < {limit}, the size of axis "
        f"{item.below[1]} of {item.below[0]}"
    )


def _elements_share_memory(array: Array) -> bool:
    """Return whether two elements of an array may share memory: an axis has a smaller stride than the inner axes span."""
    reach = 0
    for step, size in sorted(
        (abs(step), size) for size, step in zip(array.shape, array.strides, strict=True) if size > 1
    ):
        if step < reach + array.dtype.itemsize:
            return bool(array.size > 0)
        reach += step * (size - 1)
    return False


def _outputs(call: Call, home: Device, inputs: Mapping[str, Array], out: Any) -> tuple[Array, ...]:
    """Validate ``out`` and return it as a tuple of arrays."""
    op, names = call.op, call.op.outputs
    values = (out,) if len(names) == 1 else out
    if len(names) > 1 and not (isinstance(out, tuple | list) and len(out) == len(names)):
        raise OptionError(f"{op.name}: out must be a tuple of {len(names)} arrays ({', '.join(names)})")
    arrays: list[Array] = []
    for name, value, (shape, dtype) in zip(names, values, call.results, strict=True):
        label = "out" if len(names) == 1 else f"out ({name})"
        if is_device_array(value) != (home is not CPU):
            place, other = ("the host", "the CUDA device") if home is CPU else ("the CUDA device", "the host")
            raise OptionError(
                f"{op.name}: {label} is on {other} but the inputs are on {place}; pass an array on {place}"
            )
        array = adopt(op.name, home, label, value)
        if home is CPU and array is not value and array.size and not home.overlap(array, home.adopt(value)):
            # the conversion copied it: the result would be lost
            raise DtypeError(f"{op.name}: {label} is {type(value).__name__}; needs an array that can be written")
        if array.dtype != dtype:
            why = "" if name in op.output_dtypes else ", as the inputs"
            raise DtypeError(f"{op.name}: {label} has dtype {array.dtype}; needs {dtype}{why}")
        if tuple(array.shape) != shape:
            raise ShapeError(f"{op.name}: {label} has shape {tuple(array.shape)}; needs {shape}")
        if home is CPU and not array.flags.writeable:
            raise OptionError(f"{op.name}: {label} is read-only; needs an array that can be written")
        if not home.is_plain(array) and _elements_share_memory(array):
            raise OptionError(f"{op.name}: {label} has elements that share memory; every element needs its own")
        for other_name, other_array in (*inputs.items(), *zip(names, arrays, strict=False)):
            if home.overlap(array, other_array):
                raise OptionError(f"{op.name}: {label} overlaps {other_name} in memory; pass a separate array")
        arrays.append(array)
    return tuple(arrays)
