"""The two records that drive everything else: what an operation means, and one way to run it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, TypeVar

import numpy as np

from kernels.declare.errors import OptionError, shown
from kernels.declare.rounding import Rounding

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Options = Mapping[str, Any]
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Input:
    """One array input of an operation.

    Attributes
    ----------
    name : the argument's name
    axes : for every axis a symbol of its size, on which inputs must agree, or the size itself, such as 3 for the channels
        of a colour image. None: any shape.
    kind : "float" (float32 or float64, the same for all inputs) or "index" (any integer dtype; passed on as int64)
    below : for "index", the input and the axis whose size all values must be below
    optional : may be None; implementations then receive zeros
    finite : never NaN or infinite in a meaningful call, such as the probabilities returned by softmax
    dtype : the dtype of its elements if that is an integer one, such as "uint8" for an image, in every call
    low, high : the range of its values in a meaningful call, for example ``low=0`` for counts; generated values, which are
        finite then, lie in it. The public function does not check it.
    """

    name: str
    axes: tuple[str | int, ...] | None = None
    kind: Literal["float", "index"] = "float"
    below: tuple[str, int] | None = None
    optional: bool = False
    finite: bool = False
    dtype: str | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.dtype is not None:
            _check_integer(f"Input {shown(self.name)}: dtype", self.dtype)
        for axis in self.axes or ():
            if not isinstance(axis, str) and (not isinstance(axis, int) or isinstance(axis, bool) or axis < 1):
                raise OptionError(
                    f"Input {shown(self.name)}: axes has {shown(axis)}; an axis is a symbol, or a size of at least 1"
                )

    @property
    def own_dtype(self) -> np.dtype[Any] | None:
        """The dtype that its elements have in every call; None if it is the precision of the call."""
        if self.kind == "index":
            return np.dtype(np.int64)
        return None if self.dtype is None else np.dtype(self.dtype)

    def shape(self, sizes: Mapping[str, int]) -> Shape:
        """Return its shape, from the size of every symbol of its axes."""
        return tuple(axis if isinstance(axis, int) else sizes[axis] for axis in self.axes or ())

    @property
    def form(self) -> str:
        """Its axes as a shape, such as "(N, 3, H, W)"."""
        axes = self.axes or ()
        return f"({', '.join(map(str, axes))}{',' if len(axes) == 1 else ''})"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option and its normal form.

    Attributes
    ----------
    name : the keyword's name
    form : "pair" (an int or (height, width); normal form (h, w)), "padding" (an int, a pair, ((top, bottom),
        (left, right)), "valid" or "same"; the third is the normal form), "count" (an int), "number" (a float) or "flag"
        (a bool)
    default : the public default; ``REQUIRED`` if there is none
    follows : the option whose value is used when this one is None
    low, high : the range, per axis, of the values in generated cases; ``low`` is also the smallest valid value
    most : the largest valid value; None: that of a number is any finite one, that of a count 2**31 - 1
    """

    name: str
    form: Literal["pair", "padding", "count", "number", "flag"]
    default: Any
    follows: str | None = None
    low: float = 0
    high: float = 1
    most: float | None = None


REQUIRED = object()

PRECISIONS = {"tf32": "tf32", "bf16": "bfloat16"}
"""What ``precision=`` takes, and the names of the formats: factors with 11 and 8 significant bits, for tensor cores."""

TENSOR_CORES = (8, 0)
"""The first compute capability whose tensor cores multiply these."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Arithmetic operations, and the minimum number of bytes moved between memory and the processor."""

    flops: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """The work for one of several outputs.

    Attributes
    ----------
    needs : the inputs that the output depends on
    flops : (shapes, options) -> arithmetic operations
    """

    needs: tuple[str, ...]
    flops: Callable[[Shapes, Options], int]


@dataclass(frozen=True, kw_only=True)
class Op:
    """What an operation means, and nothing else.

    Attributes
    ----------
    name, summary : the public name, and one line that says what it computes
    inputs, options, outputs : in the order of the calling convention ``fn(*inputs, *options, *outputs)``
    output_dtypes : output -> the dtype of its elements if that is an integer one, such as "int64" for counts and positions
        or "uint8" for an image; the others have the precision of the call. Integers must equal those of the reference.
    output_shapes : (shapes of the inputs by name, normalized options) -> shape of every output;
        raises ShapeError if the shapes are inconsistent
    flops : (shapes, options) -> arithmetic operations; a multiply-add counts as two
    rounding : how far a correct floating-point result may be from the exact one
    reference : the formula as loops, dtype-generic, in the calling convention
    window : for operations that slide a window over the last two axes of ``x``: (shapes, options) -> (kh, kw)
    backward : the name of the operation that computes its gradients
    parts : output -> the work for it alone, for outputs that an implementation may compute without the others; all
        parts together are ``flops``
    defines_nan : whether its summary says what becomes of NaN and infinities, as that of a maximum; a kernel compiled with
        fastmath, which assumes that there are none, is then judged on them too
    alternatives : references, like ``reference``, that choose otherwise where libraries differ, for example what a NaN
        weight over padding adds. Every element of a user's kernel may follow any of them, those of built-in kernels not.
    linear_in : the inputs in which, each with the others fixed, the outputs are linear (apart from the bias)
    least : by axis symbol, the smallest size of the axis: (sizes of the symbols without an entry, options) -> size.
        Generated cases start there, or at 1 without an entry.
    """

    name: str
    summary: str
    inputs: tuple[Input, ...]
    options: tuple[Option, ...] = ()
    outputs: tuple[str, ...]
    output_shapes: Callable[[Shapes, Options], tuple[Shape, ...]]
    flops: Callable[[Shapes, Options], int]
    rounding: Rounding
    reference: Callable[..., None]
    window: Callable[[Shapes, Options], tuple[int, int]] | None = None
    backward: str | None = None
    parts: Mapping[str, Part] = field(default_factory=dict, hash=False)
    defines_nan: bool = False
    alternatives: tuple[Callable[..., None], ...] = ()
    linear_in: tuple[str, ...] = ()
    least: Mapping[str, Callable[[Mapping[str, int], Options], int]] = field(default_factory=dict, hash=False)
    output_dtypes: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, dtype in self.output_dtypes.items():
            if name not in self.outputs:
                raise OptionError(f"Op {shown(self.name)}: output_dtypes has {shown(name)}, which is no output")
            _check_integer(f"Op {shown(self.name)}: output_dtypes of {name}", dtype)

    @property
    def symbols(self) -> list[str]:
        """The symbols of the inputs' axes, each once; none if the inputs have any shape."""
        return list(dict.fromkeys(axis for item in self.inputs for axis in item.axes or () if isinstance(axis, str)))

    def sizes(self, shapes: Shapes) -> dict[str, int]:
        """Return the size of every symbol of the axes of the inputs that have a shape."""
        return {
            symbol: size
            for item in self.inputs
            if item.axes is not None and item.name in shapes
            for symbol, size in zip(item.axes, shapes[item.name], strict=False)
            if isinstance(symbol, str)
        }

    def dtypes_of_outputs(self, dtype: np.dtype[Any] | str) -> tuple[np.dtype[Any], ...]:
        """Return the dtypes of the outputs, in order, in a call of a precision."""
        return tuple(np.dtype(self.output_dtypes.get(name, dtype)) for name in self.outputs)

    def option_values(self, options: Options) -> tuple[Any, ...]:
        """Return the options in the order of the calling convention."""
        return tuple(options[option.name] for option in self.options)

    def cost(self, shapes: Shapes, options: Options, itemsize: int) -> Cost:
        """Count the work: flops, and bytes, with each input read once and each output written once."""
        return Cost(flops=self.flops(shapes, options), bytes=self.moved_bytes(shapes, options, itemsize))

    def cost_of(self, outputs: Sequence[str], shapes: Shapes, options: Options, itemsize: int) -> Cost | None:
        """Count the work of computing some of the outputs; None if the operation does not declare their parts."""
        if set(outputs) == set(self.outputs):
            return self.cost(shapes, options, itemsize)
        if not set(outputs) <= self.parts.keys():
            return None
        flops = sum(self.parts[name].flops(shapes, options) for name in outputs)
        return Cost(flops=flops, bytes=self.moved_bytes(shapes, options, itemsize, outputs))

    def needs(self, outputs: Sequence[str]) -> tuple[str, ...]:
        """Return the inputs that some of the outputs depend on; all of them unless the parts of all these are declared."""
        names = tuple(item.name for item in self.inputs)
        if set(outputs) == set(self.outputs) or not set(outputs) <= self.parts.keys():
            return names
        needed = {name for output in outputs for name in self.parts[output].needs}
        return tuple(name for name in names if name in needed)

    def moved_bytes(self, shapes: Shapes, options: Options, itemsize: int, outputs: Sequence[str] = ()) -> int:
        """Count the bytes of the arrays of a call, or of those for some of the outputs."""
        computed = outputs or self.outputs
        needed = self.needs(computed)
        moved = sum(
            _size(shapes[item.name]) * (itemsize if item.own_dtype is None else item.own_dtype.itemsize)
            for item in self.inputs
            if item.name in needed
        )
        for name, shape in zip(self.outputs, self.output_shapes(shapes, options), strict=False):
            own = self.output_dtypes.get(name)
            moved += _size(shape) * (itemsize if own is None else np.dtype(own).itemsize) if name in computed else 0
        return moved


def accepts_everything(shapes: Shapes, options: Options, dtype: str) -> bool:  # noqa: ARG001
    """Accept every case that the operation itself accepts."""
    return True


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """One way to run an operation on one device.

    Attributes
    ----------
    op : the operation's name
    device : "cpu" or "cuda"
    algorithm : a short name of the method
    target : the function, or "module:function", which is imported on first use, so that listing
        implementations imports neither Numba nor CUDA
    accepts : (shapes, options, dtype) -> whether it can run the case
    views : whether it takes strided, read-only and unaligned inputs as they are; others get C-contiguous copies
    computes : the outputs that it computes, if not all, in the operation's order; it receives only these. Dispatch
        combines such implementations to cover the operation.
    when : the rule of ``accepts`` as text, such as "stride 1, 32 channels or more"; empty if it takes every case
    precision : a key of ``PRECISIONS`` if factors of products are rounded to it, and the sums of products in the precision
        of the arrays. Dispatch considers it only for calls that ask for it, and then before the others.
    """

    op: str
    device: str
    algorithm: str
    target: str | Callable[..., None]
    accepts: Callable[[Shapes, Options, str], bool] = field(default=accepts_everything)
    views: bool = False
    computes: tuple[str, ...] | None = None
    when: str = ""
    precision: str | None = None

    @property
    def name(self) -> str:
        """The function's name."""
        return self.target.rpartition(":")[2] if isinstance(self.target, str) else self.target.__name__

    @property
    def function(self) -> Callable[..., None]:
        """The function itself: ``fn(*inputs, *options, *outputs)``, with only the outputs that it computes."""
        if not isinstance(self.target, str):
            return self.target
        module, _, name = self.target.partition(":")
        function: Callable[..., None] = getattr(import_module(module), name)
        return function

    def of_outputs(self, names: Sequence[str], values: Sequence[Value]) -> list[Value]:
        """Select, from one value per output of the operation, the values of the outputs that it computes."""
        computed = self.computes or names
        return [value for name, value in zip(names, values, strict=True) if name in computed]


def _check_integer(what: str, dtype: str) -> None:
    try:
        fits = np.dtype(dtype).kind in "iu"
    except TypeError:
        fits = False
    if not fits:
        raise OptionError(f"{what} is {shown(dtype)}; needs an integer dtype such as 'int64' or 'uint8'")


def _size(shape: Shape) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
