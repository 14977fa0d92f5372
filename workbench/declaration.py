"""Is a declaration right? Its reference is checked before any kernel is judged by it, from the declaration alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from numpy.typing import NDArray

from kernels import OPS
from kernels.op import REQUIRED, Op, Options
from kernels.rounding import Analytic, Exact, Sum, gamma
from kernels.shapes import normal_options, window_extent
from workbench.gradients import numeric_gradient
from workbench.sampling import FAMILIES, Arrays, Case, cases
from workbench.tolerance import Oracle, oracle

Array = NDArray[Any]

POISONS = (np.nan, -12345.678)
"""What outputs hold before a call."""

AFFORDABLE = 150
"""Elements of all inputs of the cases that are run most often: by differences, four times for each element."""

FACTOR = -3
"""The factor in f(a*u + v) = a*f(u) + f(v): no power of two, whose products are exact anyway."""

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
PRECISIONS: tuple[Any, ...] = (np.float32, np.float64, np.longdouble)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong with a declaration.

    Attributes
    ----------
    what : the property that does not hold, in a word
    reason : one line that names values, indices, shapes and options
    token : the case that shows it, None where no single case does
    """

    what: str
    reason: str
    token: str | None = None


class _Fault(Exception):  # noqa: N818 - it is a verdict
    """A property does not hold; the text is the reason."""


def check_declaration(op: Op, *, examples: int = 25, seed: int = 0) -> tuple[Finding, ...]:
    """Check what an operation declares against what its reference does.

    Groups of checks, each only where the ones before it found nothing: the declaration in itself; the reference as
    a function in the calling convention; its mathematics: gradients, linearity, shifts, rounding. Gradients follow
    a convention of names: the backward operation's inputs are found among ``dy`` (the gradient of the first output; 1
    where it is absent), the forward's inputs and its outputs; an output ``dx`` is the gradient with respect to ``x``.

    Parameters
    ----------
    op : what is checked; it and its backward operation must be in ``kernels.OPS``
    examples : how many cases to generate
    seed : the same seed draws the same cases

    Returns
    -------
    tuple of Finding
        Every property that does not hold, with the smallest generated case that shows it; empty when all is right.
    """
    try:
        drawn = _draw(op, examples, seed)
    except Exception as error:
        return (Finding(what="cases", reason=f"no case can be generated: {_raised(error)}"),)
    for checks in _STAGES:
        found = tuple(finding for what, check in checks.items() if (finding := check(what, op, drawn)) is not None)
        if found:
            return found
    return ()


def _draw(op: Op, examples: int, seed: int) -> list[Case]:
    """Draw cases, of every family of values in turn; give the smallest first."""
    drawn: list[Case] = []
    families = list(FAMILIES)

    @seeded(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(op, DOUBLE.name))
    def collect(case: Case) -> None:
        drawn.append(replace(case, family=families[len(drawn) % len(families)]))

    collect()
    return sorted(drawn, key=_elements)


def _elements(case: Case) -> int:
    return sum(prod(shape) for shape in case.shapes.values())


Check = Callable[[str, Op, Sequence[Case]], Finding | None]
Judge = Callable[[Op, Case], int]


def _for_each_case(judge: Judge) -> Check:
    """Make a check of a judgement on one case, which raises or says how many values it has compared."""

    def check(what: str, op: Op, drawn: Sequence[Case]) -> Finding | None:
        compared = 0
        for case in drawn:
            try:
                compared += judge(op, case)
            except Exception as error:
                return Finding(what=what, reason=f"{_reason(error)}; {_call(case)}", token=case.token)
        if compared:
            return None
        return Finding(what=what, reason=f"none of {len(drawn)} generated cases has values on which it could be seen")

    return check


def _for_all_cases(judge: Callable[[Op, Sequence[Case]], None]) -> Check:
    """Make a check of a judgement that takes all cases together."""

    def check(what: str, op: Op, drawn: Sequence[Case]) -> Finding | None:
        try:
            judge(op, drawn)
        except Exception as error:
            return Finding(what=what, reason=_reason(error))
        return None

    return check


def _on_small_cases(check: Check) -> Check:
    """Leave the larger cases to the other checks; where all are large, take the smallest that has values."""

    def check_small(what: str, op: Op, drawn: Sequence[Case]) -> Finding | None:
        small = [case for case in drawn if _elements(case) <= AFFORDABLE]
        return check(what, op, small if any(map(_elements, small)) else [case for case in drawn if _elements(case)][:1])

    return check_small


def _where(applies: Callable[[Op], bool], check: Check) -> Check:
    return lambda what, op, drawn: check(what, op, drawn) if applies(op) else None


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, _Fault) else _raised(error)


def _raised(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"raises {type(error).__name__}: {lines[0]}"


def _call(case: Case) -> str:
    """Say what was called: shapes and options."""
    shapes = [f"{name} {shape}" for name, shape in case.shapes.items()]
    return ", ".join(shapes + [f"{name}={value}" for name, value in case.options.items()])


def _element(name: str, place: Sequence[Any]) -> str:
    return f"{name}[{', '.join(str(int(axis)) for axis in place)}]"


def _worst(excess: Array) -> tuple[int, ...]:
    """Find the index of the largest element; NaN counts as larger than all."""
    return tuple(int(axis) for axis in np.unravel_index(int(np.argmax(excess)), excess.shape))


# The declaration in itself


def _names(op: Op, _drawn: Sequence[Case]) -> None:
    """The names that ``linear_in``, ``rounding`` and ``backward`` mention exist."""
    floats = [item.name for item in op.inputs if item.kind == "float"]
    _expect_among("linear_in", op.linear_in, floats, "the float inputs")
    if isinstance(op.rounding, Sum):
        _expect_among("rounding's magnitudes", op.rounding.magnitudes, floats, "the float inputs")
    if op.backward is None:
        return
    if op.backward not in OPS:
        raise _Fault(f"backward is {op.backward!r}, which is not registered")
    backward = OPS[op.backward]
    known = ["dy", *(item.name for item in op.inputs), *op.outputs]
    inputs = [item.name for item in backward.inputs]
    _expect_among(f"the inputs of {backward.name}", inputs, known, "dy, the inputs and the outputs")
    gradients = [f"d{name}" for name in floats]
    _expect_among(f"the outputs of {backward.name}", backward.outputs, gradients, "the gradients of the float inputs")
    options = [option.name for option in op.options]
    _expect_among(
        f"the options of {backward.name}", [option.name for option in backward.options], options, "the options"
    )


def _expect_among(what: str, names: Sequence[str], known: Sequence[str], whose: str) -> None:
    for name in names:
        if name not in known:
            raise _Fault(f"{what}: {name!r} is not among {whose} of the operation ({', '.join(known)})")


def _output_shapes(op: Op, case: Case) -> int:
    """There is one shape, a tuple of sizes, for every output."""
    shapes = op.output_shapes(case.shapes, case.options)
    if len(shapes) != len(op.outputs):
        raise _Fault(f"output_shapes gives {shapes}, {len(shapes)} for the {len(op.outputs)} outputs {op.outputs}")
    for name, shape in zip(op.outputs, shapes, strict=True):
        if not isinstance(shape, tuple) or not all(_is_count(size) for size in shape):
            raise _Fault(f"output_shapes gives {shape!r} for {name}; needs a tuple of sizes")
    return 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _costs(op: Op, case: Case) -> int:
    """Flops and bytes are counts."""
    cost = op.cost(case.shapes, case.options, DOUBLE.itemsize)
    for name, value in (("flops", cost.flops), ("bytes", cost.bytes)):
        if not _is_count(value):
            raise _Fault(f"{name} is {value!r}; needs an int of at least 0")
    return 1


def _option_defaults(op: Op, case: Case) -> int:
    """The defaults are allowed values, and the normal form of a normal form is itself."""
    defaults = {
        option.name: case.options[option.name] if option.default is REQUIRED else option.default
        for option in op.options
    }
    normal = normal_options(op, defaults, case.shapes)
    for options in (normal, case.options):
        again = normal_options(op, options, case.shapes)
        if again != options:
            raise _Fault(f"the options {options} are in normal form, but normal_options turns them into {again}")
    return 1


def _roundings(op: Op, case: Case) -> int:
    """There is one count of roundings for every output."""
    if isinstance(op.rounding, Sum):
        counts = op.rounding.roundings(case.shapes, case.options)
        if len(counts) != len(op.outputs) or not all(_is_count(count) for count in counts):
            raise _Fault(f"roundings gives {counts}; needs an int of at least 0 for each of the outputs {op.outputs}")
    return 1


# The reference as a function


def _run(op: Op, arrays: Arrays, options: Options, dtype: Any, poison: float = np.nan) -> tuple[Array, ...]:
    """Run the reference in ``dtype`` on outputs that hold ``poison``; it must return nothing and keep its inputs."""
    converted = _rounded(arrays, dtype)
    given = [converted[item.name].copy() for item in op.inputs]
    before = [array.copy() for array in given]
    shapes = op.output_shapes({name: array.shape for name, array in arrays.items()}, options)
    outputs = tuple(np.full(shape, poison, dtype) for shape in shapes)
    with np.errstate(all="ignore"):
        returned: Any = op.reference(*given, *op.option_values(options), *outputs)  # type: ignore[func-returns-value]
    if returned is not None:
        raise _Fault(f"returns {type(returned).__name__}; results go into the outputs, and nothing is returned")
    for item, old, new in zip(op.inputs, before, given, strict=True):
        if not _same(old, new).all():
            place = _worst(~_same(old, new))
            raise _Fault(f"changes its input {_element(item.name, place)} from {old[place]:.6g} to {new[place]:.6g}")
    return outputs


def _precision(dtype: Any) -> str:
    return "longdouble" if dtype == np.longdouble and dtype != DOUBLE else np.dtype(dtype).name


def _same(first: Array, second: Array) -> Array:
    """Say where values are the same; all NaN are."""
    return np.asarray((first == second) | ((first != first) & (second != second)))


def _reference_is_a_function(op: Op, case: Case) -> int:
    """The outputs follow from the inputs alone, in every precision: written everywhere, the same every time."""
    arrays = case.arrays()
    written = 0
    for dtype in PRECISIONS:
        try:
            first, again = (_run(op, arrays, case.options, dtype, POISONS[0]) for _ in range(2))
            other = _run(op, arrays, case.options, dtype, POISONS[1])
        except _Fault:
            raise
        except Exception as error:
            raise _Fault(f"{_raised(error)}, in {_precision(dtype)} on values {case.family!r}") from error
        _expect_same(op, first, again, "differs between two calls on the same inputs")
        _expect_same(op, first, other, "depends on what the output held before: never written, or read first")
        written += sum(values.size for values in first)
    return written


def _bounds_fit(op: Op, case: Case) -> int:
    """A formula of its own gives a bound for every element of every output."""
    if isinstance(op.rounding, Analytic):
        arrays = _normal(case)
        outputs = _run(op, arrays, case.options, DOUBLE)
        bounds = op.rounding.bound(arrays, outputs, 2.0**-53)
        got, needed = ([np.shape(values) for values in each] for each in (bounds, outputs))
        if got != needed:
            raise _Fault(f"rounding gives bounds of shapes {got} for outputs of shapes {needed}")
    return 1


def _expect_same(op: Op, first: Sequence[Array], second: Sequence[Array], fault: str) -> None:
    for name, values, others in zip(op.outputs, first, second, strict=True):
        same = _same(values, others)
        if not same.all():
            place = _worst(~same)
            raise _Fault(f"{_element(name, place)} {fault}; it is {values[place]:.6g} and {others[place]:.6g}")


def _computes_in_every_precision(op: Op, drawn: Sequence[Case]) -> None:
    """Where an output rounds in one precision, the wider ones give it more digits.

    A reference that computes in one precision whatever its inputs are (math.exp and float() compute in float64) gives no
    more digits beyond it. ``needed`` elements that differ between two precisions are taken to show that it rounds. Were
    half of them exact in a wider one by chance, none would differ there with a chance of 2**-20.
    """
    needed = 20
    shown: dict[str, str] = {}
    for low, high in pairwise((np.float16, *PRECISIONS)):
        differ = dict.fromkeys(op.outputs, 0)
        for case in drawn:
            arrays = _rounded(_normal(case), low)
            narrow, wide = (_run(op, arrays, case.options, dtype) for dtype in (low, high))
            for name, first, second in zip(op.outputs, narrow, wide, strict=True):
                differ[name] += int(np.sum(~_same(first, second)))
        for name, number in differ.items():
            if name in shown and not number and np.finfo(high).eps < np.finfo(low).eps:
                raise _Fault(
                    f"{name} has the same digits in {_precision(high)} as in {_precision(low)}, in every case, though it "
                    f"rounds ({shown[name]}): it is computed in one precision whatever the inputs are, as by math.exp and "
                    "float()"
                )
            if number >= needed:
                shown[name] = f"{number} values differ between {_precision(low)} and {_precision(high)}"


# Its mathematics


def _normal(case: Case) -> Arrays:
    return replace(case, family="normal").arrays()


def _rounded(arrays: Arrays, dtype: Any) -> Arrays:
    return {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in arrays.items()}


def _without_bias(op: Op, case: Case) -> Arrays:
    arrays = _normal(case)
    return arrays | {item.name: np.zeros_like(arrays[item.name]) for item in op.inputs if item.optional}


def _drawn_like(case: Case, shape: tuple[int, ...]) -> Array:
    """Draw well scaled values that are not the case's own."""
    return np.random.default_rng(case.seed + 1).standard_normal(shape)


def _upstream(op: Op, case: Case) -> Array:
    """Draw the gradient of the first output; ones where the backward operation takes none."""
    shape = op.output_shapes(case.shapes, case.options)[0]
    takes_dy = any(item.name == "dy" for item in OPS[str(op.backward)].inputs)
    return _drawn_like(case, shape) if takes_dy else np.ones(shape)


def _backward_call(op: Op, arrays: Arrays, options: Options, dy: Array) -> tuple[Op, Arrays, dict[str, Any]]:
    """Give the backward operation with its inputs and options, found by name."""
    backward = OPS[str(op.backward)]
    outputs = dict(zip(op.outputs, _run(op, arrays, options, DOUBLE), strict=True))
    known = {**outputs, **arrays, "dy": dy}
    return (
        backward,
        {item.name: known[item.name] for item in backward.inputs},
        {option.name: options[option.name] for option in backward.options},
    )


def _gradients_are_differences(op: Op, case: Case) -> int:
    """Every gradient equals the central differences of the forward reference, away from kinks."""
    arrays = _normal(case)
    dy = _upstream(op, case)
    backward, given, options = _backward_call(op, arrays, case.options, dy)
    compared = 0
    for output, gradient in zip(backward.outputs, _run(backward, given, options, DOUBLE), strict=True):
        name = output.removeprefix("d")
        if gradient.shape != arrays[name].shape:
            raise _Fault(f"{backward.name} gives {output} {gradient.shape} for {name} {arrays[name].shape}")
        numeric = numeric_gradient(_of_one_input(op, arrays, case.options, name), arrays[name], dy)
        wrong = ~np.isnan(numeric.values) & ~(np.abs(gradient - numeric.values) <= numeric.tolerance)
        if wrong.any():
            place = _worst(wrong)
            raise _Fault(
                f"{backward.name}: {_element(output, place)} is {gradient[place]:.6g}, the central difference of "
                f"{op.name} {numeric.values[place]:.6g}"
            )
        compared += int(np.sum(~np.isnan(numeric.values)))
    return compared


def _of_one_input(op: Op, arrays: Arrays, options: Options, name: str) -> Callable[[Array], Array]:
    return lambda values: _run(op, {**arrays, name: values}, options, DOUBLE)[0]


def _is_linear(op: Op, case: Case) -> int:
    """f(a*u + v) = a*f(u) + f(v) within rounding, and f(4*u) = 4*f(u) exactly, for every input in ``linear_in``."""
    arrays = _without_bias(op, case)
    compared = 0
    for name in op.linear_in:
        # Multiples of 2**-10, so that a*u + v does not round.
        u, v = (np.rint(1024 * values) / 1024 for values in (arrays[name], _drawn_like(case, arrays[name].shape)))
        first, second, both = (
            oracle(op, {**arrays, name: values}, case.options, DOUBLE) for values in (u, v, FACTOR * u + v)
        )
        for position, output in enumerate(op.outputs):
            compared += _superposed(output, name, position, first, second, both)
        once, scaled = (_run(op, {**arrays, name: values}, case.options, DOUBLE) for values in (u, 4 * u))
        _expect_same(
            op, scaled, [4 * values for values in once], f"is not linear in {name}: f(4*{name}) is not 4*f({name})"
        )
    return compared


def _superposed(output: str, name: str, position: int, first: Oracle, second: Oracle, both: Oracle) -> int:
    got = both.expected[position]
    parts = FACTOR * first.expected[position], second.expected[position]
    with np.errstate(invalid="ignore"):
        expected = parts[0] + parts[1]
        own = gamma(2, float(np.finfo(got.dtype).eps) / 2) * (np.abs(parts[0]) + np.abs(parts[1]))
        allowed = both.bounds[position] + abs(FACTOR) * first.bounds[position] + second.bounds[position] + own
        compared = np.isfinite(got) & np.isfinite(expected)
        wrong = compared & ~(np.abs(got - expected) <= allowed)
    if wrong.any():
        place = _worst(wrong)
        raise _Fault(
            f"{_element(output, place)} is not linear in {name}: f({FACTOR}*u + v) is {got[place]:.6g}, "
            f"{FACTOR}*f(u) + f(v) {expected[place]:.6g}"
        )
    return int(compared.sum())


def _differentiated(op: Op) -> list[str]:
    """Name the inputs in which ``op`` is linear and for which its backward operation gives a gradient."""
    return [name for name in op.linear_in if op.backward is not None and f"d{name}" in OPS[op.backward].outputs]


def _is_adjoint(op: Op, case: Case) -> int:
    """<f(v), g> = <v, backward(g)> for every input v in ``linear_in`` that has a gradient."""
    arrays = _without_bias(op, case)
    truth = oracle(op, arrays, case.options, DOUBLE)
    dual = _upstream(op, case)
    backward, given, options = _backward_call(op, arrays, case.options, dual)
    gradients = oracle(backward, given, options, DOUBLE)
    compared = 0
    for name in _differentiated(op):
        left, left_error = _inner_product(truth, 0, dual)
        right, right_error = _inner_product(gradients, backward.outputs.index(f"d{name}"), arrays[name])
        if not (np.isfinite(left) and np.isfinite(right)):  # a window that sees no input may give -inf or NaN
            continue
        if not abs(left - right) <= left_error + right_error:
            raise _Fault(
                f"{backward.name} is not the adjoint of {op.name} in {name}: <f({name}), g> is {left:.10g}, "
                f"<{name}, d{name}(g)> {right:.10g}"
            )
        compared += dual.size
    return compared


def _inner_product(truth: Oracle, position: int, factor: Array) -> tuple[Any, Any]:
    """Give the inner product of an output with ``factor``, and how far rounding may move it."""
    expected = truth.expected[position]
    with np.errstate(invalid="ignore"):
        terms = factor * expected
        own = gamma(terms.size + 1, float(np.finfo(expected.dtype).eps) / 2) * np.sum(np.abs(terms))
        return np.sum(terms), np.sum(np.abs(factor) * truth.bounds[position]) + own


def _slides(op: Op) -> bool:
    return op.window is not None and all(item.name != "dy" for item in op.inputs)


def _moves_with_its_input(op: Op, case: Case) -> int:
    """With stride 1 and no padding, an x moved by one row or column moves the first output by one."""
    assert op.window is not None
    arrays = {name: np.rint(array) if array.dtype.kind == "f" else array for name, array in _normal(case).items()}
    options = {
        option.name: ((0, 0), (0, 0)) if option.form == "padding" else case.options[option.name]
        for option in op.options
    } | ({"stride": (1, 1)} if "stride" in case.options else {})
    window, dilation = op.window(case.shapes, options), options.get("dilation", (1, 1))
    extents = [window_extent(kernel, apart) for kernel, apart in zip(window, dilation, strict=True)]
    shape = (*case.shapes["x"][:-2], *(extent + 2 for extent in extents))
    x = np.random.default_rng(case.seed).integers(-3, 4, shape).astype(DOUBLE)
    compared = 0
    for axis, word in ((-2, "row"), (-1, "column")):
        first, second = (
            _run(op, {**arrays, "x": part}, options, DOUBLE)[0]
            for part in (_cut(x, axis, 0, -1), _cut(x, axis, 1, None))
        )
        kept, moved = _cut(first, axis, 1, None), _cut(second, axis, 0, -1)
        if not _same(kept, moved).all():
            place = _worst(~_same(kept, moved))
            raise _Fault(
                f"x {x.shape} moved by one {word} does not move {op.outputs[0]} by one, with stride 1 and no padding: "
                f"{_element(op.outputs[0], place)} is {moved[place]:.6g}, needs {kept[place]:.6g}"
            )
        compared += kept.size
    return compared


def _cut(array: Array, axis: int, start: int, stop: int | None) -> Array:
    return np.ascontiguousarray(np.moveaxis(np.moveaxis(array, axis, 0)[start:stop], 0, axis))


def _stays_within_its_bound(op: Op, case: Case) -> int:
    """The reference in float32 and in float64 lies within the bound, and the bound is a finite number."""
    compared = 0
    for dtype in (SINGLE, DOUBLE):
        own = replace(case, dtype=dtype.name).arrays()
        for arrays in (own, *_stagnating(own, case.seed)):
            truth = oracle(op, arrays, case.options, dtype)
            finite = all(bool(np.isfinite(array).all()) for array in arrays.values())
            got = _run(op, arrays, case.options, dtype)
            for position, name in enumerate(op.outputs):
                _expect_bound(name, truth, position, finite)
                _expect_within(name, truth, position, got[position])
                compared += got[position].size
    return compared


def _stagnating(arrays: Arrays, seed: int) -> list[Arrays]:
    """Give inputs on which every rounding errs the same way: 1 + u + u + ... stays 1 (u a little under the unit roundoff).

    One input holds ones and u, in turn; the others hold ones. So a sum comes near to its bound, far from which the
    errors of random terms, up and down, mostly stay.
    """
    rng = np.random.default_rng(seed)
    ones = {name: np.ones_like(array) if array.dtype.kind == "f" else array for name, array in arrays.items()}
    stagnating = []
    for name, array in arrays.items():
        if array.dtype.kind == "f":
            lost = 0.99 * float(np.finfo(array.dtype).eps) / 2
            values = rng.choice((1.0, lost, lost, lost), array.shape).astype(array.dtype)
            stagnating.append({**ones, name: values})
    return stagnating


def _expect_bound(name: str, truth: Oracle, position: int, finite: bool) -> None:
    expected, bound = truth.expected[position], truth.bounds[position]
    wrong = finite & np.isfinite(expected) & ~(np.isfinite(bound) & (bound >= 0))
    if wrong.any():
        place = _worst(wrong)
        raise _Fault(f"the bound of {_element(name, place)} is {bound[place]:.6g}; needs a finite number of at least 0")


def _expect_within(name: str, truth: Oracle, position: int, got: Array) -> None:
    shares = truth.shares(position, got)
    if shares.size and shares.max() > 1:
        place = _worst(shares)
        expected, bound = truth.expected[position][place], truth.bounds[position][place]
        raise _Fault(
            f"the bound of {_element(name, place)}, {bound:.3g}, is too small: the reference gives {got[place]:.9g} in "
            f"{truth.dtype.name} but {expected:.9g} in {_precision(expected.dtype)}"
        )


def _bounds_exclude_half_precision(op: Op, drawn: Sequence[Case]) -> None:
    """For every output the errors of float16 go beyond the bound of float32, where float16 errs at all."""
    worst, errs = np.zeros(len(op.outputs)), np.zeros(len(op.outputs), dtype=bool)
    for case in drawn:
        half = _rounded(_normal(case), np.float16)
        single = _rounded(half, SINGLE)
        truth = oracle(op, single, case.options, SINGLE)
        for position, got in enumerate(_run(op, half, case.options, np.float16)):
            finite = np.isfinite(got) & np.isfinite(truth.expected[position])
            errs[position] |= bool(np.any(finite & (got != truth.expected[position])))
            shares = truth.shares(position, got.astype(SINGLE))
            worst[position] = max(worst[position], float(shares.max(where=finite, initial=0.0)))
    for name, share, err in zip(op.outputs, worst, errs, strict=True):
        if err and share <= 1:
            raise _Fault(
                f"the bound of {name} is vacuous: even float16 arithmetic stays within the bound of float32, with at most "
                f"{share:.3g} of it in {len(drawn)} cases"
            )


_STAGES: tuple[dict[str, Check], ...] = (
    {
        "names": _for_all_cases(_names),
        "output_shapes": _for_each_case(_output_shapes),
        "cost": _for_each_case(_costs),
        "options": _for_each_case(_option_defaults),
        "roundings": _for_each_case(_roundings),
    },
    {"reference": _for_each_case(_reference_is_a_function)},
    {"roundings": _for_each_case(_bounds_fit)},
    {
        "precision": _on_small_cases(_for_all_cases(_computes_in_every_precision)),
        "gradients": _where(
            lambda op: op.backward is not None, _on_small_cases(_for_each_case(_gradients_are_differences))
        ),
        "linear_in": _where(lambda op: bool(op.linear_in), _for_each_case(_is_linear)),
        "adjoint": _where(lambda op: bool(_differentiated(op)), _for_each_case(_is_adjoint)),
        "shift": _where(_slides, _for_each_case(_moves_with_its_input)),
        "bound": _for_each_case(_stays_within_its_bound),
        "vacuous": _where(
            lambda op: not isinstance(op.rounding, Exact), _for_all_cases(_bounds_exclude_half_precision)
        ),
    },
)
