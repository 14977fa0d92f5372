"""Generated cases: from an operation's declaration to hypothesis strategies. The command line and the tests share them.

Shapes are drawn from the output backwards, so that no draw is rejected. Values come from a seeded generator, one family
at a time, so that a case is a few numbers: small to shrink and short to replay.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels import OPS
from kernels.op import Op, Shape
from kernels.shapes import check_axes, normal_options, window_extent
from workbench.errors import InputError

Arrays = dict[str, NDArray[Any]]

DTYPES = ("float32", "float64")

BATCHES = (1, 2, 3, 0, 1, 2, 5, 17, 65)
"""One, few, none, and just past what SIMD lanes or a block of samples hold."""
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33)
"""Sizes of axes that no window slides over: 1, primes, powers of two and their neighbours."""


def _normal(rng: np.random.Generator, shape: Shape) -> NDArray[Any]:
    return rng.standard_normal(shape)


def _integers(rng: np.random.Generator, shape: Shape) -> NDArray[Any]:
    return rng.integers(-3, 4, shape).astype(float)


def _wide(rng: np.random.Generator, shape: Shape) -> NDArray[Any]:
    return rng.choice((-1.0, 1.0), shape) * 10.0 ** rng.uniform(-6, 6, shape)


def _special(rng: np.random.Generator, shape: Shape) -> NDArray[Any]:
    values = rng.standard_normal(shape)
    specials = rng.choice((np.nan, np.inf, -np.inf, -0.0, 0.0), shape)
    return np.where(rng.random(shape) < rng.choice((0.1, 0.5)), specials, values)


FAMILIES: dict[str, Callable[[np.random.Generator, Shape], NDArray[Any]]] = {
    "normal": _normal,  # well scaled: rounding errors as they usually are
    "integers": _integers,  # sums are exact, so the tolerance is zero; many ties
    "wide": _wide,  # twelve orders of magnitude: terms that swamp each other
    "special": _special,  # NaN, infinities, signed zeros at one place in ten, or in two
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One generated call.

    Attributes
    ----------
    op, dtype : names
    shapes : by input name
    options : in normal form
    family, seed : where the values come from
    """

    op: str
    dtype: str
    shapes: dict[str, Shape]
    options: dict[str, Any]
    family: str
    seed: int

    def arrays(self) -> Arrays:
        """Make the inputs, C-contiguous."""
        rng = np.random.default_rng(self.seed)
        arrays: Arrays = {}
        for item in OPS[self.op].inputs:
            shape = self.shapes[item.name]
            if item.kind == "index":
                assert item.below is not None
                arrays[item.name] = rng.integers(0, self.shapes[item.below[0]][item.below[1]], shape)
            else:
                arrays[item.name] = np.asarray(FAMILIES[self.family](rng, shape), dtype=self.dtype)
        return arrays

    @property
    def token(self) -> str:
        """The case as text to paste after ``--replay``."""
        return base64.urlsafe_b64encode(zlib.compress(json.dumps(asdict(self)).encode(), 9)).decode().rstrip("=")

    @classmethod
    def from_token(cls, token: str) -> Case:
        """Read a token.

        Raises
        ------
        InputError
            It is no token, or names what is not there.
        """
        try:
            fields = json.loads(zlib.decompress(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))))
            case = cls(
                **{key: _tuples(value) if key in ("shapes", "options") else value for key, value in fields.items()}
            )
            op = OPS[case.op]
            check_axes(op, case.shapes)
            if case.dtype not in DTYPES or case.options != normal_options(op, case.options, case.shapes):
                raise ValueError(token)
            op.output_shapes(case.shapes, case.options)
            case.arrays()
        except (ValueError, LookupError, TypeError, AttributeError, binascii.Error, zlib.error) as error:
            raise InputError(
                "--replay: not a token of this version; paste one that `workbench check` printed"
            ) from error
        return case


def _tuples(value: Any) -> Any:
    """Turn the lists of JSON back into the tuples of shapes and options."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


@st.composite
def cases(draw: st.DrawFn, op: Op, dtype: str) -> Case:
    """Draw a case of ``op``."""
    batch = draw(st.sampled_from(BATCHES), label="batch")
    if op.window is not None:
        shapes, options = _draw_window(draw, op, batch)
    else:
        shapes, options = _draw_symbols(draw, op, batch), _draw_options(draw, op)
    family = draw(st.sampled_from(sorted(FAMILIES, key=list(FAMILIES).index)), label="family")
    seed = draw(st.integers(0, 2**32 - 1), label="seed")
    return Case(op=op.name, dtype=dtype, shapes=shapes, options=options, family=family, seed=seed)


def _draw_symbols(draw: st.DrawFn, op: Op, batch: int) -> dict[str, Shape]:
    """Draw a size for every symbol of the inputs' axes; inputs of any shape share one drawn shape."""
    sizes: dict[str, int] = {"N": batch}
    any_shape = draw(st.lists(st.sampled_from((1, 2, 3, 5, 0)), max_size=3).map(tuple), label="shape")
    shapes: dict[str, Shape] = {}
    for item in op.inputs:
        if item.axes is None:
            shapes[item.name] = (batch, *any_shape)
            continue
        for symbol in item.axes:
            if symbol not in sizes:
                sizes[symbol] = draw(st.sampled_from(SIZES), label=symbol)
        shapes[item.name] = tuple(sizes[symbol] for symbol in item.axes)
    return shapes


def _draw_window(draw: st.DrawFn, op: Op, batch: int) -> tuple[dict[str, Shape], dict[str, Any]]:
    """Draw the options, the number of windows, then an image that gives just that."""
    small = batch > 5  # a large batch goes with small images: the reference is plain Python
    by_name = {option.name: option for option in op.options}
    pooling = "kernel_size" in by_name
    kernel = _pair(draw, "kernel", 1, 2 if small else 4)
    options = _draw_options(draw, op, highest_count=2 if small else None) | ({"kernel_size": kernel} if pooling else {})
    image, padding = [], []
    for axis in (0, 1):
        stride, extent = options["stride"][axis], window_extent(kernel[axis], options["dilation"][axis])
        windows = draw(st.integers(1, 2 if small else 5), label="windows")
        spare = draw(st.integers(0, stride - 1), label="spare")
        cut = draw(st.integers(0, min(stride, extent) - 1), label="cut") if options.get("ceil_mode") else 0
        padded = (windows - 1) * stride + extent + spare - cut
        most = min(by_name["padding"].high, extent - 1 if pooling else padded - 1)
        before = draw(st.integers(0, min(most, padded - 1)), label="before")
        after = draw(st.integers(0, min(most, padded - 1 - before)), label="after")
        padding.append((before, after))
        image.append(padded - before - after)
    options["padding"] = (padding[0], padding[1])
    options = {name: options[name] for name in by_name}
    groups = options.get("groups", 1)
    most_channels = 2 if small else 3
    channels = draw(st.integers(1, most_channels), label="channels")
    shapes: dict[str, Shape] = {"x": (batch, groups * channels, *image)}
    if not pooling:
        outputs = groups * draw(st.integers(1, most_channels), label="outputs")
        shapes["w"] = (outputs, channels, *kernel)
        shapes["b"] = (outputs,)
    shapes["dy"] = _forward_of(op).output_shapes(shapes, options)[0]
    return {item.name: shapes[item.name] for item in op.inputs}, options


def _draw_options(draw: st.DrawFn, op: Op, highest_count: int | None = None) -> dict[str, Any]:
    """Draw every option from its declared range, but for padding, which depends on the image, and kernel_size."""
    options: dict[str, Any] = {}
    for option in op.options:
        if option.form == "pair" and option.name != "kernel_size":
            options[option.name] = _pair(draw, option.name, option.low, option.high)
        elif option.form == "flag":
            options[option.name] = draw(st.booleans(), label=option.name)
        elif option.form == "count":
            options[option.name] = draw(st.integers(option.low, highest_count or option.high), label=option.name)
    return options


def _pair(draw: st.DrawFn, name: str, low: int, high: int) -> tuple[int, int]:
    return draw(st.integers(low, high), label=f"{name} (height)"), draw(st.integers(low, high), label=f"{name} (width)")


def _forward_of(op: Op) -> Op:
    return next((forward for forward in OPS.values() if forward.backward == op.name), op)
