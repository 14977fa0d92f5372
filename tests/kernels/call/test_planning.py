"""Remembered plans: a repeated call skips the planning and nothing else."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import kernels
from kernels import Implementation, OptionError
from kernels.call import planning, registry

X = np.linspace(-1, 1, 36, dtype=np.float32).reshape(1, 1, 6, 6)
W = np.ones((1, 1, 3, 3), np.float32)


@pytest.fixture
def planned(monkeypatch):
    """The names of the operations that were planned, in order."""
    names = []
    plan = planning.plan

    def noted(op, *arguments, **more):
        names.append(op.name)
        return plan(op, *arguments, **more)

    monkeypatch.setattr(planning, "plan", noted)
    monkeypatch.setattr(planning, "_plans", ((), {}, {}))
    return names


def test_a_repeated_call_is_planned_once(op_name, sample, planned):
    call = sample(op_name)
    results = [result if isinstance(result, tuple) else (result,) for result in (call(), call())]
    assert planned == [op_name]
    for one, other in zip(*results, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: kernels.relu(X[0]), id="shape"),
        pytest.param(lambda: kernels.relu(X.astype(float)), id="dtype"),
        pytest.param(lambda: kernels.relu(X.astype(">f4")), id="byte order"),
        pytest.param(lambda: kernels.relu(X, device="cpu"), id="device"),
    ],
)
def test_another_call_is_planned_anew(other, planned):
    kernels.relu(X)
    other()
    assert planned == ["relu", "relu"]


def test_a_repeated_call_computes_the_same(op_name, sample):
    """By another way: it leaves out what the first one settled."""
    call = sample(op_name)
    shapes = call.output_shapes
    room = tuple(np.full(shape, 7, np.float32) for shape in shapes)
    first = call(out=room if len(room) > 1 else room[0])
    for _ in range(3):
        again = call()
        for one, other in zip(first if len(room) > 1 else [first], again if len(room) > 1 else [again], strict=True):
            assert one is not other
            np.testing.assert_array_equal(one, other)


def test_layout_is_no_part_of_a_plan(planned):
    kernels.relu(X)
    strided = np.repeat(X, 2, axis=3)[..., ::2]
    np.testing.assert_array_equal(kernels.relu(strided), np.maximum(X, 0))
    assert planned == ["relu"]


@pytest.mark.parametrize("wrong", [True, 1.0, (1, True), (1.0, 1), ((1, 1), (1, True)), "1", [1, True]])
def test_what_only_equals_a_right_option_is_refused_all_the_same(wrong):
    for right in (1, (1, 1), ((1, 1), (1, 1)), [1, 1]):
        kernels.conv2d(X, W, padding=right)
    for _ in range(2):
        with pytest.raises(OptionError, match="padding is"):
            kernels.conv2d(X, W, padding=wrong)


def test_options_that_are_no_plain_values(planned):
    for _ in range(2):
        y = kernels.conv2d(X, W, stride=np.int64(2), padding=[1, 1])
    np.testing.assert_array_equal(y, kernels.conv2d(X, W, stride=2, padding=1))
    assert len(planned) == 3


def test_the_values_of_labels_are_checked_every_time(planned):
    logits = np.zeros((2, 3), np.float32)
    for dtype in (np.int64, np.int8, np.uint64, np.dtype(">i4")):
        kernels.cross_entropy(logits, np.array([0, 2], dtype))
        with pytest.raises(OptionError, match=r"labels\[1\] is 3; needs 0 <= value < 3"):
            kernels.cross_entropy(logits, np.array([0, 3], dtype))
    with pytest.raises(OptionError, match=r"labels\[0\] is -1"):
        kernels.cross_entropy(logits, np.array([-1, 0]))


def test_out_is_checked_every_time():
    kernels.relu(X, out=np.empty_like(X))
    with pytest.raises(OptionError, match="overlaps x"):
        kernels.relu(X, out=X)


def twos(x, y):
    y[...] = 2


def test_what_is_registered_is_noticed():
    mine = Implementation(op="relu", device="cpu", algorithm="constant", target=twos)
    assert kernels.relu(X).max() == 1
    kernels.register(mine, preferred=True)
    assert kernels.relu(X).max() == 2
    kernels.register(replace(mine, accepts=lambda *_: False), preferred=True)
    assert kernels.relu(X).max() == 1
    registry.unregister(mine)
    assert kernels.relu(X).max() == 1


def test_an_operation_that_is_replaced_is_noticed(planned):
    op = replace(kernels.OPS["relu"], name="mine")
    entry = Implementation(op="mine", device="cpu", algorithm="constant", target=twos)
    kernels.register(op)
    kernels.register(entry)
    for _ in range(2):
        planning.planned(op, {"x": X}, {}, device=None, on_device=False)
    other = replace(op, summary="another")
    kernels.register(other)
    assert planning.planned(other, {"x": X}, {}, device=None, on_device=False).op is other
    assert len(planned) == 2


def test_the_environment_is_noticed(monkeypatch):
    kernels.relu(X)
    monkeypatch.setenv("KERNELS_DEVICE", "gpu")
    with pytest.raises(OptionError, match="KERNELS_DEVICE: device is 'gpu'"):
        kernels.relu(X)
    with kernels.use_device("cpu"):
        kernels.relu(X)
    monkeypatch.setenv("KERNELS_DEVICE", "cpu")
    kernels.relu(X)


def test_the_number_of_plans_is_bounded(planned, monkeypatch):
    monkeypatch.setattr(planning, "MOST_PLANS", 10)
    for size in range(35):
        kernels.relu(np.ones(size, np.float32))
        assert len(planning._plans[1]) <= 10
    assert len(planned) == 35


def test_several_threads_plan_at_once(planned):
    arrays = [np.full(size, -1, np.float32) for size in range(1, 40)] * 5
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(kernels.relu, arrays))
    assert [each.shape for each in results] == [each.shape for each in arrays]
    assert not any(each.any() for each in results)


def test_an_absent_bias_is_zero_every_time(planned):
    """In the calls that follow the first, too, and beside calls of the same shapes that have one."""
    x, w, ones = np.eye(2, 3, dtype=np.float32), np.ones((4, 3), np.float32), np.ones(4, np.float32)
    for _ in range(3):
        np.testing.assert_array_equal(kernels.dense(x, w), np.ones((2, 4)))
        np.testing.assert_array_equal(kernels.dense(x, w, ones), np.full((2, 4), 2))
    assert planned == ["dense", "dense"]


def test_a_call_that_lets_the_break_even_choose_is_not_remembered(planned):
    for _ in range(2):
        kernels.relu(X, device="auto")
        with kernels.use_device("auto"):
            kernels.relu(X)
    assert len(planned) == 4
