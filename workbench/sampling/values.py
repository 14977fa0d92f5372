"""Draws of single sizes and options, with what a restriction leaves of them."""

from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from kernels.declare.op import Option
from workbench.sampling.restriction import Limits, Restriction

BATCHES = (1, 2, 3, 0, 5)
"""One sample, a few, none."""
SIZES = (1, 2, 3, 4, 5, 7)
"""Sizes of axes that are not stressed."""
IMAGE = ("H", "W")
"""Axes that are often 1 together where no window slides over them: what a dense layer gives is an image of one pixel."""
EDGES = (6, 7, 8, 9, 11, 13, 15, 16, 17, 23, 31, 32, 33, 63, 64, 65, 97, 127, 128, 129, 255, 256, 257)
"""Sizes of the axis that a case stresses: primes, tile and SIMD sizes and the range of a byte, one less and one more."""
LARGEST = 129
"""The largest axis where plain Python or the simulator runs a case."""
MANY = (257, 182, 256, 181, 255)
"""Sizes of two axes together: their product is around 2**15 and 2**16, where indices of 16 bits wrap around."""
COMMON_EDGE = 33
"""The largest of EDGES for an axis whose size is restricted, which is as large as this allows in every case."""


Value = TypeVar("Value")


def one_of(values: tuple[Value, ...]) -> SearchStrategy[Value]:
    """Return the strategy of these values, the same one every time: Hypothesis examines a new one when it is first drawn."""
    return _one_of(values)


@cache
def _one_of(values: tuple[Any, ...]) -> SearchStrategy[Any]:
    return st.sampled_from(values)


def draw_size(draw: st.DrawFn, name: str, limits: Limits) -> int:
    """Draw a size within limits: these, those next to them, and what other axes have."""
    low, high = limits
    wanted = {low, low + 1, high - 1, high, *SIZES, *(edge for edge in EDGES if edge <= COMMON_EDGE)}
    return draw(one_of(tuple(sorted(size for size in wanted if low <= size <= high))), label=name)


def draw_restricted(draw: st.DrawFn, option: Option, only: Restriction) -> Any:
    """Draw a value of a restricted option, except padding, in normal form."""
    if option.name in only.values:
        value = only.values[option.name]
        return (value, value) if option.form == "pair" and not isinstance(value, tuple) else value
    return draw_option(draw, within(option, only))


def within(option: Option, only: Restriction) -> Option:
    """Return an option with the range that a restriction leaves it."""
    low, high = only.ranges.get(option.name, (option.low, option.high))
    return replace(option, low=low, high=high)


def default_of(option: Option) -> Any:
    """Return the default of an option in normal form; padding is set separately."""
    return (option.default, option.default) if option.form == "pair" else option.default


def draw_option(draw: st.DrawFn, option: Option) -> Any:
    """Draw a value from an option's declared range, in normal form."""
    low, high = option.low, option.high
    if option.form == "flag":
        return draw(st.booleans(), label=option.name)
    if option.form == "number":
        if isinstance(option.default, float) and low <= option.default <= high and draw(st.booleans(), label="default"):
            return option.default
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
