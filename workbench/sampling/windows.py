"""Draws of a window that slides over an image: options and the number of windows first, then an image that fits."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from kernels.declare.errors import KernelsError
from kernels.declare.op import Op, Shape
from kernels.declare.shapes import normal_options, window_extent
from workbench.sampling.restriction import Restriction
from workbench.sampling.values import BATCHES, default_of, draw_option, draw_restricted, draw_size, one_of

KERNELS = (5, 6, 7, 11)

STRESSED = ("batch", "channels", "outputs", "groups", "height", "width", "kernel", "batch")
"""What may be large in a case with a window that slides over an image; batch is twice as likely, as kernels block by it."""


RESTRICTED_BY = {
    "batch": ("N",),
    "channels": ("C", "C/groups"),
    "outputs": ("O",),
    "groups": ("groups", "C", "O"),
    "height": ("H",),
    "width": ("W",),
    "kernel": ("KH", "KW", "kernel_size"),
}
"""For what may be large in a case with a window, the axes and options that a restriction of them concerns."""


AXES = {"x": ("N", "C", "H", "W"), "w": ("O", "C/groups", "KH", "KW")}
"""The symbols of the inputs' axes in the draw of a window; an operation may give sizes instead."""


def slides_over_image(op: Op) -> bool:
    """Return whether ``op`` is a convolution or pool over the last two axes of x (N, C, H, W), like the built-in ones."""
    options = {option.name for option in op.options}
    inputs = {item.name: len(item.axes or ()) for item in op.inputs}
    return op.window is not None and inputs.get("x") == 4 and {"stride", "padding", "dilation"} <= options


def pairs_of_axes(op: Op, only: Restriction) -> tuple[tuple[str, str], ...]:
    """Return the pairs of axes that ``draw_window`` can make large together."""
    only = _with_fixed_sizes(op, only)
    pools = any(option.name == "kernel_size" for option in op.options)
    pairs = [("height", "width"), ("batch", "channels"), *([] if pools else [("outputs", "groups")])]
    return tuple(pair for pair in pairs if not any(only.is_fixed(*RESTRICTED_BY[what]) for what in pair))


def draw_window(
    draw: st.DrawFn,
    op: Op,
    edges: tuple[int, ...],
    fixed: Collection[str],
    stressed: tuple[str, ...] | None,
    only: Restriction,
) -> tuple[dict[str, Shape], dict[str, Any]]:
    """Draw the options and the number of windows, then an image that has exactly that number."""
    only = _with_fixed_sizes(op, only)
    by_name = {option.name: option for option in op.options}
    pooling = "kernel_size" in by_name
    allowed = [
        what
        for what in STRESSED
        if not (pooling and what in ("outputs", "groups"))
        and not (what == "groups" and "groups" in fixed)
        and not only.is_fixed(*RESTRICTED_BY[what])
    ]
    if stressed is None:
        drawn = draw(one_of((None, *allowed)), label="stressed")
        stressed = (drawn,) if drawn else ()
    small = bool(stressed)
    large = {what: draw(one_of(edges), label=f"large {what}") for what in stressed if what != "kernel"}
    sizes = {symbol: draw_size(draw, symbol, limits) for symbol, limits in only.sizes.items()}

    def size(what: str, low: int, high: int, symbol: str = "") -> int:
        if symbol in sizes:
            return sizes[symbol]
        return large[what] if what in large else draw(st.integers(low, high), label=what)

    if "kernel" in stressed:
        long = draw(one_of(KERNELS), label="long kernel")
        short = draw(st.integers(1, 3), label="kernel")
        kernel = (long, short) if draw(st.booleans(), label="tall") else (short, long)
    else:
        most = 2 if small else 4
        kernel = (size("kernel (height)", 1, most, "KH"), size("kernel (width)", 1, most, "KW"))
    if only.is_fixed("kernel_size"):
        kernel = draw_restricted(draw, by_name["kernel_size"], only)
    options: dict[str, Any] = {"kernel_size": kernel} if pooling else {}
    for option in op.options:
        if option.name in fixed:
            options.setdefault(option.name, kernel if option.follows == "kernel_size" else default_of(option))
        elif option.form == "padding" or option.name == "kernel_size":
            continue
        elif only.is_fixed(option.name):
            options[option.name] = draw_restricted(draw, option, only)
        elif option.name == "groups" and (whole := [sizes[each] for each in ("C", "O") if each in sizes]):
            divisors = [each for each in range(1, min(whole) + 1) if all(total % each == 0 for total in whole)]
            options["groups"] = draw(one_of(tuple(divisors)), label="groups")
        elif option.name == "groups":
            options["groups"] = size("groups", int(option.low), 2 if small else int(option.high))
        elif option.name == "stride" and only.values.get("padding") == "same":
            options["stride"] = (1, 1)
        else:
            options[option.name] = draw_option(draw, option)
    batch = size("batch", 0, 0, "N") if {"N", "batch"} & {*sizes, *large} else draw(one_of(BATCHES[:4]), label="batch")
    wanted = None
    if "padding" in only.values:
        wanted = normal_options(
            op, {**options, "padding": only.values["padding"]}, {"x": (1, 1, 1, 1), "w": (1, 1, *kernel)}
        )
    image, padding = [], []
    for axis, name in enumerate(("height", "width")):
        stride, extent = options["stride"][axis], window_extent(kernel[axis], options["dilation"][axis])
        windows = size(name, 1, 2 if small else 5)
        spare = draw(st.integers(0, stride - 1), label="spare")
        cut = draw(st.integers(0, min(stride, extent) - 1), label="cut") if options.get("ceil_mode") else 0
        padded = (windows - 1) * stride + extent + spare - cut
        least, most = only.ranges.get("padding", (0, int(by_name["padding"].high)))
        most = 0 if "padding" in fixed else min(most, extent - 1 if pooling else padded - 1)
        length = sizes.get("HW"[axis])
        if wanted is not None:
            before, after = wanted["padding"][axis]
        else:
            most = most if length is not None else min(most, padded - 1)
            assume(least <= most)
            before = draw(st.integers(least, most), label="before")
            after_most = most if length is not None else min(most, padded - 1 - before)
            assume(least <= after_most)
            after = draw(st.integers(least, after_most), label="after")
        padding.append((before, after))
        # an image that is all padding gets one row, and one with a restricted size as many windows as fit
        image.append(max(padded - before - after, 1) if length is None else length)
    options["padding"] = (padding[0], padding[1])
    groups = options.get("groups", 1)
    if "C" in sizes:
        assume(sizes["C"] % groups == 0)
        channels = sizes["C"] // groups
        assume(sizes.get("C/groups", channels) == channels)
    else:
        channels = size("channels", 1, 1 if "groups" in large else 2 if small else 3, "C/groups")
    shapes: dict[str, Shape] = {"x": (batch, groups * channels, *image)}
    if not pooling:
        outputs = sizes["O"] if "O" in sizes else groups * size("outputs", 1, 2 if small else 3)
        shapes["w"] = (outputs, channels, *kernel)
        shapes["b"] = (outputs,)
    shapes = {item.name: shapes[item.name] for item in op.inputs}
    options = {name: options[name] for name in by_name}
    if only:
        assume(_is_valid(op, shapes, options))
    return shapes, options


def _with_fixed_sizes(op: Op, only: Restriction) -> Restriction:
    """Return a restriction together with the sizes that the operation itself gives to axes."""
    axes = {
        symbol: (size, size)
        for item in op.inputs
        for symbol, size in zip(AXES.get(item.name, ()), item.axes or (), strict=False)
        if isinstance(size, int)
    }
    return replace(only, sizes={**only.sizes, **axes}) if axes else only


def _is_valid(op: Op, shapes: dict[str, Shape], options: dict[str, Any]) -> bool:
    """Return whether the operation accepts a call; restrictions may contradict each other."""
    try:
        op.output_shapes(shapes, options)
    except KernelsError:
        return False
    return True
