"""Output sizes, normal forms of options, and errors that name the wrong axis."""

from operator import index
from typing import Any

import numpy as np

from kernels.declare.errors import OptionError, ShapeError, shown
from kernels.declare.op import REQUIRED, Input, Op, Option, Options, Shape, Shapes

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]

AXIS_NAMES = ("height", "width")

LARGEST = 2**31 - 1
"""The largest value of an option with no other limit: below it, the kernels' 64-bit index arithmetic cannot overflow."""


def window_extent(kernel: int, dilation: int) -> int:
    """Return the length that a dilated window covers: d*(k-1) + 1."""
    return dilation * (kernel - 1) + 1


def output_size(size: int, kernel: int, stride: int, padding: Pair, dilation: int, *, ceil: bool = False) -> int:
    """Count the positions of a window along one axis: floor((size + padding - extent) / stride) + 1.

    With ``ceil`` the division rounds up, and a window that would start in the bottom or right padding is dropped.
    The result is zero or negative if the window does not fit.
    """
    room = size + padding[0] + padding[1] - window_extent(kernel, dilation)
    if not ceil:
        return room // stride + 1
    count = -(-room // stride) + 1
    if (count - 1) * stride >= size + padding[0]:
        count -= 1
    return count


def window_output(op: str, x: Shape, kernel: Pair, options: Options) -> Pair:
    """Return (out_h, out_w) of a window that slides over the last two axes of ``x``.

    Raises
    ------
    ShapeError
        The window is larger than the padded input.
    """
    sizes = []
    for axis in (0, 1):
        size, padding = x[-2 + axis], options["padding"][axis]
        kernel_size, dilation = kernel[axis], options["dilation"][axis]
        count = output_size(
            size, kernel_size, options["stride"][axis], padding, dilation, ceil=options.get("ceil_mode", False)
        )
        if count < 1:
            raise ShapeError(
                f"{op}: x has {AXIS_NAMES[axis]} {size} (axis {len(x) - 2 + axis} of {x}), with padding {padding} that is "
                f"{size + sum(padding)}, smaller than the window of {window_extent(kernel_size, dilation)} "
                f"(kernel {kernel_size}, dilation {dilation}); use a larger input, more padding or a smaller kernel"
            )
        sizes.append(count)
    return sizes[0], sizes[1]


def expect_shape(op: str, name: str, shape: Shape, expected: Shape, reason: str) -> None:
    """Raise ShapeError unless ``shape`` is ``expected``; ``reason`` says where the expected shape comes from."""
    if shape == expected:
        return
    if len(shape) == len(expected):
        axis = next(i for i, (got, want) in enumerate(zip(shape, expected, strict=True)) if got != want)
        where = f" (axis {axis} is {shape[axis]}, needs {expected[axis]})"
    else:
        where = ""
    raise ShapeError(f"{op}: {name} has shape {shape}, needs {expected}{where}, {reason}")


def check_axes(op: Op, shapes: Shapes) -> None:
    """Check the number of axes, fixed sizes, that sizes with the same symbol agree, and that only N may be empty."""
    seen: dict[str, tuple[str, int, int]] = {}
    for item in op.inputs:
        if item.axes is None or item.name not in shapes:
            continue
        shape = shapes[item.name]
        if len(shape) != len(item.axes):
            raise ShapeError(
                f"{op.name}: {item.name} has shape {shape}, {len(shape)} axes; needs {len(item.axes)}: {item.form}"
            )
        for axis, (symbol, size) in enumerate(zip(item.axes, shape, strict=True)):
            if isinstance(symbol, int):
                if size != symbol:
                    raise ShapeError(
                        f"{op.name}: axis {axis} of {item.name} {shape} is {size}; needs {symbol}: {item.form}"
                    )
                continue
            if size == 0 and symbol != "N":
                raise ShapeError(
                    f"{op.name}: axis {axis} ({symbol}) of {item.name} {item.form} is empty; needs at least 1"
                )
            other, other_axis, other_size = seen.setdefault(symbol, (item.name, axis, size))
            if size != other_size:
                raise ShapeError(
                    f"{op.name}: {symbol} is {size} on axis {axis} of {item.name} {shape} but {other_size} on axis "
                    f"{other_axis} of {other} {shapes[other]}; they must be equal"
                )


def shape_by_symbols(op: Op, item: Input, shapes: Shapes) -> Shape:
    """Return the shape of an absent input, derived from the axes of the other inputs."""
    return item.shape(op.sizes(shapes))


def normal_options(op: Op, options: Options, shapes: Shapes) -> dict[str, Any]:
    """Convert the options to normal form.

    Raises
    ------
    OptionError
        A value has the wrong form or is out of range; the message names the option, the value and what it needs.
    """
    normal: dict[str, Any] = {}
    for option in op.options:
        value = options.get(option.name, option.default)
        if value is REQUIRED:
            raise OptionError(f"{op.name}: {option.name} is missing; {_NEEDS[option.form]}")
        if value is None and option.follows is not None:
            value = options[option.follows]
        if option.form != "padding":
            normal[option.name] = _NORMAL[option.form](op.name, option, value)
    for option in op.options:
        if option.form == "padding":
            kernel = op.window(shapes, normal) if op.window else (1, 1)
            normal[option.name] = _padding(op.name, option, options.get(option.name, option.default), kernel, normal)
    return {option.name: normal[option.name] for option in op.options}


_NEEDS = {
    "pair": "needs an int or a pair (height, width)",
    "padding": 'needs an int, a pair (height, width), ((top, bottom), (left, right)), "valid" or "same"',
    "count": "needs an int",
    "number": "needs a number",
    "flag": "needs True or False",
}


def _int(op: str, option: Option, value: Any, whole: Any) -> int:
    try:
        if isinstance(value, bool | np.bool_):  # NumPy 2.0 takes its own for integers, with a warning
            raise TypeError
        number = index(value)
    except TypeError:
        raise OptionError(f"{op}: {option.name} is {shown(whole)}; {_NEEDS[option.form]}") from None
    if number < option.low:
        raise OptionError(f"{op}: {option.name} is {shown(whole)}; every value must be at least {option.low}")
    most = LARGEST if option.most is None else int(option.most)
    if number > most:
        raise OptionError(f"{op}: {option.name} is {shown(whole)}; every value must be at most {most}")
    return number


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2


def _pair(op: str, option: Option, value: Any) -> Pair:
    if _is_pair(value):
        return _int(op, option, value[0], value), _int(op, option, value[1], value)
    number = _int(op, option, value, value)
    return number, number


def _padding(op: str, option: Option, value: Any, kernel: Pair, normal: Options) -> Padding:
    if isinstance(value, str):
        return _named_padding(op, option, value, kernel, normal)
    if _is_pair(value) and any(_is_pair(side) for side in value):
        if not all(_is_pair(side) for side in value):
            raise OptionError(f"{op}: {option.name} is {shown(value)}; {_NEEDS['padding']}")
        (top, bottom), (left, right) = value
        return (
            (_int(op, option, top, value), _int(op, option, bottom, value)),
            (_int(op, option, left, value), _int(op, option, right, value)),
        )
    height, width = _pair(op, option, value)
    return (height, height), (width, width)


def _named_padding(op: str, option: Option, value: str, kernel: Pair, normal: Options) -> Padding:
    if value == "valid":
        return (0, 0), (0, 0)
    if value != "same":
        raise OptionError(f"{op}: {option.name} is {value!r}; {_NEEDS['padding']}")
    if normal["stride"] != (1, 1):
        raise OptionError(
            f'{op}: padding="same" needs stride 1, but stride is {normal["stride"]}; pass the padding as integers'
        )
    totals = [window_extent(k, d) - 1 for k, d in zip(kernel, normal["dilation"], strict=True)]
    first, second = ((total // 2, total - total // 2) for total in totals)
    return first, second


def _count(op: str, option: Option, value: Any) -> int:
    return _int(op, option, value, value)


def _flag(op: str, option: Option, value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise OptionError(f"{op}: {option.name} is {shown(value)}; {_NEEDS['flag']}")


def _number(op: str, option: Option, value: Any) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise OptionError(f"{op}: {option.name} is {shown(value)}; {_NEEDS['number']}")
    if not option.low <= value < float("inf"):
        raise OptionError(f"{op}: {option.name} is {shown(value)}; it must be finite and at least {option.low}")
    if option.most is not None and value > option.most:
        raise OptionError(f"{op}: {option.name} is {shown(value)}; it must be at most {option.most}")
    return float(value)


_NORMAL = {"pair": _pair, "count": _count, "number": _number, "flag": _flag}
