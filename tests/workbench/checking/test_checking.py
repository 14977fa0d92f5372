"""The checker: faults planted in every operation are caught, shrunk and replayable; right variants pass."""

import inspect
import json
import sys
from importlib import import_module

import numpy as np
import pytest

from kernels import OPS, Implementation
from kernels.compile.jit import cuda_kernel, launch
from kernels.declare.rounding import Exact
from workbench.checking import Fault, InProcess, Subject, Verdict, check, check_case
from workbench.sampling import Case

EXAMPLES = 200
FEWER = 40
"""For what must pass: a run of all examples takes seconds where a fault ends it early."""


@pytest.fixture(autouse=True)
def _few_cases_after_a_failure(monkeypatch):
    """How far a fault reaches is not asked here (test_reach.py), and takes more cases than to find it."""
    monkeypatch.setattr("workbench.checking.engine.SURVEYED", 3)


def implementation(name, function, device="cpu", **more):
    return Implementation(op=name, device=device, algorithm="planted", target=function, **more)


def subject(name, function, device="cpu", label="cpu", **more):
    return Subject(implementation=implementation(name, function, device=device, **more), label=label)


def checked(name, function, dtype="float32", examples=EXAMPLES, **more):
    planted = subject(name, function, **more)
    return check(planted, InProcess(planted), dtype=dtype, examples=examples)


def replayed(name, function, case):
    planted = subject(name, function)
    return check_case(planted, InProcess(planted), case)


def rewritten(name, *changes):
    """The reference of an operation with pieces of its source replaced, each in its first place."""
    reference = OPS[name].reference
    source = inspect.getsource(reference)
    for old, new in changes:
        assert old in source, f"{old!r} is not in the reference of {name}"
        source = source.replace(old, new, 1)
    namespace = dict(vars(sys.modules[reference.__module__]))
    exec(source, namespace)
    return namespace[reference.__name__]


def refuted(name, function, reason, dtype="float32", largest=80):
    """The counterexample to ``function``: found, explained, small, and wrong again when replayed."""
    result = checked(name, function, dtype)
    assert result.status == "fail", f"not caught in {result.examples} examples"
    assert any(words in result.reason for words in reason), result.reason
    found = result.counterexample
    case = Case.from_token(found.replay)
    assert (case.shapes, case.options) == (found.shapes, found.options)
    assert sum(array.size for array in case.arrays().values()) <= largest, found
    again = replayed(name, function, case)
    assert (again.status, again.reason) == ("fail", result.reason)
    right = replayed(name, OPS[name].reference, case)
    assert right.status == "pass"
    return found


WRONG = ("times its error bound", "must equal the reference")
UNWRITTEN = ("is NaN: never written", "is NaN: added to what")

INSIDE = "0 <= row < height and 0 <= col < width"
LEAKY_PADDING = [
    (INSIDE, "True"),
    ("x[n, channel, row, col]", f"(x[n, channel, row, col] if {INSIDE} else 0)"),
]
REWRITES = {
    "conv2d": {
        "bound off by one": [("row < height", "row < height - 1")],
        "negative indices wrap around": [("0 <= row", "-1 <= row")],
        "padding is multiplied": LEAKY_PADDING,
    },
    "conv2d_backward": {
        "stride axes swapped": [("stride[1]", "stride[0]")],
        "wrong group": [("o // group_out", "0")],
        "dw of the last sample": [("dw[o, c, p, q] +=", "dw[o, c, p, q] =")],
    },
    "relu": {
        "NaN lost": [("0 if x[i] <= 0 else x[i]", "x[i] if x[i] > 0 else 0")],
        "threshold": [("x[i] <= 0", "x[i] <= 1e-3")],
        "absolute value": [("0 if", "-x[i] if")],
    },
    "relu_backward": {
        "one at zero": [("x[i] <= 0", "x[i] < 0")],
        "sign of dy": [("x[i] <= 0", "dy[i] <= 0")],
        "zero at NaN": [("0 if x[i] <= 0 else dy[i]", "dy[i] if x[i] > 0 else 0")],
    },
    "max_pool2d": {
        "pads with zero": [("-np.inf", "0")],
        "NaN lost": [(" or np.isnan(value)", "")],
        "dilation ignored": [("p * dilation[0]", "p")],
    },
    "max_pool2d_backward": {
        "last of a tie": [("value > best", "value >= best")],
        "last NaN": [(" and not np.isnan(best)", "")],
        "overlap overwritten": [("+= dy", "= dy")],
    },
    "avg_pool2d": {
        "divided by the whole window": [("rows * cols", "kernel_size[0] * kernel_size[1]")],
        "count_include_pad ignored": [("padding[0], count_include_pad", "padding[0], True")],
        "height for width": [("width, padding[1]", "height, padding[1]")],
    },
    "avg_pool2d_backward": {
        "not divided": [(" / max(rows * cols, 1)", "")],
        "count_include_pad ignored": [("padding[1], count_include_pad", "padding[1], False")],
    },
    "sum_pool2d": {
        "not cleared": [("y[...] = 0", "pass")],
        "first row missed": [("0 <= row", "0 < row")],
        "stride for dilation": [("q * dilation[1]", "q * stride[1]")],
    },
    "sum_pool2d_backward": {
        "overlap overwritten": [("+= dy", "= dy")],
        "last column missed": [("col < width", "col < width - 1")],
    },
    "dense": {
        "bias lost": [("b[m]", "0")],
        "last feature missed": [("range(w.shape[1])", "range(w.shape[1] - 1)")],
        "transposed sample": [("x[n, k]", "x[n, k - 1]")],
    },
    "dense_backward": {
        "dw of the last sample": [("dw[m, k] +=", "dw[m, k] =")],
        "db twice": [("db[m] += dy[n, m]", "db[m] += 2 * dy[n, m]")],
        "not cleared": [("dx[...] = 0", "pass")],
    },
    "softmax": {
        "maximum not subtracted": [("x[n, k] - largest", "x[n, k]")],
        "guarded divisor": [("total = y.dtype.type(0)", "total = y.dtype.type(1e-4)")],
    },
    "softmax_backward": {
        "sum not subtracted": [(" - total", "")],
        "last class missed": [("range(y.shape[1])", "range(y.shape[1] - 1)")],
    },
    "cross_entropy": {
        "sum for mean": [(" / batch", "")],
        "label ignored": [("labels[n]", "0")],
        "zero for no sample": [("0 if batch > 0 else np.nan", "0")],
    },
    "cross_entropy_backward": {
        "sum for mean": [(" / batch", "")],
        "label ignored": [("labels[n]", "0")],
    },
    "batch_norm": {
        "unbiased variance": [("var[c] /= count", "var[c] /= max(count - 1, 1)")],
        "epsilon missing": [("var[c] + epsilon", "var[c]")],
        "each row by itself": [("mean[c] /= count", "mean[c] /= x.shape[0] * x.shape[3]")],
        "sum of squares": [
            ("x[n, c, i, j] - mean[c]) ** 2", "x[n, c, i, j]) ** 2"),
            ("var[c] /= count", "var[c] = max(var[c] / count - mean[c] ** 2, 0)"),
        ],
    },
    "batch_norm_inference": {
        "epsilon missing": [("var[c] + epsilon", "var[c] + 1e-5")],
        "bias scaled": [(" - mean[c])", " - mean[c] + b[c])")],
    },
    "batch_norm_backward": {
        "statistics are constants": [(" - db[c] / count - z * dw[c] / count", "")],
        "mean of dy only": [(" - z * dw[c] / count", "")],
        "weight of the gradient lost": [("w[c] / deviation", "1 / deviation")],
    },
    "dropout": {
        "not enlarged": [(" / (one - y.dtype.type(p))", "")],
        "complement": [(">= int", "< int")],
        "sample for sample": [("seed, n, e", "seed, 0, e")],
    },
    "dropout_backward": {
        "not enlarged": [(" / (one - dx.dtype.type(p))", "")],
        "counted through": [("seed, n, e", "seed, 0, n * size + e")],
    },
}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        pytest.param(name, changes, id=f"{name}: {what}")
        for name in REWRITES
        for what, changes in REWRITES[name].items()
    ],
)
def test_a_wrong_formula_is_caught(name, changes):
    refuted(name, rewritten(name, *changes), WRONG + UNWRITTEN)


def test_every_operation_has_faults():
    rewritten_twice = {name for name, faults in REWRITES.items() if len(faults) >= 2}
    assert rewritten_twice == set(OPS), "REWRITES: two faulty edits of the reference of each operation"


def neighbourhood(array):
    """The array, flat, with one more element before it and one after it."""
    start = (array.__array_interface__["data"][0] - array.base.__array_interface__["data"][0]) // array.itemsize
    return array.base[start - 1 : start + array.size + 1]


def returns_zeros(inputs, outputs, before):
    for output in outputs:
        output[...] = 0


def writes_nothing(inputs, outputs, before):
    for output, old in zip(outputs, before, strict=True):
        output[...] = old


def keeps_what_was_there(inputs, outputs, before):
    for output, old in zip(outputs, before, strict=True):
        output[...] = np.where(np.isnan(old), output, old)


def changes_an_input(inputs, outputs, before):
    inputs[-1][...] *= 2


def reads_behind_an_input(inputs, outputs, before):
    outputs[0][...] += neighbourhood(inputs[0])[-1]


def writes_behind_an_output(inputs, outputs, before):
    neighbourhood(outputs[-1])[-1] = 0


def writes_before_an_input(inputs, outputs, before):
    neighbourhood(inputs[0])[0] = 0


def fails_without_samples(inputs, outputs, before):
    1 // len(inputs[0])


def is_wrong_past_a_register(inputs, outputs, before):
    if len(inputs[0]) > 16:
        outputs[0][...] = 7


SPOILS = {
    returns_zeros: WRONG,
    writes_nothing: UNWRITTEN,
    keeps_what_was_there: ("depends on what its memory held",),
    changes_an_input: ("changes its input",),
    reads_behind_an_input: ("is NaN: never written, read from outside", "reads outside"),
    writes_behind_an_output: ("writes outside",),
    writes_before_an_input: ("writes outside",),
    fails_without_samples: ("raises ZeroDivisionError: ",),
    is_wrong_past_a_register: WRONG,
}


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("name", OPS)
def test_a_spoiled_call_is_caught(name, spoil):
    op = OPS[name]

    def function(*arguments):
        inputs, outputs = arguments[: len(op.inputs)], arguments[-len(op.outputs) :]
        before = [output.copy() for output in outputs]
        op.reference(*arguments)
        spoil(inputs, outputs, before)

    found = refuted(name, function, SPOILS[spoil], largest=1000 if spoil is is_wrong_past_a_register else 80)
    samples = next(iter(found.shapes.values()))[0]
    assert samples == {fails_without_samples: 0, is_wrong_past_a_register: 17}.get(spoil, samples)


def test_nondeterminism_is_caught():
    calls = []

    def function(x, y):
        OPS["softmax"].reference(x, y)
        calls.append(y)
        if len(calls) % 2:
            y[...] = np.nextafter(
                y, np.float32(np.inf)
            )  # within the bound, so only the comparison of two calls shows it

    refuted("softmax", function, ("differs between two calls on the same data: not deterministic",))


@pytest.mark.parametrize("name", OPS)
def test_single_precision_is_no_double_precision(name):
    """The bounds are narrow enough: a kernel that computes in float32 fails as float64."""
    op = OPS[name]

    def function(*arguments):
        single = [
            value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float64 else value
            for value in arguments
        ]
        op.reference(*single)
        for output, value in zip(arguments[-len(op.outputs) :], single[-len(op.outputs) :], strict=True):
            output[...] = value

    refuted(name, function, WRONG, "float64")


def test_faults_on_cuda_are_caught(cuda):
    @cuda_kernel
    def all_but_the_last(x, y, last):
        for i in range(x.size):
            if i < last:
                y[i] = max(x[i], 0)

    def relu(x, y):
        launch(all_but_the_last, 1, x.reshape(x.size), y.reshape(y.size), x.size - 1)

    planted = subject("relu", relu, device="cuda", label=cuda.label)
    result = check(planted, InProcess(planted), dtype="float32", examples=20)
    assert (result.status, result.device) == ("fail", cuda.label)
    assert "is NaN: never written" in result.reason


def backwards(name, *loops):
    """The reference with some of its loops run from the end, so that sums are added in another order."""
    return rewritten(name, *((loop, f"reversed({loop})") for loop in loops))


def dense_matmul(x, w, b, y):
    y[...] = x @ w.T + b


def dense_pairwise(x, w, b, y):
    y[...] = np.sum(x[:, None, :] * w, axis=2) + b


def softmax_vectorised(x, y):
    exponentials = np.exp(x - x.max(axis=1, keepdims=True))
    y[...] = exponentials * (1 / exponentials.sum(axis=1, keepdims=True))


def softmax_backward_vectorised(dy, y, dx):
    dx[...] = y * (dy - np.sum(dy * y, axis=1, keepdims=True))


def cross_entropy_vectorised(logits, labels, label_smoothing, loss):
    distance = logits.max(axis=1, keepdims=True) - logits
    losses = np.log(np.exp(-distance).sum(axis=1))
    losses += (1 - label_smoothing) * distance[np.arange(len(logits)), labels]
    if label_smoothing:
        losses += label_smoothing * distance.mean(axis=1)
    loss[...] = np.mean(losses)


VARIANTS = [
    ("conv2d", backwards("conv2d", "range(group_in)", "range(kernel_h)", "range(kernel_w)")),
    (
        "conv2d_backward",
        backwards("conv2d_backward", "range(dy.shape[0])", "range(channels_out)", "range(dy.shape[3])"),
    ),
    ("max_pool2d_backward", backwards("max_pool2d_backward", "range(dy.shape[2])", "range(dy.shape[3])")),
    ("avg_pool2d", rewritten("avg_pool2d", ("/= rows * cols", "*= y.dtype.type(1) / y.dtype.type(rows * cols)"))),
    ("sum_pool2d", backwards("sum_pool2d", "range(kernel_size[0])", "range(kernel_size[1])")),
    ("sum_pool2d_backward", backwards("sum_pool2d_backward", "range(dy.shape[2])", "range(kernel_size[1])")),
    ("dense", backwards("dense", "range(w.shape[1])")),
    ("dense", dense_matmul),
    ("dense", dense_pairwise),
    ("dense_backward", backwards("dense_backward", "range(x.shape[0])", "range(w.shape[0])")),
    ("softmax", softmax_vectorised),
    ("softmax_backward", softmax_backward_vectorised),
    ("cross_entropy", cross_entropy_vectorised),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "function"), VARIANTS)
def test_another_order_of_summation_passes(name, function, dtype):
    result = checked(name, function, dtype, FEWER)
    assert result.status == "pass", f"{result.reason}\n{result.counterexample}"


@pytest.mark.parametrize("name", OPS)
def test_wider_accumulators_pass(name):
    """What an FMA does, and more of it: the sum is rounded once, at the end."""
    op = OPS[name]

    def function(*arguments):
        wide = [
            value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype == np.float32 else value
            for value in arguments
        ]
        op.reference(*wide)
        for output, value in zip(arguments[-len(op.outputs) :], wide[-len(op.outputs) :], strict=True):
            output[...] = value

    result = checked(name, function, examples=FEWER)
    assert result.status == "pass", f"{result.reason}\n{result.counterexample}"


@pytest.mark.parametrize("name", OPS)
def test_the_reference_passes_and_the_bound_is_near(name):
    result = checked(name, OPS[name].reference, examples=EXAMPLES // 2)
    assert (result.op, result.status, result.examples, result.reason) == (name, "pass", EXAMPLES // 2, "")
    assert result.counterexample is None
    if isinstance(OPS[name].rounding, Exact):
        assert result.worst_share_of_bound == 0
    else:
        assert 0.02 < result.worst_share_of_bound <= 1


def test_errors_that_are_not_random_warn():
    """Within the bound of n roundings, but beyond what n random ones come to."""

    def dense(x, w, b, y):
        y[...] = x @ w.T + b
        if x.shape[1] >= 64 and np.isfinite(x).all() and np.isfinite(w).all() and np.any(x % 1) and np.any(w % 1):
            y += np.float32(2.0**-24 * 0.7 * x.shape[1]) * (np.abs(x) @ np.abs(w).T)

    planted = subject("dense", dense)
    result = check(planted, InProcess(planted), dtype="float32", examples=EXAMPLES, seed_value=1)
    assert result.status == "warn"
    assert 0.5 < result.worst_share_of_bound <= 1
    assert "random rounding errors" in result.reason


def test_examples_are_counted_and_seeded():
    def seen(seed):
        counts, shapes = [], []

        def relu(x, y):
            shapes.append(x.shape)
            OPS["relu"].reference(x, y)

        planted = subject("relu", relu)
        check(planted, InProcess(planted), dtype="float32", examples=20, seed_value=seed, on_example=counts.append)
        assert counts == list(range(1, 21))
        return shapes

    assert seen(1) == seen(1) != seen(2)


def test_only_accepted_cases_are_run():
    def accepts(shapes, options, dtype):
        return dtype == "float32" and shapes["x"][0] > 0

    result = checked("relu", rewritten("relu", ("0 if", "1 // len(x) * 0 if")), accepts=accepts)
    assert result.status == "pass"
    assert 0 < result.examples <= EXAMPLES
    assert checked("relu", OPS["relu"].reference, "float64", accepts=accepts).status == "skipped"


def test_json_of_the_contract():
    result = checked("relu", rewritten("relu", ("0 if x[i] <= 0 else x[i]", "float('inf')")))
    found = result.to_json()
    assert list(found)[:9] == [
        *("op", "implementation", "device", "dtype", "status", "examples", "worst_share_of_bound", "reason"),
        "counterexample",
    ]
    assert list(found["counterexample"])[:7] == ["shapes", "options", "index", "got", "expected", "bound", "replay"]
    assert found["worst_share_of_bound"] == found["counterexample"]["got"] == "inf"
    assert found["counterexample"]["index"] == ("y", 0)
    assert found["counterexample"]["bound"] == 0
    assert json.loads(json.dumps(found, allow_nan=False))["counterexample"]["index"] == ["y", 0]


class Crashing:
    """A runner whose process crashes on the fourth call because the second corrupted the memory."""

    def __init__(self):
        self.ran = []

    def run(self, case, mode="run"):
        self.ran.append(case)
        if mode == "bounds" and case == self.ran[1]:
            return Verdict(fault=Fault(reason="raises IndexError"))
        is_down = mode == "run" and len(self.ran) == 4
        return Verdict(fault=Fault(reason="crashes", crash=True)) if is_down else Verdict()


def test_a_crash_is_blamed_on_the_call_that_broke_the_memory():
    runner = Crashing()
    result = check(subject("relu", OPS["relu"].reference), runner, dtype="float32", examples=10)
    assert result.status == "fail"
    assert result.reason == "raises IndexError; a later call crashes"
    assert Case.from_token(result.counterexample.replay) == runner.ran[1]


class Slow:
    """A runner whose kernel takes too long for arrays with many elements."""

    def __init__(self, limit):
        self.limit, self.ran = limit, []

    def run(self, case, mode="run"):  # noqa: ARG002 - the protocol
        size = max(array.size for array in case.arrays().values())
        self.ran.append(size)
        return Verdict(fault=Fault(reason="does not end: no result after 10 s")) if size > self.limit else Verdict()


def test_a_slow_kernel_is_not_wrong_for_many_elements():
    runner = Slow(2**15)
    result = check(subject("dense", OPS["dense"].reference), runner, dtype="float32", examples=20, passes=("large",))
    assert (result.status, result.examples) == ("pass", 20)
    assert result.notes == ("too slow for arrays of more than 32,767 elements: these were not judged",)
    assert sum(size > 2**15 for size in runner.ran) == 1
    assert check(subject("dense", OPS["dense"].reference), Slow(10), dtype="float32", examples=20).status == "fail"


def test_arrays_with_many_elements_are_among_the_cases():
    runner = Slow(2**30)
    check(subject("relu", OPS["relu"].reference), runner, dtype="float32", examples=20, passes=("large",))
    assert max(runner.ran) > 2**16


def test_examples_do_not_depend_on_what_is_loaded(tmp_path, monkeypatch):
    """Hypothesis would mix the numbers of a module that it has not seen before into them."""

    def drawn():
        planted = subject("relu", OPS["relu"].reference)
        tokens = []

        class Noted(InProcess):
            def run(self, case, mode):
                tokens.append(case.token)
                return super().run(case, mode)

        check(planted, Noted(planted), dtype="float32", examples=EXAMPLES)
        return tokens

    before = drawn()
    (tmp_path / "full_of_numbers.py").write_text(f"numbers = {list(range(2, 120))}\n")
    monkeypatch.syspath_prepend(tmp_path)
    import_module("full_of_numbers")
    assert drawn() == before
