"""How far a fault reaches: told from the calls that are wrong and those that are right."""

from dataclasses import replace

import numpy as np
import pytest

from kernels import OPS, Implementation
from workbench.checking import InProcess, Subject, check
from workbench.checking.reach import reach
from workbench.sampling import Case

RELU = Case(op="relu", dtype="float32", shapes={"x": (2, 3)}, options={}, family="normal", seed=1)
EMPTY = replace(RELU, shapes={"x": (0, 3)})


def test_all_are_wrong():
    assert reach(RELU, [RELU, EMPTY], []) == "wrong in all 2 cases"


def test_a_common_feature_is_named():
    fortran = replace(RELU, layout="fortran")
    assert reach(fortran, [fortran, fortran], [RELU] * 9) == (
        "wrong only where inputs are fortran in memory; right in the other 9 cases"
    )
    dense = Case(
        op="dense", dtype="float32", shapes={"x": (0, 2), "w": (3, 2), "b": (3,)}, options={}, family="normal", seed=1
    )
    others = [replace(dense, shapes={**dense.shapes, "x": (size, 2)}) for size in range(1, 8)]
    assert reach(dense, [dense], others) == "wrong only where N = 0; right in the other 7 cases"
    large = replace(dense, shapes={"x": (1, 131), "w": (1, 131), "b": (1,)})
    larger = replace(dense, shapes={"x": (5, 200), "w": (1, 200), "b": (1,)})
    assert reach(large, [large, larger], others) == "wrong only where K >= 131; right in the other 7 cases"


def test_without_a_common_feature_the_number_is_told():
    other = replace(RELU, family="wide", layout="step")
    assert reach(RELU, [RELU, other, EMPTY], [RELU, other, EMPTY] * 3) == "wrong in 3 of 12 cases"


def checked(name, function, examples=100, **more):
    implementation = Implementation(op=name, device="cpu", algorithm="planted", target=function)
    subject = Subject(implementation=implementation, label="cpu", **more)
    return check(subject, InProcess(subject), dtype="float32", examples=examples)


def test_the_rest_is_judged_after_a_failure():
    def no_batch(x, w, b, y):
        OPS["dense"].reference(x, w, b, y)
        if len(x) == 0:
            raise ZeroDivisionError

    found = checked("dense", no_batch).counterexample
    assert found.reach.startswith("wrong only where N = 0; right in the other ")


def relu_backward_of_some_libraries(dy, x, dx):
    dx[...] = np.where(x > 0, dy, 0)


def conv2d_of_padded_images(x, w, b, stride, padding, dilation, groups, y):
    OPS["conv2d"].alternatives[0](x, w, b, stride, padding, dilation, groups, y)


@pytest.mark.long
def test_a_users_kernel_may_choose_otherwise_where_libraries_differ():
    for name, function in (
        ("relu_backward", relu_backward_of_some_libraries),
        ("conv2d", conv2d_of_padded_images),
        ("conv2d_backward", OPS["conv2d_backward"].alternatives[0]),
        ("max_pool2d_backward", OPS["max_pool2d_backward"].alternatives[0]),
    ):
        assert checked(name, function, free=True).status == "pass", name
        assert checked(name, function, 1000).status == "fail", name  # built-in kernels follow the reference


def test_a_nan_elsewhere_is_wrong_for_any():
    def without_infinities(x, w, b, stride, padding, dilation, groups, y):
        OPS["conv2d"].alternatives[0](x, w, b, stride, padding, dilation, groups, y)
        y[~np.isfinite(y)] = np.nan

    assert checked("conv2d", without_infinities, free=True).status == "fail"
