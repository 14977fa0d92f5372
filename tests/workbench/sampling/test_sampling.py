"""The generated cases: valid, varied enough to find faults, and replayable from their token."""

import base64
import json
import zlib
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from kernels import OPS
from kernels.declare.op import Option
from kernels.declare.shapes import check_axes, normal_options
from workbench.checking.drawing import from_the_seed_alone
from workbench.checking.engine import COMPILED, MANY_ELEMENTS
from workbench.sampling import FAMILIES, Case, cases
from workbench.sampling.strategies import large_together
from workbench.system.errors import InputError

any_case = st.sampled_from(list(OPS.values())).flatmap(lambda op: cases(op, "float32"))


@given(any_case)
@settings(max_examples=300)
def test_every_case_is_a_valid_call(case):
    op, arrays = OPS[case.op], case.arrays()
    check_axes(op, case.shapes)
    op.output_shapes(case.shapes, case.options)
    assert normal_options(op, case.options, case.shapes) == case.options
    assert {name: array.shape for name, array in arrays.items()} == case.shapes
    assert list(arrays) == [item.name for item in op.inputs]
    for item in op.inputs:
        array = arrays[item.name]
        assert array.flags.c_contiguous
        assert array.dtype == (np.int64 if item.kind == "index" else np.float32)
        if item.below:
            assert np.all((array >= 0) & (array < case.shapes[item.below[0]][item.below[1]]))


SCALED = replace(
    OPS["relu"], name="scaled", options=(Option(name="factor", form="number", default=0.1, low=0, high=1),)
)


@given(cases(SCALED, "float64"))
def test_a_number_is_in_its_range_and_no_product_of_it_underflows(case):
    assert case.options["factor"] == 0 or 1e-6 <= case.options["factor"] <= 1


@given(any_case)
def test_a_token_gives_the_case_again(case):
    again = Case.from_token(case.token)
    assert again == case
    for first, second in zip(case.arrays().values(), again.arrays().values(), strict=True):
        assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("layout", ["contiguous", "step", "negative", "transposed", "read-only", "unaligned"])
def test_layouts_of_the_first_tokens_stay(layout):
    token = packed(asdict(replace(CASE, layout=layout)))
    assert Case.from_token(token) == replace(CASE, layout=layout)


@pytest.mark.parametrize("name", ["dense", "conv2d"])
def test_layouts_differ_and_are_drawn_all(name):
    kinds = {case.layout.partition("-0")[0].partition("-1")[0].partition("-2")[0] for case in drawn(name)}
    assert kinds >= {"contiguous", "step", "negative", "transposed", "read-only", "unaligned", "fortran", "swapped"}
    assert kinds & {"first-fortran", "others-fortran"}


CASE = Case(
    op="dense", dtype="float32", shapes={"x": (2, 3), "w": (4, 3), "b": (4,)}, options={}, family="normal", seed=1
)
POOL = Case(
    op="sum_pool2d",
    dtype="float32",
    shapes={"x": (1, 1, 2, 2)},
    options={
        "kernel_size": (2, 2),
        "stride": (1, 1),
        "padding": ((0, 0), (0, 0)),
        "dilation": (1, 1),
        "ceil_mode": False,
    },
    family="normal",
    seed=1,
)


def packed_text(text):
    return base64.urlsafe_b64encode(zlib.compress(text.encode())).decode()


def packed(content):
    return packed_text(json.dumps(content))


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="not compressed"),
        pytest.param("gr\u00fc\u00df dich", id="not ASCII"),
        pytest.param(CASE.token[:-8], id="cut off"),
        pytest.param(packed([1, 2]), id="a list"),
        pytest.param(packed(None), id="null"),
        pytest.param(packed({}), id="nothing in it"),
        pytest.param(packed({**asdict(CASE), "colour": "red"}), id="unknown field"),
        pytest.param(packed_text("[" * 50_000), id="nesting"),
        pytest.param(packed_text("[" * 10_000_000), id="a bomb"),
        pytest.param(packed_text('{"op": ' + "9" * 5000 + "}"), id="a number without end"),
        pytest.param(replace(CASE, op=3).token, id="no operation"),
        pytest.param(replace(CASE, layout="odd").token, id="unknown layout"),
        pytest.param(replace(CASE, dtype="int32").token, id="dtype"),
        pytest.param(replace(CASE, dtype=None).token, id="no dtype"),
        pytest.param(replace(CASE, family="odd").token, id="unknown family"),
        pytest.param(replace(CASE, seed=-1).token, id="seed"),
        pytest.param(replace(CASE, shapes={"x": (2, 3), "w": (4, 5), "b": (4,)}).token, id="shapes that do not fit"),
        pytest.param(replace(CASE, shapes={"x": (2, 3), "w": (4, 3)}).token, id="shape missing"),
        pytest.param(replace(CASE, shapes={"x": (2,), "w": (4, 3), "b": (4,)}).token, id="axis missing"),
        pytest.param(replace(CASE, shapes={"x": (2, -3), "w": (4, -3), "b": (4,)}).token, id="negative size"),
        pytest.param(replace(CASE, shapes={"x": "ab", "w": (4, 3), "b": (4,)}).token, id="no shape"),
        pytest.param(replace(CASE, shapes=3).token, id="no shapes"),
        pytest.param(replace(POOL, options={}).token, id="options missing"),
        pytest.param(replace(POOL, options=POOL.options | {"stride": 1}).token, id="option not in normal form"),
        pytest.param(replace(POOL, options=POOL.options | {"stride": (0, 1)}).token, id="option out of range"),
    ],
)
def test_bad_tokens(token):
    with pytest.raises(InputError, match=r"--replay: not a token .* paste") as caught:
        Case.from_token(token)
    assert len(str(caught.value).splitlines()) == 1


def test_token_of_an_operation_that_is_not_here():
    with pytest.raises(InputError, match=r"--replay: the token is for 'conv9d', .* pass the file"):
        Case.from_token(replace(CASE, op="conv9d").token)


@cache
def drawn(name):
    """What ``workbench check`` draws with 200 examples, and where two axes are large together."""
    found = []

    def draw(count, number, **settled):
        @seed(number)
        @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(cases(OPS[name], "float32", **settled))
        def collect(case):
            found.append(case)

        with from_the_seed_alone():
            collect()

    draw(200, 0)
    for pair in large_together(OPS[name]):
        draw(MANY_ELEMENTS, 1, largest=COMPILED, stressed=pair)
    return found


def batch(case):
    return next(iter(case.shapes.values()))[0]


def windows(case, **options):
    """The number of windows (height, width), under other options if there are any."""
    op = OPS[case.op.removesuffix("_backward")]
    return op.output_shapes(case.shapes, {**case.options, **options})[0][2:]


def ceil_mode_adds_a_window(case):
    if not case.options["ceil_mode"] or a_window_is_larger_than_the_input(case):
        return False
    return windows(case) != windows(case, ceil_mode=False)


def a_window_is_larger_than_the_input(case):
    padded = np.array(case.shapes["x"][2:]) + np.sum(case.options["padding"], axis=1)
    return np.any(padded < extents(case))


def extents(case):
    return (np.array(case.options["kernel_size"]) - 1) * case.options["dilation"] + 1


def sides_differ(case):
    return any(before != after for before, after in case.options["padding"])


EVERY = {
    "no sample": lambda case: batch(case) == 0,
    "one sample": lambda case: batch(case) == 1,
    "more samples than a SIMD register holds": lambda case: 16 < batch(case) < 64,
    "more samples than a block holds": lambda case: batch(case) > 64,
    **{f"values: {family}": lambda case, family=family: case.family == family for family in FAMILIES},
}
WINDOWED = {
    "stride": lambda case: max(case.options["stride"]) > 1,
    "strides differ": lambda case: len(set(case.options["stride"])) == 2,
    "dilation": lambda case: max(case.options["dilation"]) > 1,
    "dilations differ": lambda case: len(set(case.options["dilation"])) == 2,
    "no padding": lambda case: not np.any(case.options["padding"]),
    "padding differs between sides": sides_differ,
    "several channels": lambda case: case.shapes["x"][1] > 1,
    "one pixel": lambda case: case.shapes["x"][2:] == (1, 1),
    "height and width differ": lambda case: len(set(case.shapes["x"][2:])) == 2,
}
POOLED = {
    "ceil_mode adds a window": ceil_mode_adds_a_window,
    "a window is larger than the input": a_window_is_larger_than_the_input,
    "windows overlap": lambda case: np.any(case.options["stride"] < extents(case)),
    "windows leave gaps": lambda case: np.any(case.options["stride"] > extents(case)),
}
CONVOLVED = {
    "groups": lambda case: case.options["groups"] > 1 and case.shapes["w"][1] > 1,
    "depthwise": lambda case: case.options["groups"] > 1 and case.shapes["w"][1] == 1,
    "several filters per group": lambda case: case.shapes["w"][0] > case.options["groups"] > 1,
}
AVERAGED = {
    "padding is not counted": lambda case: not case.options["count_include_pad"] and np.any(case.options["padding"])
}


def features(name):
    yield from EVERY.items()
    if OPS[name].window:
        yield from WINDOWED.items()
        yield from (CONVOLVED if "conv" in name else POOLED).items()
    if "avg" in name:
        yield from AVERAGED.items()


@pytest.mark.parametrize("name", OPS)
def test_two_hundred_examples_hold_every_feature(name):
    missing = [feature for feature, holds in features(name) if not any(map(holds, drawn(name)))]
    assert not missing


@pytest.mark.parametrize("name", OPS)
def test_first_example_is_small(name):
    """Where shrinking ends: a failure that any case shows is shown on a case that fits the eye."""
    assert sum(array.size for array in drawn(name)[0].arrays().values()) <= max(4, len(OPS[name].inputs))


def test_a_token_of_a_case_beyond_memory():
    large = replace(CASE, shapes={"x": (10**9, 10**9), "w": (4, 10**9), "b": (4,)})
    with pytest.raises(InputError, match=r"^--replay: dense would need .* GiB for its arrays"):
        Case.from_token(large.token)
