"""Every implementation, on every device, compared with the reference and checked for linearity."""

import os
import random
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import kernels
from kernels import OPS
from kernels.call.registry import implementations
from kernels.compile import jit
from kernels.declare.op import accepts_everything
from kernels.declare.rounding import Exact, Sum, gamma
from kernels.ops import IMPLEMENTATIONS
from workbench.checking import InProcess, built_in, check
from workbench.oracle.bounds import oracle
from workbench.sampling import cases

GPU = pytest.mark.gpu
PLACES = {"cpu": [("cpu", ())], "cuda": [("sim", ()), ("cuda", GPU)]}
EVERYWHERE = [
    pytest.param(implementation, label, marks=marks, id=f"{implementation.name}-{'gpu' if marks else label}")
    for implementation in IMPLEMENTATIONS
    for label, marks in PLACES[implementation.device]
]
everywhere = pytest.mark.parametrize(("implementation", "target"), EVERYWHERE, indirect=["target"])
on_cuda = pytest.mark.parametrize(
    ("implementation", "target"), [place for place in EVERYWHERE if place.values[1] != "cpu"], indirect=["target"]
)
FOR_ANOTHER = "NUMBA_CPU_NAME" in os.environ
"""Whether code is compiled for another processor than this machine's: then fewer cases, which every other run draws too."""
EXAMPLES = {"cpu": 20 if FOR_ANOTHER else 30, "sim": 6, "cuda": 100}
FEW = {"cpu": 10 if FOR_ANOTHER else 25, "sim": 4, "cuda": 25}
PRECISIONS = pytest.mark.parametrize("dtype", ["float32", "float64"])


def checked(subject, dtype, examples, **more):
    """Check on ``examples`` cases, on more if the implementation accepts none of them."""
    for drawn in (examples, 10 * examples):
        result = check(subject, InProcess(subject), dtype=dtype, examples=drawn, **more)
        if result.status != "skipped":
            break
    return result


def passes(implementation, target, dtype, examples):
    """Check on fresh cases (in continuous integration: on the same as ever); a failure shows the smallest."""
    if dtype == "float64" and implementation.precision is not None:
        pytest.skip("it rounds float32 to a lower precision")
    seed = 0 if os.environ.get("CI") else random.randrange(2**32)
    result = checked(built_in(implementation, target.label), dtype, examples, seed_value=seed)
    if dtype == "float64" and result.status == "skipped":
        others = [each for each in implementations(implementation.op) if each.device == implementation.device]
        assert implementation.accepts is not accepts_everything
        assert any(each.accepts is accepts_everything for each in others), "nothing computes float64"
        pytest.skip("it accepts float32 alone")
    assert result.status == "pass", f"{result.reason}\n{result.counterexample}"
    assert result.examples > 0  # fewer than were drawn where it does not accept every case


@pytest.mark.usefixtures("compiled_elsewhere")
@PRECISIONS
@everywhere
def test_agrees_with_the_reference(implementation, target, dtype):
    passes(implementation, target, dtype, EXAMPLES[target.label])


@on_cuda
def test_grid_stride_loops_take_every_element(implementation, target, monkeypatch):
    if implementation.precision is not None:
        pytest.skip("its loops are those of the kernel in full precision")
    monkeypatch.setattr(jit, "MAX_BLOCKS", 2)
    monkeypatch.setattr(jit, "THREADS_PER_BLOCK", 2)
    passes(implementation, target, "float32", 10)


def drawn(name, dtype, *families):
    """Cases of an operation with values of certain families."""
    return st.builds(
        lambda case, family: replace(case, family=family), cases(OPS[name], dtype), st.sampled_from(families)
    )


def few(examples):
    """Settings for a test that draws inside a parametrised one."""
    return settings(max_examples=examples, suppress_health_check=list(HealthCheck), phases=[Phase.generate])


def product(name, inputs, options, output, factor, device):
    """The inner product of an output with ``factor``, and how far rounding may move it.

    Every element of the output may be off by its own bound; the inner product is computed in the oracle's precision,
    and gamma covers the rounding there.
    """
    op = OPS[name]
    got = getattr(kernels, name)(*inputs.values(), **options, device=device)
    position = op.outputs.index(output)
    got = got[position] if isinstance(got, tuple) else got
    truth = oracle(op, inputs, options, factor.dtype)
    assume(np.isfinite(truth.expected[position]).all())  # a window that sees no input may give -inf or NaN
    precise = truth.expected[position].dtype
    terms = factor.astype(precise) * got
    own = gamma(terms.size + 1, float(np.finfo(precise).eps) / 2) * np.sum(np.abs(terms))
    return np.sum(terms), np.sum(np.abs(factor) * truth.bounds[position]) + own


SYMMETRIC = ("softmax_backward", "batch_norm_backward", "dropout_backward")


def adjoint(op, linear, arrays, dual):
    """Two inner products that linearity makes equal, each as (operation, inputs, output, factor).

    An operation L that is linear in v: <L(v), g> = <v, L^T g>, L^T being its backward operation. The gradient, linear in
    dy, of a forward operation F with F(x) = F'(x) x, which holds for most: <F'(x)^T dy, x> = <dy, F(x)>.
    The derivative of the others is symmetric: <S dy, g> = <dy, S g>.
    """
    if op.backward:
        gradients = {"dy": dual, "x": arrays["x"], "w": arrays.get("w")}
        given = {item.name: gradients[item.name] for item in OPS[op.backward].inputs}
        without_bias = {name: 0 * array if name == "b" else array for name, array in arrays.items()}
        return (op.name, without_bias, "y", dual), (op.backward, given, f"d{linear}", arrays[linear])
    if op.name in SYMMETRIC:
        swapped = {**arrays, "dy": dual}
        return (op.name, arrays, "dx", dual), (op.name, swapped, "dx", arrays["dy"])
    x = arrays["x"]
    return (op.name, arrays, "dx", x), (op.name.removesuffix("_backward"), {"x": x}, "y", arrays["dy"])


LINEAR = [pytest.param(op, name, id=f"{op.name}-{name}") for op in OPS.values() for name in op.linear_in]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # 0/0 in the simulator, where kernels are plain Python
@pytest.mark.usefixtures("compiled_elsewhere")
@PRECISIONS
@pytest.mark.parametrize(("op", "linear"), LINEAR)
def test_adjoint_identity(op, linear, dtype, target):
    @few(FEW[target.label])
    @given(drawn(op.name, dtype, "normal", "wide", "integers"))
    def holds(case):
        arrays = case.arrays()
        shape = op.output_shapes(case.shapes, case.options)[0]
        dual = np.random.default_rng(case.seed + 1).standard_normal(shape).astype(dtype)
        left, right = adjoint(op, linear, arrays, dual)
        first, first_error = product(*left[:2], case.options, *left[2:], target.name)
        second, second_error = product(*right[:2], case.options, *right[2:], target.name)
        assert abs(first - second) <= first_error + second_error

    holds()


def sums_integers(op):
    """Whether integers in give integers out: nothing divides them, no option scales them."""
    scaled = any(option.form == "number" for option in op.options)
    return isinstance(op.rounding, Exact) or (isinstance(op.rounding, Sum) and not op.rounding.divides and not scaled)


EXACT = [place for place in EVERYWHERE if sums_integers(OPS[place.values[0].op])]


@pytest.mark.parametrize(("implementation", "target"), EXACT, indirect=["target"])
def test_integers_stay_exact(implementation, target):
    """Sums of integers below 2**24 do not round, in any order: no tolerance."""
    op = OPS[implementation.op]

    @few(FEW[target.label])
    @given(drawn(op.name, "float32", "integers"))
    def holds(case):
        arrays = case.arrays()
        truth = oracle(op, arrays, case.options, np.dtype("float32"))
        got = getattr(kernels, op.name)(*arrays.values(), **case.options, device=target.name)
        for values, expected in zip(got if isinstance(got, tuple) else (got,), truth.expected, strict=True):
            np.testing.assert_array_equal(values, expected)
        assert not any(bound.any() for bound in truth.bounds)

    holds()


@pytest.mark.usefixtures("compiled_elsewhere")
@PRECISIONS
@pytest.mark.parametrize("name", OPS)
def test_same_bits_for_any_number_of_threads(name, dtype):
    def bits(arrays, options, threads):
        numba.set_num_threads(threads)
        got = getattr(kernels, name)(*arrays.values(), **options, device="cpu")
        return [values.tobytes() for values in (got if isinstance(got, tuple) else (got,))]

    @few(15 if FOR_ANOTHER else 40)
    @given(drawn(name, dtype, "normal", "wide"))
    def holds(case):
        arrays = case.arrays()
        assert bits(arrays, case.options, 1) == bits(arrays, case.options, 2)

    before = numba.get_num_threads()
    try:
        holds()
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize(
    "implementation", [each for each in IMPLEMENTATIONS if each.device == "cpu"], ids=lambda each: each.name
)
def test_bodies_uncompiled(implementation):
    """The kernels' source is plain Python too: what ``workbench check --device python`` runs, and what a debugger sees."""
    subject = built_in(implementation, "python")
    assert not hasattr(subject.implementation.function, "py_func")
    result = checked(subject, "float32", 4, passes=("watch",))
    assert (result.status, result.reason, result.device) == ("pass", "", "python")
