"""Cases for benchmarks: those with names, and those that the user writes."""

import numpy as np
import pytest

from kernels import OPS
from workbench.cases import case_names, named_cases, parse_case, with_batch
from workbench.oracle import spot as spots
from workbench.oracle.bounds import reference_outputs
from workbench.oracle.reference import oracle_reference
from workbench.oracle.spot import CUTS, LEAST_ELEMENTS, spot
from workbench.system.errors import InputError, shortened

ALL = [case for op in OPS for case in named_cases(op)]


@pytest.mark.parametrize("op", OPS)
def test_every_operation_has_cases_that_fit_it(op):
    cases = named_cases(op)
    assert cases
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert all(min(shape, default=1) > 0 for shape in OPS[op].output_shapes(case.shapes, case.options))


def test_names():
    assert {"lenet-c3", "lenet-c3-b1", "lenet-c3-b256", "resnet-3x3", "lenet-train", "lenet-infer"} <= set(case_names())
    assert len([case for case in named_cases("conv2d") if "-b" not in case.name]) >= 20


def test_a_batch_changes_what_has_samples():
    (case,) = [case for case in named_cases("conv2d_backward") if case.name == "lenet-c3"]
    other = with_batch(case, 5)
    assert other.name == "lenet-c3-b5"
    assert other.shapes == {"dy": (5, 16, 10, 10), "x": (5, 6, 14, 14), "w": (16, 6, 5, 5)}


@pytest.mark.parametrize(
    ("op", "text", "shapes", "options"),
    [
        (
            "conv2d",
            "x=2x6x14x14 w=16x6x5x5",
            {"x": (2, 6, 14, 14), "w": (16, 6, 5, 5), "b": (16,)},
            {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1},
        ),
        (
            "conv2d_backward",
            "x=2x6x14x14, w=16x3x5x3, stride=2x1, padding=1x0, groups=2",
            {"dy": (2, 16, 6, 12), "x": (2, 6, 14, 14), "w": (16, 3, 5, 3)},
            {"stride": (2, 1), "padding": ((1, 1), (0, 0)), "dilation": (1, 1), "groups": 2},
        ),
        ("relu", "x=1000", {"x": (1000,)}, {}),
        ("dense", "x=3x4 w=5x4", {"x": (3, 4), "w": (5, 4), "b": (5,)}, {}),
        (
            "avg_pool2d",
            "x=1x1x9x9 kernel_size=3 count_include_pad=false",
            {"x": (1, 1, 9, 9)},
            {
                **{"kernel_size": (3, 3), "stride": (3, 3), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)},
                **{"ceil_mode": False, "count_include_pad": False},
            },
        ),
    ],
)
def test_shapes_are_read(op, text, shapes, options):
    case = parse_case(OPS[op], text)
    assert (case.op, case.shapes, case.options) == (op, shapes, options)


@pytest.mark.parametrize(
    ("op", "text", "words"),
    [
        ("conv2d", "x=2x6x14x14", ["w of conv2d is missing", "w=OxCxKHxKW"]),
        ("conv2d", "x=2x6x14 w=16x6x5x5", ["x"]),
        ("conv2d", "x=2x6x14x14 w=16x7x5x5", ["w"]),
        ("conv2d", "x=2x6xax14 w=16x6x5x5", ["x=2x6xax14 is not a shape"]),
        ("conv2d", "x=2x6x4x4 w=16x6x5x5", ["x"]),
        ("conv2d", "x=2x6x14x14 w=16x6x5x5 pad=2", ["has no pad", "padding"]),
        ("conv2d", "x=2x6x14x14 w=16x6x5x5 stride=a", ["stride=a is not valid"]),
        ("conv2d", "x=2x6x14x14 x=2x6x14x14 w=16x6x5x5", ["x is given twice"]),
        ("relu", "64x64=", ["is not NAME=VALUE"]),
        ("max_pool2d", "x=1x1x9x9", ["kernel_size"]),
        ("relu", "x=999999999x999999999", ["relu would need", "GiB", "use a smaller case"]),
        ("conv2d", "x=1x99999x8x8 w=999999999x99999x8x8", ["conv2d would need", "GiB"]),
        ("conv2d", "x=1x1x8x8 w=1x1x3x3 padding=999999999", ["conv2d would need", "GiB"]),
        ("conv2d_backward", "x=99999x99999x9x9 w=1x99999x3x3", ["would need", "GiB"]),
        ("relu", f"x={'9' * 5000}", ["x=999", "is not a shape"]),
        ("relu", "x=1234567890", ["is not a shape"]),
        ("relu", "=4", ["'=4' is not NAME=VALUE"]),
        ("relu", "x=٣x٣", ["is not a shape"]),
        ("conv2d", f"x=1x1x8x8 w=1x1x3x3 stride={'9' * 5000}", ["stride=999", "is not valid"]),
        ("conv2d", f"x=1x1x8x8 w=1x1x3x3 groups={'9' * 4301}", ["groups=999", "is not valid"]),
        ("conv2d", f"x=1x1x8x8 w=1x1x3x3 padding=1x{'9' * 4301}", ["padding=1x999", "is not valid"]),
    ],
)
def test_shapes_that_cannot_be_read(op, text, words):
    with pytest.raises(InputError) as error:
        parse_case(OPS[op], text)
    message = str(error.value)
    assert all(word in message for word in [repr(shortened(text)), *words])
    assert len(message) < 500


def test_a_batch_beyond_memory():
    with pytest.raises(InputError, match=r"^--batch 999999999: conv2d would need .* GiB"):
        with_batch(named_cases("conv2d")[0], 999999999)


# Judging large cases at some of their elements


def small_case(op):
    """The least of an operation's cases."""
    return min(
        named_cases(op),
        key=lambda case: (OPS[op].flops(case.shapes, case.options), sum(map(np.prod, case.shapes.values()))),
    )


@pytest.fixture
def computed(monkeypatch):
    """A case, its inputs, and its outputs by the reference; the problem is cut down as a large one would be."""
    monkeypatch.setattr(spots, "FEW_FLOPS", 1000)

    def compute(op):
        case = small_case(op)
        inputs = case.arrays("float32")
        outputs = reference_outputs(
            OPS[op],
            inputs,
            case.options,
            np.dtype(np.float64),
            oracle_reference(OPS[op], np.dtype(np.float32), 0),
        )
        return case, inputs, [np.asarray(output, np.float32) for output in outputs]

    return compute


@pytest.mark.parametrize("op", CUTS)
def test_a_cut_problem_has_the_elements_of_the_large_one(op, computed):
    case, inputs, outputs = computed(op)
    chosen = spot(OPS[case.op], inputs, case.options, "float32")
    assert chosen.fault(outputs) == ""
    assert min(LEAST_ELEMENTS, sum(output.size for output in outputs)) <= chosen.elements


@pytest.mark.parametrize("op", CUTS)
def test_a_wrong_element_among_them_is_seen(op, computed):
    case, inputs, outputs = computed(op)
    chosen = spot(OPS[case.op], inputs, case.options, "float32")
    name, indices, output = OPS[op].outputs[0], chosen.indices[0], outputs[0]
    place = tuple(int(axis[-1]) for axis in indices)
    output[place] += 1 + abs(output[place])
    assert f"{name}{list(place)} is " in chosen.fault(outputs)


@pytest.mark.parametrize("op", CUTS)
def test_what_was_never_computed_is_seen_anywhere(op, computed):
    case, inputs, outputs = computed(op)
    outputs[-1].flat[-1] = np.nan
    assert "not computed" in spot(OPS[case.op], inputs, case.options, "float32").fault(outputs)


WITH_NAN = {
    "conv2d": ("w", slice(1)),
    "conv2d_backward": ("dy", slice(1)),
    "relu_backward": ("x", slice(None)),
    "max_pool2d_backward": ("x", slice(None)),
}
"""Operation with alternatives -> where its alternative differs, if NaN stands in these elements of an input."""


def test_every_operation_with_alternatives_is_tried():
    assert {name for name, op in OPS.items() if op.alternatives} == set(WITH_NAN)


@pytest.mark.parametrize("op", WITH_NAN)
def test_a_users_kernel_may_choose_otherwise_where_libraries_differ(op):
    """As in ``workbench check``; built-in kernels follow the reference."""
    case, (other,), (name, places) = small_case(op), OPS[op].alternatives, WITH_NAN[op]
    inputs = case.arrays("float32")
    inputs[name].flat[places] = np.nan
    outputs = reference_outputs(OPS[op], inputs, case.options, np.dtype(np.float32), other)
    assert spot(OPS[case.op], inputs, case.options, "float32", free=True).fault(outputs) == ""
    assert spot(OPS[case.op], inputs, case.options, "float32").fault(outputs) != ""
    outputs[0].flat[0] = 12345
    assert spot(OPS[case.op], inputs, case.options, "float32", free=True).fault(outputs) != ""
