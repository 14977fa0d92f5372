"""Checks of declarations: built-in ones and users' pass, and every planted fault is found and explained."""

import math
from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np
import pytest

import kernels
from kernels import OPS
from kernels.declare.op import Input, Op, Option
from kernels.declare.rounding import Analytic, Exact, Sum
from workbench.oracle.declaration import AFFORDABLE, DeclarationFinding, check_declaration
from workbench.sampling import Case

# Operations as a user declares them


def leaky_reference(x, b, y):
    for n, k in np.ndindex(*x.shape):
        total = x[n, k] + b[k]
        y[n, k] = total if total > 0 else total / 4


def leaky_backward_reference(dy, x, b, dx, db):
    db[...] = 0
    for n, k in np.ndindex(*x.shape):
        dx[n, k] = dy[n, k] if x[n, k] + b[k] > 0 else dy[n, k] / 4
        db[k] += dx[n, k]


def running_sum_reference(x, y):
    total = y.dtype.type(0)
    for k in range(x.size):
        total += x[k]
        y[k] = total


def running_sum_backward_reference(dy, dx):
    running_sum_reference(dy[::-1], dx[::-1])


def differences_reference(x, y):
    for k in range(x.size):
        y[k] = 2 * x[k] - x[k - 1]


def added_differences(x, y):
    for k in range(x.size):
        y[k] = 2 * x[k] + x[k - 1]


def squares_reference(x, power, loss):
    loss[()] = 0
    for k in range(x.size):
        loss[()] += x[k] ** power / power


def squares_backward_reference(x, power, dx):
    for k in range(x.size):
        dx[k] = x[k] ** (power - 1)


def total_reference(x, loss):
    loss[()] = 0
    for k in range(x.size):
        loss[()] += x[k]


def total_backward_reference(x, dx):
    dx[...] = 1


X, B = Input(name="x", axes=("N", "K")), Input(name="b", axes=("K",), optional=True)
ROW = Input(name="x", axes=("K",))
POWER = (Option(name="power", form="count", default=2, low=2, high=4),)


def same_as(*names):
    return lambda shapes, _options: tuple(shapes[name] for name in names)


def one_each(name):
    return lambda shapes, _options: math.prod(shapes[name])


def powers(factor):
    """The roundings of x**power by repeated multiplication, or by exp and log as pow does, and of a sum."""
    return lambda shapes, options: (factor * shapes["x"][0] + 2 * options["power"],)


OWN = {
    op.name: op
    for op in (
        Op(
            name="leaky",
            summary="a leaky ReLU of x + b",
            inputs=(X, B),
            outputs=("y",),
            output_shapes=same_as("x"),
            flops=one_each("x"),
            rounding=Sum(lambda _shapes, _options: (1,), magnitudes=("x", "b")),
            reference=leaky_reference,
            backward="leaky_backward",
        ),
        Op(
            name="leaky_backward",
            summary="its gradients",
            inputs=(Input(name="dy", axes=("N", "K")), X, B),
            outputs=("dx", "db"),
            output_shapes=same_as("x", "b"),
            flops=one_each("x"),
            rounding=Sum(lambda shapes, _options: (1, shapes["x"][0]), magnitudes=("dy",)),
            reference=leaky_backward_reference,
            linear_in=("dy",),
        ),
        Op(
            name="running_sum",
            summary="the sum of all elements so far",
            inputs=(ROW,),
            outputs=("y",),
            output_shapes=same_as("x"),
            flops=one_each("x"),
            rounding=Sum(lambda shapes, _options: (shapes["x"][0] - 1,), magnitudes=("x",)),
            reference=running_sum_reference,
            backward="running_sum_backward",
            linear_in=("x",),
        ),
        Op(
            name="running_sum_backward",
            summary="its gradient",
            inputs=(Input(name="dy", axes=("K",)),),
            outputs=("dx",),
            output_shapes=same_as("dy"),
            flops=one_each("dy"),
            rounding=Sum(lambda shapes, _options: (shapes["dy"][0] - 1,), magnitudes=("dy",)),
            reference=running_sum_backward_reference,
            linear_in=("dy",),
        ),
        Op(
            name="differences",
            summary="twice every element less the one before",
            inputs=(ROW,),
            outputs=("y",),
            output_shapes=same_as("x"),
            flops=one_each("x"),
            rounding=Sum(lambda _shapes, _options: (2,), magnitudes=("x",), absolute=added_differences),
            reference=differences_reference,
            linear_in=("x",),
        ),
        Op(
            name="squares",
            summary="a scalar loss with an option and no dy",
            inputs=(ROW,),
            options=POWER,
            outputs=("loss",),
            output_shapes=lambda _shapes, _options: ((),),
            flops=one_each("x"),
            rounding=Sum(powers(1), magnitudes=("x",), divides=True),
            reference=squares_reference,
            backward="squares_backward",
        ),
        Op(
            name="squares_backward",
            summary="its gradient",
            inputs=(ROW,),
            options=POWER,
            outputs=("dx",),
            output_shapes=same_as("x"),
            flops=one_each("x"),
            rounding=Sum(powers(0), magnitudes=("x",)),
            reference=squares_backward_reference,
        ),
        Op(
            name="total",
            summary="a linear scalar loss of 200 elements at least",
            inputs=(ROW,),
            outputs=("loss",),
            output_shapes=lambda _shapes, _options: ((),),
            flops=one_each("x"),
            rounding=Sum(lambda shapes, _options: (shapes["x"][0] - 1,), magnitudes=("x",)),
            reference=total_reference,
            backward="total_backward",
            linear_in=("x",),
            least={"K": lambda _sizes, _options: 200},
        ),
        Op(
            name="total_backward",
            summary="its gradient, without dy",
            inputs=(ROW,),
            outputs=("dx",),
            output_shapes=same_as("x"),
            flops=one_each("x"),
            rounding=Exact(),
            reference=total_backward_reference,
        ),
    )
}
ALL = {**OPS, **OWN}


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    for name, op in OWN.items():
        monkeypatch.setitem(kernels.OPS, name, op)


@pytest.mark.parametrize("name", ALL)
def test_declarations_hold(name):
    assert check_declaration(ALL[name], examples=15) == ()


# Planted faults. Each is a declaration with one thing changed, and what must be said of it.


def wrapped(name, before=None, after=None):
    """The reference of an operation with something done to its arguments before or after."""
    reference = ALL[name].reference

    def changed(*arguments):
        if before:
            before(*arguments)
        reference(*arguments)
        if after:
            after(*arguments)

    return changed


def skips_the_last(x, w, b, y):
    inner = np.array(y)
    ALL["dense"].reference(x, w, b, inner)
    y.reshape(-1)[:-1] = inner.reshape(-1)[:-1]


def adds_to_what_is_there(x, y):
    before = y.copy()
    running_sum_reference(x, y)
    y += before


calls = count()


def counts_its_calls(x, y):
    running_sum_reference(x, y)
    y += next(calls)


def only_for_doubles(x, y):
    if x.dtype == np.longdouble:
        raise TypeError("no extended precision\nin this house")
    running_sum_reference(x, y)


def counts_in_whole_numbers(x, y):
    for k in range(x.size):
        y[k] = int(x[k])


def returns_it(x, y):
    return np.cumsum(x)


def softmax_of_math(x, y):
    for n in range(x.shape[0]):
        terms = [math.exp(value - max(x[n])) if value == value else value for value in x[n]]
        y[n] = [term / sum(terms) for term in terms]


def adds_one(x, y):
    running_sum_reference(x, y)
    y += 1


def gradient_of_relu(dy, x, b, dx, db):
    leaky_backward_reference(dy, x, b, dx, db)
    dx[x + b <= 0] = 0


def sum_over_columns_at_most(limit, dy, x, b, dx, db):
    leaky_backward_reference(dy, x, b, dx, db)
    db[...] = dx[:limit].sum(axis=0)


def forgets_a_term_of_many(dy, x, w, dx, dw, db):
    ALL["dense_backward"].reference(dy, x, w, dx, dw, db)
    if dw.size > AFFORDABLE and len(x):
        dw[0, 0] -= dy[0, 0] * x[0, 0]


def raises_the_last_row(x, w, b, stride, padding, dilation, groups, y):
    ALL["conv2d"].reference(x, w, b, stride, padding, dilation, groups, y)
    y[..., -1, :] += 1


def flips_columns(x, *rest):
    ALL["sum_pool2d"].reference(np.ascontiguousarray(x[..., ::-1]), *rest)


def without_a_slope(x, y):
    y[...] = 1e4 * np.sin(1e9 * x) % 1


def sum_in_single(x, y):
    y[...] = np.cumsum(x.astype(np.float32))


def bound_of(value):
    def bound(inputs, expected, unit):
        return tuple(np.full_like(values, value) for values in expected)

    return Analytic(bound)


DX = OPS["dense_backward"].parts["dx"]

FAULTS = {
    # the declaration
    "linear in what is no input": ("dense", {"linear_in": ("x", "v")}, "names", ("linear_in", "'v'", "x, w, b")),
    "a part of no output": ("dense_backward", {"parts": {"dz": DX}}, "names", ("parts", "'dz'", "dx, dw, db")),
    "a part that needs no input": (
        "dense_backward",
        {"parts": {"dx": replace(DX, needs=("dy", "v"))}},
        "names",
        ("needs of dx", "'v'"),
    ),
    "parts that are less than the whole": (
        "dense_backward",
        {"parts": OPS["dense_backward"].parts | {"dx": replace(DX, flops=lambda _shapes, _options: 0)}},
        "cost",
        ("the parts together",),
    ),
    "magnitudes of what is no input": (
        "running_sum",
        {"rounding": Sum(lambda _shapes, _options: (1,), magnitudes=("z",))},
        "names",
        ("magnitudes", "'z'"),
    ),
    "backward not registered": ("leaky", {"backward": "nowhere"}, "names", ("'nowhere'", "not registered")),
    "backward of another": ("running_sum", {"backward": "leaky_backward"}, "names", ("leaky_backward", "'b'")),
    "backward with other options": ("running_sum", {"backward": "squares_backward"}, "names", ("'power'",)),
    "a shape too many": ("leaky", {"output_shapes": same_as("x", "b")}, "output_shapes", ("2 for the 1 outputs",)),
    "no shape for an output": (
        "leaky_backward",
        {"output_shapes": same_as("x")},
        "output_shapes",
        ("1 for the 2 outputs",),
    ),
    "a shape that is a number": (
        "running_sum",
        {"output_shapes": lambda shapes, _options: shapes["x"]},
        "output_shapes",
        ("needs a tuple of sizes",),
    ),
    "a size that is no whole number": (
        "running_sum",
        {"output_shapes": lambda shapes, _options: ((shapes["x"][0] / 2,),)},
        "output_shapes",
        ("0.5", "needs a tuple of sizes"),
    ),
    "shapes that raise": (
        "running_sum",
        {"output_shapes": lambda shapes, _options: (shapes["y"],)},
        "output_shapes",
        ("raises KeyError: 'y'",),
    ),
    "negative flops": ("leaky", {"flops": lambda _shapes, _options: -1}, "cost", ("flops is -1",)),
    "fractional flops": ("leaky", {"flops": lambda _shapes, _options: 1.5}, "cost", ("flops is 1.5",)),
    "a default out of range": (
        "squares",
        {"options": (replace(POWER[0], default=1),)},
        "options",
        ("raises OptionError", "power is 1"),
    ),
    "roundings of one output": (
        "leaky_backward",
        {"rounding": Sum(lambda _shapes, _options: (1,), magnitudes=("dy",))},
        "roundings",
        ("(1,)", "('dx', 'db')"),
    ),
    # the reference
    "an element forgotten": ("dense", {"reference": skips_the_last}, "reference", ("y[", "never written")),
    "adds to the output": ("running_sum", {"reference": adds_to_what_is_there}, "reference", ("y[0]", "read first")),
    "another result each time": ("running_sum", {"reference": counts_its_calls}, "reference", ("between two calls",)),
    "input changed": (
        "leaky",
        {"reference": wrapped("leaky", before=lambda _x, b, _y: b.fill(7))},
        "reference",
        ("changes its input b[0]", "to 7"),
    ),
    "result returned": ("running_sum", {"reference": returns_it}, "reference", ("returns ndarray", "outputs")),
    "raises in one precision": (
        "running_sum",
        {"reference": only_for_doubles},
        "reference",
        ("raises TypeError: no extended precision, in longdouble",),
    ),
    "raises on NaN": ("running_sum", {"reference": counts_in_whole_numbers}, "reference", ("Error: cannot convert",)),
    "a part that needs more": (
        "dense_backward",
        {"parts": {"dx": replace(DX, needs=("dy",))}},
        "parts",
        ("dx depends on x, w",),
    ),
    # its mathematics
    "computes in float64": ("softmax", {"reference": softmax_of_math}, "precision", ("in longdouble as in float64",)),
    "computes in float32": ("running_sum", {"reference": sum_in_single}, "precision", ("in float64 as in float32",)),
    "not linear, an offset": (
        "running_sum",
        {"reference": adds_one},
        "linear_in",
        ("is not linear in x", "f(-3*u + v)"),
    ),
    "not linear, says it is": ("relu", {"linear_in": ("x",)}, "linear_in", ("is not linear in x", "f(-3*u + v)")),
    "not linear, a bias that is none": (
        "dense",
        {"inputs": tuple(replace(item, optional=False) for item in OPS["dense"].inputs)},
        "linear_in",
        ("is not linear in x",),
    ),
    "window that moves nothing": ("sum_pool2d", {"reference": flips_columns}, "shift", ("by one column", "y")),
    "last row differs": ("conv2d", {"reference": raises_the_last_row}, "shift", ("by one row",)),
    "too few roundings": (
        "dense",
        {"rounding": Sum(lambda _shapes, _options: (1,), magnitudes=("x", "w", "b"))},
        "bound",
        ("too small", "y["),
    ),
    "too few roundings, of one output": (
        "conv2d_backward",
        {"rounding": Sum(lambda _shapes, _options: (10**6, 10**6, 1), magnitudes=("dy", "x", "w"))},
        "bound",
        ("too small", "db["),
    ),
    "rounds and says it is exact": ("running_sum", {"rounding": Exact()}, "bound", ("too small", "y[")),
    "a magnitude forgotten": (
        "leaky",
        {"rounding": Sum(lambda _shapes, _options: (1,), magnitudes=("x",))},
        "bound",
        ("the bound of y[", "needs a finite number of at least 0"),
    ),
    "a reference that subtracts": (
        "differences",
        {"rounding": Sum(lambda _shapes, _options: (2,), magnitudes=("x",))},
        "rounding",
        ("y[", "falls where x grows", "Sum(absolute=...)"),
    ),
    "a bias that is subtracted": (
        "dense",
        {"reference": wrapped("dense", after=lambda _x, _w, b, y: np.subtract(y, 2 * b, out=y))},
        "rounding",
        ("falls where b grows",),
    ),
    "absolute values that subtract": (
        "differences",
        {"rounding": Sum(lambda _shapes, _options: (2,), magnitudes=("x",), absolute=differences_reference)},
        "rounding",
        ("falls where x grows",),
    ),
    "infinite bound": ("softmax", {"rounding": bound_of(np.inf)}, "bound", ("inf; needs a finite number",)),
    "NaN for a bound": ("softmax", {"rounding": bound_of(np.nan)}, "bound", ("nan; needs a finite number",)),
    "negative bound": ("softmax", {"rounding": bound_of(-1)}, "bound", ("-1; needs a finite number",)),
    "one bound for all": (
        "softmax",
        {"rounding": Analytic(lambda _inputs, _expected, unit: (unit,))},
        "roundings",
        ("bounds of shapes [()] for outputs of shapes [(",),
    ),
    "no bound": (
        "softmax",
        {"rounding": Analytic(lambda _inputs, _expected, _unit: ())},
        "roundings",
        ("bounds of shapes [] for",),
    ),
    "a wide formula": ("softmax", {"rounding": bound_of(1.0)}, "vacuous", ("y is vacuous", "float16")),
    "far too many roundings": (
        "dense_backward",
        {"rounding": Sum(lambda _shapes, _options: (100, 2**20, 100), magnitudes=("dy", "x", "w"))},
        "vacuous",
        ("dw is vacuous",),
    ),
}

WRONG_GRADIENTS = {
    "of something else": ("leaky", gradient_of_relu, ("leaky_backward: dx[", "the central difference of leaky")),
    "half": (
        "softmax",
        wrapped("softmax_backward", after=lambda _dy, _y, dx: np.divide(dx, 2, out=dx)),
        ("softmax_backward: dx[",),
    ),
    "dy forgotten": (
        "relu",
        wrapped("relu_backward", after=lambda _dy, x, dx: np.copyto(dx, x > 0)),
        ("relu_backward: dx[",),
    ),
    "the bias's, of some samples": (
        "leaky",
        partial(sum_over_columns_at_most, 2),
        ("leaky_backward: db[",),
    ),
    "one element of many": (
        "cross_entropy",
        wrapped("cross_entropy_backward", after=lambda _logits, _labels, _smoothing, d: d[-1:, -1:].fill(0)),
        ("cross_entropy_backward: dlogits[",),
    ),
    "where all cases are large": (
        "total",
        wrapped("total_backward", after=lambda _x, dx: dx[-1:].fill(0)),
        ("total_backward: dx[",),
    ),
    "NaN": ("softmax", wrapped("softmax_backward", after=lambda _dy, _y, dx: dx.fill(np.nan)), ("is nan",)),
    "a part in a million too large": (
        "dense",
        wrapped("dense_backward", after=lambda _dy, _x, _w, _dx, dw, _db: np.multiply(dw, 1 + 1e-6, out=dw)),
        ("dense_backward: dw[",),
    ),
}


def explained(findings, what, words):
    """Every finding is one line with a call; the one of this name says these words; its token shows a case."""
    assert all(isinstance(finding, DeclarationFinding) for finding in findings)
    assert all(len(finding.reason.splitlines()) == 1 for finding in findings)
    reasons = {finding.what: finding.reason for finding in findings}
    assert what in reasons, reasons
    missing = [word for word in words if word not in reasons[what]]
    assert not missing, reasons[what]
    return next(finding for finding in findings if finding.what == what)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_explained(fault, monkeypatch):
    name, changes, what, words = FAULTS[fault]
    op = replace(ALL[name], **changes)
    monkeypatch.setitem(kernels.OPS, name, op)
    finding = explained(check_declaration(op, examples=15), what, words)
    assert finding.what in ("names", "precision", "vacuous") or f"{op.inputs[0].name} (" in finding.reason


@pytest.mark.parametrize("fault", WRONG_GRADIENTS)
def test_a_wrong_gradient_is_found(fault, monkeypatch):
    name, reference, words = WRONG_GRADIENTS[fault]
    backward = ALL[name].backward
    monkeypatch.setitem(kernels.OPS, backward, replace(ALL[backward], reference=reference))
    finding = explained(check_declaration(ALL[name], examples=15), "gradients", words)
    assert "x (" in finding.reason or "logits (" in finding.reason


def test_one_fault_is_one_finding(monkeypatch):
    """Faults that follow from an earlier one are not reported."""
    for fault in ("a shape too many", "an element forgotten", "window that moves nothing", "a wide formula"):
        name, changes, what, _ = FAULTS[fault]
        op = replace(ALL[name], **changes)
        monkeypatch.setitem(kernels.OPS, name, op)
        assert [
            finding.what for finding in check_declaration(replace(op, backward=None, linear_in=()), examples=10)
        ] == [what]


def test_a_gradient_that_is_wrong_in_large_cases_is_no_adjoint(monkeypatch):
    """Too large to be differenced: the inner products show it."""
    broken = replace(OPS["dense_backward"], reference=forgets_a_term_of_many)
    monkeypatch.setitem(kernels.OPS, broken.name, broken)
    findings = check_declaration(OPS["dense"], examples=40)
    assert [finding.what for finding in findings] == ["adjoint"]
    explained(findings, "adjoint", ("dense_backward is not the adjoint of dense in w", "<f(w), g>", "<w, dw(g)>"))


def test_a_gradient_that_nothing_can_show_is_a_finding(monkeypatch):
    op = replace(OWN["running_sum"], reference=without_a_slope, linear_in=(), rounding=Exact())
    monkeypatch.setitem(kernels.OPS, op.name, op)
    explained(check_declaration(op), "gradients", ("none of 25 generated cases",))


def test_a_token_gives_the_case_again(monkeypatch):
    name, changes, *_ = FAULTS["too few roundings"]
    op = replace(ALL[name], **changes)
    monkeypatch.setitem(kernels.OPS, name, op)
    (finding,) = check_declaration(op, examples=15)
    case = Case.from_token(finding.token)
    assert case.op == name
    assert all(f"{key} {shape}" in finding.reason for key, shape in case.shapes.items())


def test_the_same_seed_finds_the_same(monkeypatch):
    name, changes, *_ = FAULTS["an element forgotten"]
    op = replace(ALL[name], **changes)
    monkeypatch.setitem(kernels.OPS, name, op)
    assert check_declaration(op, examples=5, seed=3) == check_declaration(op, examples=5, seed=3) != ()


def test_what_cannot_be_drawn_is_a_finding(monkeypatch):
    op = replace(OWN["running_sum"], inputs=(Input(name="x", axes=("K",), kind="index"),))  # below what?
    monkeypatch.setitem(kernels.OPS, op.name, op)
    findings = check_declaration(op)
    assert findings
    assert all(len(finding.reason.splitlines()) == 1 for finding in findings)
