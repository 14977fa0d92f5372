"""Hypothesis strategies made from an operation's declaration.

Shapes are drawn from the output backwards, so that no draw is rejected. At most one size of a case is large, the one that
the case stresses, so that the naive reference stays fast; two where arrays are to have many elements.
"""

from collections.abc import Collection
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from kernels import OPS
from kernels.declare.op import Op, Shape
from kernels.declare.shapes import normal_options
from workbench.sampling.case import Case
from workbench.sampling.families import FAMILIES
from workbench.sampling.layouts import CONTIGUOUS, LAYOUTS, MIXTURES, SWAPS
from workbench.sampling.restriction import EVERYTHING, Restriction
from workbench.sampling.values import (
    BATCHES,
    EDGES,
    IMAGE,
    LARGEST,
    MANY,
    SIZES,
    draw_option,
    draw_size,
    one_of,
    within,
)
from workbench.sampling.windows import draw_window, pairs_of_axes, slides_over_image

SMALL_SHAPES = st.lists(one_of((1, 2, 3, 5, 0)), max_size=3).map(tuple)
"""The axes after the first of inputs of any shape."""


def large_together(op: Op, only: Restriction = EVERYTHING) -> tuple[tuple[str, str], ...]:
    """Return the pairs of axes that ``cases`` can make large together; every axis is in one, unless it is restricted."""
    op = _forward_of(op)
    if slides_over_image(op):
        return pairs_of_axes(op, only)
    everything = op.symbols or ([] if _has_axes(op) else ["N", "axis"])
    symbols = [symbol for symbol in everything if not only.is_fixed(symbol)]
    if len(symbols) < min(2, len(everything)):
        return ()  # one axis that is not restricted, or none
    pairs = [(symbol, symbols[(position + 1) % len(symbols)]) for position, symbol in enumerate(symbols)]
    return tuple(pairs[:1] if len(symbols) == 2 else pairs)


@st.composite
def cases(
    draw: st.DrawFn,
    op: Op,
    dtype: str,
    *,
    layouts: Collection[str] = LAYOUTS,
    largest: int = LARGEST,
    fixed: Collection[str] = (),
    stressed: tuple[str, str] | None = None,
    only: Restriction = EVERYTHING,
) -> Case:
    """Draw a case of ``op``.

    Parameters
    ----------
    op, dtype : the operation and dtype
    layouts : allowed memory layouts of inputs; at least a third of the cases are contiguous
    largest : the largest size of an axis
    fixed : options that stay at their default, and optional inputs that are absent
    stressed : the axes that are large, one of ``large_together``; None: at most one, which is drawn
    only : the calls that are drawn
    """
    edges = MANY if stressed else tuple(edge for edge in EDGES if edge <= largest) or EDGES[:1]
    forward = _forward_of(op)
    if slides_over_image(forward):
        shapes, options = draw_window(draw, forward, edges, fixed, stressed, only)
    else:
        options = {
            option.name: draw_option(draw, within(option, only))
            for option in op.options
            if option.name not in fixed and option.name not in only.values
        }
        shapes = _draw_symbols(draw, forward, edges, options, stressed, only)
        options = normal_options(op, {**options, **only.values}, shapes)
    if forward is not op:
        output = dict(zip(forward.outputs, forward.output_shapes(shapes, options), strict=True))
        known = {"dy": next(iter(output.values())), **output, **shapes}
        shapes = {item.name: known[item.name] for item in op.inputs}
    if only:
        assume(only.accepts(op, shapes, options))
    layout = _draw_layout(draw, layouts, len(op.inputs))
    family = draw(one_of(tuple(FAMILIES)), label="family")
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


def _draw_layout(draw: st.DrawFn, allowed: Collection[str], inputs: int) -> str:
    """Draw a layout; all exchanges of axes together are as likely as another layout, and all mixtures too."""
    groups: list[tuple[str, ...]] = [(layout,) for layout in allowed if layout not in (CONTIGUOUS, *SWAPS, *MIXTURES)]
    groups += [tuple(layout for layout in several if layout in allowed) for several in (SWAPS, MIXTURES)]
    groups = [group for group in groups if group and (inputs > 1 or group[0] not in MIXTURES)]
    group = draw(one_of(((CONTIGUOUS,),) * (len(groups) // 2 + 1) + tuple(groups)), label="layout")
    return draw(one_of(group), label="which") if len(group) > 1 else group[0]


def _forward_of(op: Op) -> Op:
    """Return the operation whose gradients ``op`` computes, else ``op``: its shapes are drawn, dy has its output's shape."""
    forward = next((forward for forward in OPS.values() if forward.backward == op.name), op)
    known = {"dy", *forward.outputs, *(item.name for item in forward.inputs)}
    return forward if {item.name for item in op.inputs} <= known else op


def _has_axes(op: Op) -> bool:
    """Return whether an input declares its axes; else the inputs have any shape."""
    return any(item.axes is not None for item in op.inputs)


def _draw_symbols(
    draw: st.DrawFn,
    op: Op,
    edges: tuple[int, ...],
    options: dict[str, Any],
    stressed: tuple[str, ...] | None,
    only: Restriction,
) -> dict[str, Shape]:
    """Draw a size for every symbol of the inputs' axes; inputs of any shape share one drawn shape."""
    symbols = op.symbols
    if stressed is None:
        named = symbols if _has_axes(op) else ["N", "axis"]
        free = [symbol for symbol in named if symbol not in only.sizes]
        drawn = draw(one_of((None, *free)), label="stressed")
        stressed = (drawn,) if drawn else ()
    large: dict[str, int] = {}
    for what in stressed:  # the only axis is named twice: it has as many elements as two
        large[what] = large.get(what, 1) * draw(one_of(edges), label=f"large {what}")
    sizes = {symbol: draw_size(draw, symbol, limits) for symbol, limits in only.sizes.items() if symbol in symbols}
    batch = large["N"] if "N" in large else sizes["N"] if "N" in sizes else draw(one_of(BATCHES), label="N")
    if not _has_axes(op):
        small = draw(SMALL_SHAPES, label="shape")
        shape = (batch, *small[:-1], large["axis"]) if "axis" in large else (batch, *small)
        return {item.name: shape for item in op.inputs}
    if set(IMAGE) <= set(symbols) - {*sizes, *large, *op.least} and draw(st.booleans(), label="one pixel"):
        sizes |= dict.fromkeys(IMAGE, 1)
    for symbol in sorted(symbols, key=lambda each: each in op.least):  # symbols that depend on others come last
        if symbol in sizes:
            continue
        if symbol == "N" and symbol not in op.least:
            sizes[symbol] = batch
            continue
        size = large[symbol] if symbol in large else draw(one_of(SIZES), label=symbol)
        least = op.least[symbol](sizes, options) if symbol in op.least else 1
        sizes[symbol] = least - 1 + size
    return {item.name: item.shape(sizes) if item.axes is not None else tuple(sizes.values()) for item in op.inputs}
