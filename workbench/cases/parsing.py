"""Parsing of shapes given by the user: ``"x=64x6x14x14 w=16x6x5x5 stride=2 padding=1"``."""

import re
from math import isfinite
from typing import Any

from kernels import KernelsError
from kernels.declare.op import Op, Option, Shape
from kernels.declare.shapes import check_axes
from workbench.cases.timed_case import BenchCase, backward_of, bench_case, check_size, forward_of
from workbench.system.errors import InputError, shortened

FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_case(op: Op, text: str) -> BenchCase:
    """Parse a case of an operation; that of a backward pass may be given as its forward pass's.

    Every input except optional ones is given by name with its sizes joined by ``x``; an option is a number, two joined by
    ``x`` (height, width), "same" or "valid", true or false.

    Raises
    ------
    InputError
        The text does not parse, or the shapes do not fit the operation.
    """
    forward = forward_of(op)
    given = set(re.findall(r"(\w+)=", text))
    if forward is not None and not {item.name for item in op.inputs if not item.optional} <= given:
        case = backward_of(_parse(forward, text))
        assert case is not None
        return case
    return _parse(op, text)


def _parse(op: Op, text: str) -> BenchCase:
    shapes: dict[str, Shape] = {}
    options: dict[str, Any] = {}
    inputs = {item.name: item for item in op.inputs}
    known = {option.name: option for option in op.options}
    for word in re.split(r"[\s,;]+", text.strip()):
        name, equals, value = word.partition("=")
        if not name or not equals or not value:
            raise InputError(f"--case {shortened(text)!r}: {shortened(word)!r} is not NAME=VALUE; write {_example(op)}")
        if name in shapes or name in options:
            raise InputError(f"--case {shortened(text)!r}: {name} is given twice")
        if name in inputs:
            shapes[name] = _sizes(text, name, value)
        elif name in known:
            options[name] = _option(text, known[name], value)
        else:
            raise InputError(
                f"--case {shortened(text)!r}: {op.name} has no {name}; it has {', '.join([*inputs, *known])}"
            )
    for item in op.inputs:
        if item.name not in shapes and not item.optional:
            raise InputError(f"--case {shortened(text)!r}: {item.name} of {op.name} is missing; write {_example(op)}")
    _fill_optional(op, shapes)
    try:
        check_axes(op, shapes)
        case = bench_case(text, op, shapes, options)
        op.output_shapes(case.shapes, case.options)
    except KernelsError as error:
        raise InputError(f"--case {shortened(text)!r}: {error}") from error
    check_size(case, f"--case {shortened(text)!r}")
    return case


def _fill_optional(op: Op, shapes: dict[str, Shape]) -> None:
    """Add the shapes of absent optional inputs, from the sizes that their axes have in the other inputs."""
    sizes = dict.fromkeys(op.symbols, 1) | op.sizes(shapes)
    for item in op.inputs:
        if item.name not in shapes and item.axes:
            shapes[item.name] = item.shape(sizes)


def _example(op: Op) -> str:
    words = [
        f"{item.name}={'x'.join(str(axis).partition('/')[0] for axis in item.axes or ('N', 'C', 'H', 'W'))}"
        for item in op.inputs
        if not item.optional
    ]
    return f"--case '{' '.join(words)}' with a number for each letter"


def _sizes(text: str, name: str, value: str) -> Shape:
    if not re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9})*", value):
        raise InputError(
            f"--case {shortened(text)!r}: {name}={shortened(value)} is not a shape; join its sizes by x, as in "
            f"{name}=64x6x14x14"
        )
    return tuple(map(int, value.split("x")))


def _option(text: str, option: Option, value: str) -> Any:
    if option.form == "flag" and value.lower() in FLAGS:
        return FLAGS[value.lower()]
    if option.form == "padding" and value in ("same", "valid"):
        return value
    if (
        option.form == "number"
        and re.fullmatch(r"-?[0-9]{1,300}(\.[0-9]+)?(e-?[0-9]+)?", value)
        and isfinite(float(value))
    ):
        return float(value)
    if option.form in ("pair", "padding") and re.fullmatch(r"[0-9]{1,9}x[0-9]{1,9}", value):
        return tuple(map(int, value.split("x")))
    if option.form in ("pair", "padding", "count") and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    raise InputError(
        f"--case {shortened(text)!r}: {option.name}={shortened(value)} is not valid; {option.name} must be a {option.form}"
    )
