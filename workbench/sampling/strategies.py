"""Hypothesis strategies made from an operation's declaration.

Shapes are drawn from the output backwards, so that no draw is rejected. At most one size of a case is large, the one that
the case stresses, so that the naive reference stays fast.
"""

from collections.abc import Collection
from typing import Any

from hypothesis import strategies as st

from kernels import OPS
from kernels.declare.op import Op, Option, Shape
from kernels.declare.shapes import normal_options, window_extent
from workbench.sampling.case import LAYOUTS, Case
from workbench.sampling.families import FAMILIES

BATCHES = (1, 2, 3, 0, 5)
"""One sample, a few, none."""
SIZES = (1, 2, 3, 4, 5, 7)
"""Sizes of axes that are not stressed."""
EDGES = (6, 7, 8, 9, 11, 13, 15, 16, 17, 23, 31, 32, 33, 63, 64, 65, 97, 127, 128, 129)
"""Sizes of the axis that a case stresses: primes, and tile and SIMD sizes, one less and one more."""
KERNELS = (5, 6, 7, 11)

STRESSED = ("batch", "channels", "outputs", "groups", "height", "width", "kernel", "batch")
"""What may be large in a case with a window that slides over an image; batch is twice as likely, as kernels block by it."""


@st.composite
def cases(
    draw: st.DrawFn,
    op: Op,
    dtype: str,
    *,
    layouts: Collection[str] = LAYOUTS,
    largest: int = EDGES[-1],
    fixed: Collection[str] = (),
) -> Case:
    """Draw a case of ``op``.

    Parameters
    ----------
    op, dtype : the operation and dtype
    layouts : allowed memory layouts of inputs; at least a third of the cases are contiguous
    largest : the largest size of an axis
    fixed : options that stay at their default, and optional inputs that are absent
    """
    edges = tuple(edge for edge in EDGES if edge <= largest) or EDGES[:1]
    forward = _forward_of(op)
    if _slides_over_image(forward):
        shapes, options = _draw_window(draw, forward, edges, fixed)
    else:
        options = {option.name: _draw_option(draw, option) for option in op.options if option.name not in fixed}
        shapes = _draw_symbols(draw, forward, edges, options)
        options = normal_options(op, options, shapes)
    if forward is not op:
        output = dict(zip(forward.outputs, forward.output_shapes(shapes, options), strict=True))
        known = {"dy": next(iter(output.values())), **output, **shapes}
        shapes = {item.name: known[item.name] for item in op.inputs}
    others = [layout for layout in layouts if layout != LAYOUTS[0]]
    layout = draw(st.sampled_from([LAYOUTS[0]] * (len(others) // 2 + 1) + others), label="layout")
    family = draw(st.sampled_from(sorted(FAMILIES, key=list(FAMILIES).index)), label="family")
    seed = draw(st.integers(0, 2**32 - 1), label="seed")
    zeros = tuple(item.name for item in op.inputs if item.optional and item.name in fixed)
    return Case(
        op=op.name,
        dtype=dtype,
        shapes=shapes,
        options=options,
        family=family,
        seed=seed,
        layout=layout,
        zeros=zeros,
    )


def _forward_of(op: Op) -> Op:
    """Return the operation whose gradients ``op`` computes, else ``op``: its shapes are drawn, dy has its output's shape."""
    forward = next((forward for forward in OPS.values() if forward.backward == op.name), op)
    known = {"dy", *forward.outputs, *(item.name for item in forward.inputs)}
    return forward if {item.name for item in op.inputs} <= known else op


def _slides_over_image(op: Op) -> bool:
    """Return whether ``op`` is a convolution or pool over the last two axes of x (N, C, H, W), like the built-in ones."""
    options = {option.name for option in op.options}
    inputs = {item.name: len(item.axes or ()) for item in op.inputs}
    return op.window is not None and inputs.get("x") == 4 and {"stride", "padding", "dilation"} <= options


def _draw_symbols(draw: st.DrawFn, op: Op, edges: tuple[int, ...], options: dict[str, Any]) -> dict[str, Shape]:
    """Draw a size for every symbol of the inputs' axes; inputs of any shape share one drawn shape."""
    symbols = list(dict.fromkeys(symbol for item in op.inputs for symbol in item.axes or ()))
    any_shape = len(symbols) == 0
    stressed = draw(st.sampled_from([None, *(symbols or ["N", "axis"])]), label="stressed")
    large = draw(st.sampled_from(edges), label="large") if stressed else 1
    batch = large if stressed == "N" else draw(st.sampled_from(BATCHES), label="N")
    if any_shape:
        small = draw(st.lists(st.sampled_from((1, 2, 3, 5, 0)), max_size=3).map(tuple), label="shape")
        shape = (batch, *small[:-1], large) if stressed == "axis" else (batch, *small)
        return {item.name: shape for item in op.inputs}
    sizes: dict[str, int] = {}
    for symbol in sorted(symbols, key=lambda each: each in op.least):  # symbols that depend on others come last
        if symbol == "N" and symbol not in op.least:
            sizes[symbol] = batch
            continue
        drawn = large if symbol == stressed else draw(st.sampled_from(SIZES), label=symbol)
        least = op.least[symbol](sizes, options) if symbol in op.least else 1
        sizes[symbol] = least - 1 + drawn
    return {
        item.name: tuple(sizes[symbol] for symbol in item.axes) if item.axes is not None else tuple(sizes.values())
        for item in op.inputs
    }


def _draw_window(
    draw: st.DrawFn, op: Op, edges: tuple[int, ...], fixed: Collection[str]
) -> tuple[dict[str, Shape], dict[str, Any]]:
    """Draw the options and the number of windows, then an image that has exactly that number."""
    by_name = {option.name: option for option in op.options}
    pooling = "kernel_size" in by_name
    allowed = [
        what
        for what in STRESSED
        if not (pooling and what in ("outputs", "groups")) and not (what == "groups" and "groups" in fixed)
    ]
    stressed = draw(st.sampled_from([None, *allowed]), label="stressed")
    small = stressed is not None
    large = draw(st.sampled_from(edges), label="large") if small and stressed != "kernel" else 1

    def size(what: str, low: int, high: int) -> int:
        return large if what == stressed else draw(st.integers(low, high), label=what)

    if stressed == "kernel":
        long = draw(st.sampled_from(KERNELS), label="long kernel")
        short = draw(st.integers(1, 3), label="kernel")
        kernel = (long, short) if draw(st.booleans(), label="tall") else (short, long)
    else:
        kernel = (size("kernel (height)", 1, 2 if small else 4), size("kernel (width)", 1, 2 if small else 4))
    options: dict[str, Any] = {"kernel_size": kernel} if pooling else {}
    for option in op.options:
        if option.name in fixed:
            options.setdefault(option.name, kernel if option.follows == "kernel_size" else _default(option))
        elif option.name == "groups":
            options["groups"] = size("groups", int(option.low), 2 if small else int(option.high))
        elif option.form != "padding" and option.name != "kernel_size":
            options[option.name] = _draw_option(draw, option)
    batch = size("batch", 0, 0) if stressed == "batch" else draw(st.sampled_from(BATCHES[:4]), label="batch")
    image, padding = [], []
    for axis, name in enumerate(("height", "width")):
        stride, extent = options["stride"][axis], window_extent(kernel[axis], options["dilation"][axis])
        windows = size(name, 1, 2 if small else 5)
        spare = draw(st.integers(0, stride - 1), label="spare")
        cut = draw(st.integers(0, min(stride, extent) - 1), label="cut") if options.get("ceil_mode") else 0
        padded = (windows - 1) * stride + extent + spare - cut
        most = 0 if "padding" in fixed else min(int(by_name["padding"].high), extent - 1 if pooling else padded - 1)
        before = draw(st.integers(0, min(most, padded - 1)), label="before")
        after = draw(st.integers(0, min(most, padded - 1 - before)), label="after")
        padding.append((before, after))
        image.append(padded - before - after)
    options["padding"] = (padding[0], padding[1])
    groups = options.get("groups", 1)
    channels = size("channels", 1, 1 if stressed == "groups" else 2 if small else 3)
    shapes: dict[str, Shape] = {"x": (batch, groups * channels, *image)}
    if not pooling:
        outputs = groups * size("outputs", 1, 2 if small else 3)
        shapes["w"] = (outputs, channels, *kernel)
        shapes["b"] = (outputs,)
    shapes = {item.name: shapes[item.name] for item in op.inputs}
    return shapes, {name: options[name] for name in by_name}


def _default(option: Option) -> Any:
    """Return the default of an option in normal form; padding is set separately."""
    return (option.default, option.default) if option.form == "pair" else option.default


def _draw_option(draw: st.DrawFn, option: Option) -> Any:
    """Draw a value from an option's declared range, in normal form."""
    low, high = option.low, option.high
    if option.form == "flag":
        return draw(st.booleans(), label=option.name)
    if option.form == "number":
        # no tiny numbers: what they scale underflows, and is no longer linear
        return min(max(round(draw(st.floats(float(low), float(high)), label=option.name), 6), float(low)), float(high))
    whole = st.integers(int(low), int(high))
    if option.form == "count":
        return draw(whole, label=option.name)
    height, width = draw(whole, label=f"{option.name} (height)"), draw(whole, label=f"{option.name} (width)")
    if option.form == "pair":
        return height, width
    far = draw(whole, label=f"{option.name} (bottom)"), draw(whole, label=f"{option.name} (right)")
    return (height, far[0]), (width, far[1])
