"""Declarations of max, average and sum pooling and their backward passes."""

from collections.abc import Callable
from math import prod

from kernels.declare.errors import OptionError
from kernels.declare.op import REQUIRED, Implementation, Input, Op, Option, Options, Shape, Shapes
from kernels.declare.rounding import Exact, Rounding, Sum
from kernels.declare.shapes import expect_shape, window_extent, window_output
from kernels.ops.pool2d import reference

_X = Input(name="x", axes=("N", "C", "H", "W"))
_DY = Input(name="dy", axes=("N", "C", "OH", "OW"))

_OPTIONS = (
    Option(name="kernel_size", form="pair", default=REQUIRED, low=1, high=4),
    Option(name="stride", form="pair", default=None, follows="kernel_size", low=1, high=4),
    Option(name="padding", form="padding", default=0, low=0, high=3),
    Option(name="dilation", form="pair", default=1, low=1, high=3),
    Option(name="ceil_mode", form="flag", default=False),
)
_COUNT_INCLUDE_PAD = Option(name="count_include_pad", form="flag", default=True)


def _window(_shapes: Shapes, options: Options) -> tuple[int, int]:
    height, width = options["kernel_size"]
    return height, width


def _output_shape(op: str, shapes: Shapes, options: Options) -> Shape:
    for axis, sides in enumerate(options["padding"]):
        extent = window_extent(options["kernel_size"][axis], options["dilation"][axis])
        if max(sides) >= extent:
            raise OptionError(
                f"{op}: padding is {options['padding']}; {sides} must be smaller than the dilated window of {extent} "
                f"(kernel_size {options['kernel_size'][axis]}, dilation {options['dilation'][axis]})"
            )
    x = shapes["x"]
    return (*x[:2], *window_output(op, x, options["kernel_size"], options))


def _backward_shapes(op: str) -> Callable[[Shapes, Options], tuple[Shape, ...]]:
    def shapes_of(shapes: Shapes, options: Options) -> tuple[Shape, ...]:
        y = _output_shape(op, shapes, options)
        expect_shape(op, "dy", shapes["dy"], y, "the shape of the pool's y for this x and these options")
        return (shapes["x"],)

    return shapes_of


def _flops(shapes: Shapes, options: Options) -> int:
    return prod(_output_shape("pool2d", shapes, options)) * prod(options["kernel_size"])


def _overlap(options: Options) -> int:
    """Return the largest number of windows that contain the same input position."""
    return prod(
        min(kernel, -(-window_extent(kernel, dilation) // stride))
        for kernel, dilation, stride in zip(options["kernel_size"], options["dilation"], options["stride"], strict=True)
    )


def _sum_backward_roundings(_shapes: Shapes, options: Options) -> tuple[int, ...]:
    return (_overlap(options) - 1,)


def _declare(
    kind: str, summary: str, *, options: tuple[Option, ...], forward: Rounding, backward: Rounding
) -> tuple[Op, Op]:
    name = f"{kind}_pool2d"
    linear = kind != "max"
    return (
        Op(
            name=name,
            summary=summary,
            inputs=(_X,),
            options=options,
            outputs=("y",),
            output_shapes=lambda shapes, options: (_output_shape(name, shapes, options),),
            flops=_flops,
            rounding=forward,
            reference=getattr(reference, f"{name}_reference"),
            defines_nan=not linear,
            window=_window,
            backward=f"{name}_backward",
            linear_in=("x",) if linear else (),
        ),
        Op(
            name=f"{name}_backward",
            summary=f"gradient of {name} with respect to x",
            inputs=(_DY, _X),
            options=options,
            outputs=("dx",),
            output_shapes=_backward_shapes(f"{name}_backward"),
            flops=_flops,
            rounding=backward,
            reference=getattr(reference, f"{name}_backward_reference"),
            defines_nan=not linear,
            alternatives=() if linear else (reference.max_pool2d_backward_last_nan,),
            window=_window,
            linear_in=("dy",),
        ),
    )


OPS = (
    *_declare(
        "max",
        "largest value in every window",
        options=_OPTIONS,
        forward=Exact(),
        backward=Sum(_sum_backward_roundings, magnitudes=("dy",)),
    ),
    *_declare(
        "avg",
        "mean over every window",
        options=(*_OPTIONS, _COUNT_INCLUDE_PAD),
        # additions, and a division or two roundings for a reciprocal
        forward=Sum(lambda _, options: (prod(options["kernel_size"]) + 1,), magnitudes=("x",), divides=True),
        backward=Sum(lambda _, options: (_overlap(options) + 1,), magnitudes=("dy",), divides=True),
    ),
    *_declare(
        "sum",
        "sum over every window",
        options=_OPTIONS,
        forward=Sum(lambda _, options: (prod(options["kernel_size"]) - 1,), magnitudes=("x",)),
        backward=Sum(_sum_backward_roundings, magnitudes=("dy",)),
    ),
)


def _implementations(op: Op) -> tuple[Implementation, ...]:
    module = "vectors_backward" if op.name.endswith("_backward") else "vectors"
    return (
        Implementation(
            op=op.name,
            device="cpu",
            algorithm="vectors",
            target=f"{__name__}.cpu.{module}:{op.name}_vectors_cpu",
            accepts=lambda _shapes, options, _dtype: options["stride"][1] in (1, 2),
            when="column stride 1 or 2",
        ),
        Implementation(op=op.name, device="cpu", algorithm="direct", target=f"{__name__}.cpu.direct:{op.name}_cpu"),
        Implementation(op=op.name, device="cuda", algorithm="direct", target=f"{__name__}.cuda:{op.name}_cuda"),
    )


IMPLEMENTATIONS = tuple(implementation for op in OPS for implementation in _implementations(op))
