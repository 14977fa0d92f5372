"""Restrictions: only calls that a kernel is for are drawn, and all kinds of these are."""

from math import prod

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from kernels import OPS
from kernels.declare.errors import OptionError
from workbench.sampling import cases
from workbench.sampling.restriction import restriction
from workbench.sampling.strategies import large_together


def drawn(name, when, examples=60, **more):
    found = []

    @seed(0)
    @settings(max_examples=examples, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(cases(OPS[name], "float32", only=restriction(OPS[name], when), **more))
    def collect(case):
        found.append(case)

    collect()
    assert len(found) >= examples // 2  # hardly a draw is rejected
    return found


@pytest.mark.parametrize("name", ["conv2d", "conv2d_backward"])
def test_a_fixed_kernel_and_padding(name):
    for case in drawn(name, {"KH": 3, "KW": 3, "padding": 1, "C": 3}):
        assert case.shapes["w"][2:] == (3, 3)
        assert case.shapes["x"][1] == 3
        assert case.options["padding"] == ((1, 1), (1, 1))
        OPS[name].output_shapes(case.shapes, case.options)


def test_what_is_not_restricted_still_varies():
    found = drawn("conv2d", {"KH": 3, "KW": 3, "C": 3}, examples=200)
    assert {case.options["groups"] for case in found} == {1, 3}
    assert len({case.options["stride"] for case in found}) > 3
    assert len({case.options["padding"] for case in found}) > 5
    assert max(case.shapes["x"][0] for case in found) > 64
    assert 0 in {case.shapes["x"][0] for case in found}


def test_a_range_of_sizes_has_its_ends():
    sizes = {case.shapes["x"][1] for case in drawn("dense", {"K": range(2, 65)}, examples=200)}
    assert sizes <= set(range(2, 65))
    assert {2, 64} <= sizes


def test_a_range_of_an_option():
    found = drawn("max_pool2d", {"kernel_size": range(2, 4), "padding": range(2)})
    assert {size for case in found for size in case.options["kernel_size"]} == {2, 3}
    assert {side for case in found for sides in case.options["padding"] for side in sides} == {0, 1}


def test_an_image_of_one_size():
    found = drawn("conv2d", {"H": 28, "W": 28})
    assert {case.shapes["x"][2:] for case in found} == {(28, 28)}
    assert any(case.options["stride"] != (1, 1) for case in found)


def test_padding_by_name():
    for case in drawn("conv2d", {"padding": "same"}):
        assert OPS["conv2d"].output_shapes(case.shapes, case.options)[0][2:] == case.shapes["x"][2:]


def test_restricted_axes_are_never_large():
    only = restriction(OPS["conv2d"], {"KH": 3, "C": 3})
    assert large_together(OPS["conv2d"], only) == (("height", "width"),)
    assert large_together(OPS["dense"], restriction(OPS["dense"], {"N": 1, "K": 5})) == ()
    for pair in large_together(OPS["dense"], restriction(OPS["dense"], {"K": 5})):
        for case in drawn("dense", {"K": 5}, examples=5, stressed=pair):
            assert case.shapes["x"][1] == 5
            assert case.shapes["w"][0] > 128 < case.shapes["x"][0]


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"KHH": 3}, ["no axis or option 'KHH'", "did you mean KH?"]),
        ({"KH": "3"}, ["KH is '3'", "needs a size"]),
        ({"KH": range(3, 3)}, ["range(3, 3)"]),
        ({"KH": range(1, 9, 2)}, ["step 1"]),
        ({"padding": object()}, ["is not the value of an option"]),
    ],
)
def test_a_wrong_restriction(when, words):
    with pytest.raises(OptionError) as caught:
        restriction(OPS["conv2d"], when)
    assert all(word in str(caught.value) for word in words)


def test_it_is_told_in_words():
    assert (
        str(restriction(OPS["conv2d"], {"KH": 3, "C": range(1, 65), "padding": 1}))
        == "KH = 3, C is 1 to 64, padding = 1"
    )


@pytest.mark.parametrize("name", OPS)
def test_arrays_with_many_elements_are_drawn(name):
    """Every axis is large in some pair; the first case of a pair is beyond the range of 16 bits."""
    for pair in large_together(OPS[name]):
        first = drawn(name, {}, examples=4, stressed=pair)[0]
        shapes = [*first.shapes.values(), *OPS[name].output_shapes(first.shapes, first.options)]
        assert max(map(prod, shapes)) > 2**16
