"""The calls that a kernel is for, as data: ranges of sizes and options, so that only such calls are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from kernels.declare.errors import KernelsError, OptionError
from kernels.declare.op import Op, Options, Shapes
from kernels.declare.shapes import normal_options

Limits = tuple[int, int]
"""The least and the largest value."""


@dataclass(frozen=True)
class Restriction:
    """The calls that a kernel is for.

    Attributes
    ----------
    sizes : by symbol of an axis, the limits of its size
    ranges : by option, the limits of its numbers
    values : by option, its value, in any form that the public function takes
    dtypes : the precisions; none: all
    """

    sizes: dict[str, Limits] = field(default_factory=dict)
    ranges: dict[str, Limits] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sizes or self.ranges or self.values)

    def __str__(self) -> str:
        """Return it in words."""
        limits = {**self.sizes, **self.ranges}.items()
        words = [f"{name} = {low}" if low == high else f"{name} is {low} to {high}" for name, (low, high) in limits]
        return ", ".join([*words, *(f"{name} = {value}" for name, value in self.values.items())])

    def accepts(self, op: Op, shapes: Shapes, options: Options) -> bool:
        """Return whether a call is one of them."""
        if not all(
            _within(size, self.sizes[symbol]) for symbol, size in op.sizes(shapes).items() if symbol in self.sizes
        ):
            return False
        for name, limits in self.ranges.items():
            if not all(_within(number, limits) for number in _numbers(options[name])):
                return False
        try:
            return all(self.normal_value(op, shapes, options, name) == options[name] for name in self.values)
        except KernelsError:
            return False  # such as padding="same" with a stride

    def normal_value(self, op: Op, shapes: Shapes, options: Options, name: str) -> Any:
        """Return an option's value in normal form, in a call with these other options.

        Raises
        ------
        OptionError
            The call cannot have the value.
        """
        return normal_options(op, {**options, name: self.values[name]}, shapes)[name]

    def is_fixed(self, *names: str) -> bool:
        """Return whether one of these axes or options is restricted."""
        return any(name in each for name in names for each in (self.sizes, self.ranges, self.values))


EVERYTHING = Restriction()
"""No restriction."""


def restriction(op: Op, when: Mapping[str, Any], dtypes: Sequence[str] = ()) -> Restriction:
    """Return the restriction that a user writes.

    Parameters
    ----------
    op : the operation
    when : by axis symbol or option, a value or a ``range`` of whole numbers, such as ``{"KH": 3, "C": range(1, 17)}``
    dtypes : the precisions; none: all

    Raises
    ------
    OptionError
        A name is unknown, or a value is not allowed.
    """
    symbols = set(op.symbols)
    options = {option.name for option in op.options}
    sizes: dict[str, Limits] = {}
    ranges: dict[str, Limits] = {}
    values: dict[str, Any] = {}
    for name, value in when.items():
        if name not in symbols | options:
            near = get_close_matches(str(name), [*symbols, *options], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise OptionError(
                f"when: {op.name} has no axis or option {name!r}; {hint}it has {', '.join(sorted(symbols | options))}"
            )
        if isinstance(value, range):
            if value.step != 1 or not value or value.start < 0:
                raise OptionError(f"when: {name} is {value}; needs a range of sizes with step 1")
            (sizes if name in symbols else ranges)[name] = (value.start, value.stop - 1)
        elif name in symbols:
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise OptionError(f"when: {name} is {value!r}; needs a size or a range of sizes")
            sizes[name] = (value, value)
        else:
            values[name] = _value(value)
    return Restriction(sizes, ranges, values, tuple(dtypes))


def _within(number: Any, limits: Limits) -> bool:
    return bool(limits[0] <= number <= limits[1])


def _numbers(value: Any) -> Sequence[Any]:
    """Return the numbers of an option in normal form."""
    if not isinstance(value, tuple):
        return (value,)
    return [number for each in value for number in _numbers(each)]


def _value(value: Any) -> Any:
    """Return an option's value, with tuples for lists."""
    if isinstance(value, tuple | list):
        return tuple(_value(each) for each in value)
    if isinstance(value, bool | int | float | str):
        return value
    raise OptionError(f"when: {value!r} is not the value of an option")
