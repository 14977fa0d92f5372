"""The zoo of faulty kernels and the right variants: complete, well-formed, and a sample of each judged correctly.

``workbench check --self-test`` runs all of them compiled; here most run uncompiled, which is faster.
"""

import ast
import inspect
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from kernels import OPS, Implementation
from kernels.declare.shapes import normal_options
from workbench.checking import InProcess, Subject, check
from workbench.selftest.variants import variants
from workbench.selftest.zoo import zoo
from workbench.selftest.zoo._planting import edited, right_functions, source_of

ZOO = {faulty.name: faulty for faulty in zoo()}
VARIANTS = {right.name: right for right in variants()}

FAULTS = {
    "-inf padding lost",
    "Inf or NaN times a mask",
    "Inf or NaN weight times padding",
    "NaN swallowed",
    "cancellation",
    "constant statistics",
    "convolution instead of correlation",
    "depends on the number of calls",
    "dilation ignored in one axis",
    "division by the window",
    "float16 accumulation",
    "float32 accumulation",
    "height and width swapped",
    "input mutation",
    "integer overflow in an index",
    "log of zero",
    "loses the largest score",
    "lost bias",
    "lost epsilon",
    "mean without division",
    "missing guard",
    "missing syncthreads",
    "missing tail",
    "missing zero padding",
    "off by one in a loop bound",
    "only the first grid",
    "out-of-bounds read by one",
    "out-of-bounds write by one",
    "output left unwritten",
    "race: accumulation into one element",
    "race: last writer wins",
    "race: reads the neighbour's output",
    "race: shared scratch",
    "returns zeros",
    "shared memory too small",
    "stale result",
    "subnormals flushed to zero",
    "sum on dirty output",
    "swapped kernel axes",
    "unbiased variance",
    "uninitialised scratch",
    "unstable softmax",
    "window kept that starts in padding",
    "wrong for an empty batch",
    "wrong group offset",
    "wrong in ceil_mode",
    "wrong only for N > 16",
    "wrong only for many channels",
    "wrong only for non-contiguous input",
    "wrong stride",
    "wrong tie rule",
}


EDITED = {name: faulty for name, faulty in ZOO.items() if isinstance(faulty.change, Mapping)}


def uncompiled(function):
    return getattr(function, "py_func", function)


def checked(name, function, dtype="float32", *, label="python", examples=200):
    device = "cuda" if label == "sim" else "cpu"
    planted = Implementation(op=name, device=device, algorithm="planted", target=function, views=device == "cpu")
    subject = Subject(implementation=planted, label=label)
    return check(subject, InProcess(subject), dtype=dtype, examples=examples, shrink=False)


def test_the_zoo_has_every_fault():
    assert {faulty.fault for faulty in ZOO.values()} == FAULTS


@pytest.mark.parametrize("everything", [zoo, variants])
def test_names_are_unique_and_begin_with_the_operation(everything):
    assert max(Counter(one.name for one in everything()).values()) == 1
    assert all(one.name.startswith(f"{one.op}: ") for one in everything())


def test_every_operation_is_in_the_zoo_and_has_variants():
    assert {faulty.op for faulty in ZOO.values()} == set(OPS), (
        "workbench/selftest/zoo/: a faulty kernel of each operation"
    )
    assert {right.op for right in VARIANTS.values()} == set(OPS), "workbench/selftest/variants/: a right kernel of each"
    assert {faulty.device for faulty in ZOO.values()} == {"cpu", "cuda"}


@pytest.mark.parametrize("one", [*ZOO.values(), *VARIANTS.values()], ids=lambda one: one.name)
def test_kernels_have_the_calling_convention(one):
    op = OPS[one.op]
    options = tuple(option.name for option in op.options)
    names = tuple(inspect.signature(uncompiled(one.function)).parameters)
    assert names == (*(item.name for item in op.inputs), *options, *op.outputs)


def test_the_zoo_is_built_afresh_and_uncompiled():
    for first, second in zip(zoo(), zoo(), strict=True):
        if hasattr(second.function, "py_func"):
            assert first.function is not second.function
            assert not second.function.signatures


@pytest.mark.parametrize("name", EDITED)
def test_every_edit_applies_once_and_changes_the_code(name):
    edits = EDITED[name].change
    right = source_of(right_functions(EDITED[name].op, EDITED[name].device))
    assert [right.count(before) for before in edits] == [1] * len(edits)
    without_one = [{key: edits[key] for key in edits if key != left_out} for left_out in edits]
    trees = {ast.dump(ast.parse(edited(right, some))) for some in ({}, *without_one, edits)}
    assert len(trees) == (2 + len(edits) if len(edits) > 1 else 2)  # none is idle


@pytest.mark.parametrize("edits", [{"b": "c"}, {"a": "c"}, {"a = 1": "c", "= 1": "d"}])
def test_a_stale_edit_is_refused(edits):
    with pytest.raises(ValueError, match="must occur once"):
        edited("a = 1\na = 2", edits)


def test_an_edit_is_indented_as_the_line_that_it_changes():
    assert edited("if a:\n    b = 1\n    c = 2", {"1": "3\nd = 4"}) == "if a:\n    b = 3\n    d = 4\n    c = 2"


def test_a_faulty_kernel_has_source_lines_and_a_memory_of_its_own():
    name = "relu: results are kept by shape and dtype"
    first, second = (next(each.function for each in zoo() if each.name == name) for _ in range(2))
    assert "memory.setdefault" in inspect.getsource(first)
    assert first.__globals__["memory"] is not second.__globals__["memory"]


@pytest.mark.parametrize(
    "name",
    [
        "conv2d: the padding of the left is applied at the top and the other way round",
        "conv2d: the zeros of a padded copy are multiplied",
        "conv2d_backward: without samples it returns before dw and db are cleared",
        "relu: results are kept by shape and dtype",
        "max_pool2d_backward: the last of equal values gets the gradient",
        "avg_pool2d: padding counts although count_include_pad is False",
        "avg_pool2d_backward: the last element of every plane of dx",
        "sum_pool2d: sums are differences of a summed-area table",
        "sum_pool2d_backward: every fourth call forgets to clear dx",
        "dense: products are added in half precision",
        "dense: samples beyond the sixteenth reuse its row",
        "softmax: a ring of sixteen row maxima wraps around",
        "cross_entropy: the logarithm of a probability that underflowed",
        "cross_entropy_backward: the maximum is subtracted in place",
        "dropout: the seed is cut to 32 bits",
        "batch_norm: the variance is divided by one less",
        "batch_norm: nothing is added to the variance",
        "batch_norm: the variance is the mean of squares minus the square of the mean",
        "batch_norm_backward: the mean and the variance count as constants",
    ],
)
def test_a_fault_is_caught(name):
    assert checked(ZOO[name].op, uncompiled(ZOO[name].function)).status == "fail"


def test_single_precision_is_caught_in_double_precision():
    faulty = ZOO["dense: the accumulators are float32 whatever the inputs are"]
    assert checked(faulty.op, uncompiled(faulty.function), "float64").status == "fail"


@pytest.mark.parametrize(
    "name",
    ["max_pool2d: fastmath removes the test for NaN", "dense: the flat index into the weights has eight bits"],
)
def test_a_fault_that_exists_only_when_compiled_is_caught(name):
    assert checked(ZOO[name].op, ZOO[name].function, label="cpu").status == "fail"


@pytest.mark.parametrize("name", [name for name, faulty in ZOO.items() if faulty.device == "cuda"])
def test_a_fault_on_cuda_is_caught(name, cuda):
    if cuda.label != "sim":
        pytest.skip("faulty CUDA kernels run in the simulator only: on a GPU they could harm the process")
    result = checked(ZOO[name].op, ZOO[name].function, label=cuda.label, examples=20)
    assert result.status == "fail"


@pytest.mark.parametrize(
    "name", [name for name, faulty in ZOO.items() if faulty.device == "cpu" and faulty.fault.startswith("race")]
)
def test_a_race_is_right_when_run_serially(name, sample):
    faulty, call = ZOO[name], sample(ZOO[name].op)
    op, shapes = OPS[faulty.op], {key: array.shape for key, array in call.arrays.items()}
    outputs = [np.full(shape, np.nan, np.float32) for shape in call.output_shapes]
    options = op.option_values(normal_options(op, call.options, shapes))
    uncompiled(faulty.function)(*call.arrays.values(), *options, *outputs)
    expected = call()
    for got, right in zip(outputs, expected if isinstance(expected, tuple) else (expected,), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_right_variant_passes(name):
    """Checked on a few cases of one precision; the self-test's sample takes more of both."""
    result = checked(VARIANTS[name].op, uncompiled(VARIANTS[name].function), examples=8)
    assert result.status == "pass", f"{result.reason}\n{result.counterexample}"


@pytest.mark.parametrize("name", ["dense: with FMA", "softmax: streaming", "max_pool2d: reversed"])
def test_a_right_variant_passes_compiled(name):
    result = checked(VARIANTS[name].op, VARIANTS[name].function, label="cpu", examples=100)
    assert result.status == "pass", f"{result.reason}\n{result.counterexample}"
