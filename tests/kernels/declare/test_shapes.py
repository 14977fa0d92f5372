"""Options in every form, the size of every output, and the errors that name what is wrong."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import kernels
from kernels import OptionError, ShapeError
from kernels.declare.shapes import output_size

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 2, 7, 6)).astype(np.float32)
W = RNG.standard_normal((4, 2, 3, 2)).astype(np.float32)


class Two:
    def __index__(self):
        return 2


FORMS = [
    ("stride", [2, (2, 2), [2, 2], np.int64(2), (np.int32(2), np.uint8(2)), Two(), (2, Two())]),
    ("stride", [(2, 1), [2, 1]]),
    ("dilation", [2, (2, 2), [2, 2], np.int64(2)]),
    ("padding", [1, (1, 1), [1, 1], ((1, 1), (1, 1)), [[1, 1], [1, 1]], np.int16(1)]),
    ("padding", [(1, 0), ((1, 1), (0, 0)), [(1, 1), [0, 0]]]),
    ("padding", [0, "valid", ((0, 0), (0, 0))]),
]


@pytest.mark.parametrize(("option", "forms"), FORMS)
@pytest.mark.parametrize("name", ["conv2d", "max_pool2d", "avg_pool2d", "sum_pool2d"])
def test_every_form_means_the_same(name, option, forms):
    given = {"w": W} if name == "conv2d" else {"kernel_size": (3, 2), "stride": 1}
    first, *others = (getattr(kernels, name)(X, **{**given, option: form}) for form in forms)
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_kernel_size_in_every_form():
    first = kernels.max_pool2d(X, 2)
    for form in (2, (2, 2), [2, 2], np.int8(2), Two()):
        np.testing.assert_array_equal(kernels.max_pool2d(X, kernel_size=form), first)
    np.testing.assert_array_equal(kernels.max_pool2d(X, 2, stride=None), kernels.max_pool2d(X, 2, stride=2))
    np.testing.assert_array_equal(kernels.sum_pool2d(X, (3, 2)), kernels.sum_pool2d(X, (3, 2), stride=(3, 2)))


def test_flags_and_groups_of_numpy():
    np.testing.assert_array_equal(
        kernels.avg_pool2d(X, 3, padding=1, ceil_mode=np.True_, count_include_pad=np.False_),
        kernels.avg_pool2d(X, 3, padding=1, ceil_mode=True, count_include_pad=False),
    )
    np.testing.assert_array_equal(
        kernels.conv2d(X, W[:, :1], groups=np.int64(2)), kernels.conv2d(X, W[:, :1], groups=2)
    )


@pytest.mark.parametrize(
    ("kernel", "dilation", "padding"),
    [((3, 3), 1, 1), ((3, 2), 1, ((1, 1), (0, 1))), ((2, 2), (3, 1), ((1, 2), (0, 1))), ((1, 4), 1, ((0, 0), (1, 2)))],
)
def test_same_puts_the_extra_at_the_end(kernel, dilation, padding):
    w = np.random.default_rng(1).standard_normal((1, 2, *kernel))
    same = kernels.conv2d(X.astype(float), w, padding="same", dilation=dilation)
    assert same.shape[2:] == X.shape[2:]
    np.testing.assert_array_equal(same, kernels.conv2d(X.astype(float), w, padding=padding, dilation=dilation))
    pooled = kernels.sum_pool2d(X, kernel, stride=1, padding="same", dilation=dilation)
    assert pooled.shape == X.shape


sizes = st.integers(1, 9)
sides = st.tuples(st.integers(0, 4), st.integers(0, 4))


@given(
    size=sizes,
    kernel=st.integers(1, 4),
    stride=st.integers(1, 5),
    padding=sides,
    dilation=st.integers(1, 3),
    ceil=st.booleans(),
)
def test_output_size_counts_windows(size, kernel, stride, padding, dilation, ceil):
    extent = dilation * (kernel - 1) + 1
    assume(not ceil or max(padding) < extent)  # as pooling demands
    end = size + padding[1]

    def exists(start):
        if not ceil:
            return start + extent <= end
        last_ended_inside = start - stride + extent < end
        return last_ended_inside and start < size

    count = 0
    while exists(count * stride - padding[0]):
        count += 1
    assert max(output_size(size, kernel, stride, padding, dilation, ceil=ceil), 0) == count


def conv(**options):
    return lambda: kernels.conv2d(X, W, **options)


def pool(kernel_size=2, **options):
    return lambda: kernels.max_pool2d(X, kernel_size, **options)


PAIR = "an int or a pair (height, width)"
PADDING = 'an int, a pair (height, width), ((top, bottom), (left, right)), "valid" or "same"'


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(conv(stride=True), ["stride is True", PAIR], id="bool"),
        pytest.param(conv(stride=(1, False)), ["stride is (1, False)", PAIR], id="bool in a pair"),
        pytest.param(conv(stride=np.True_), ["stride", PAIR], id="NumPy's bool"),
        pytest.param(conv(stride=1.0), ["stride is 1.0", PAIR], id="float"),
        pytest.param(conv(stride=np.float64(1)), ["stride", PAIR], id="NumPy's float"),
        pytest.param(conv(stride="1"), ["stride is '1'", PAIR], id="text"),
        pytest.param(conv(stride=None), ["stride is None", PAIR], id="None"),
        pytest.param(conv(stride=(1, 2, 3)), ["stride is (1, 2, 3)", PAIR], id="three values"),
        pytest.param(conv(stride=(1,)), ["stride is (1,)", PAIR], id="one value"),
        pytest.param(conv(stride=((1, 1), (1, 1))), ["stride is ((1, 1), (1, 1))", PAIR], id="nested stride"),
        pytest.param(conv(stride=np.ones((2, 2))), ["stride is array", PAIR], id="array"),
        pytest.param(conv(stride=0), ["stride is 0", "at least 1"], id="stride zero"),
        pytest.param(conv(stride=(1, -2)), ["stride is (1, -2)", "at least 1"], id="stride negative"),
        pytest.param(conv(stride=2**63 - 1), [f"stride is {2**63 - 1}", f"at most {2**31 - 1}"], id="stride huge"),
        pytest.param(conv(stride=2**70), [f"stride is {2**70}", "at most"], id="stride past 64 bits"),
        pytest.param(conv(dilation=0), ["dilation is 0", "at least 1"], id="dilation zero"),
        pytest.param(conv(dilation=1.5), ["dilation is 1.5", PAIR], id="dilation float"),
        pytest.param(conv(padding=-1), ["padding is -1", "at least 0"], id="padding negative"),
        pytest.param(
            conv(padding=((0, 0), (0, -1))), ["padding is ((0, 0), (0, -1))", "at least 0"], id="side negative"
        ),
        pytest.param(conv(padding=((0, 0), 1)), ["padding is ((0, 0), 1)", PADDING], id="half nested"),
        pytest.param(conv(padding=((0, 0), (1, 1), (0, 0))), ["padding is", PADDING], id="three axes"),
        pytest.param(conv(padding=((0, 0, 0), (1, 1, 1))), ["padding is", PADDING], id="three sides"),
        pytest.param(conv(padding="full"), ["padding is 'full'", PADDING], id="unknown word"),
        pytest.param(conv(padding=0.0), ["padding is 0.0", PADDING], id="padding float"),
        pytest.param(conv(padding=None), ["padding is None", PADDING], id="padding None"),
        pytest.param(
            conv(padding="same", stride=2), ['padding="same"', "stride 1", "stride is (2, 2)"], id="same, stride 2"
        ),
        pytest.param(conv(groups=0), ["groups is 0", "at least 1"], id="groups zero"),
        pytest.param(conv(groups=(1, 1)), ["groups is (1, 1)", "an int"], id="groups pair"),
        pytest.param(pool(None), ["kernel_size is None", PAIR], id="kernel_size None"),
        pytest.param(pool(0), ["kernel_size is 0", "at least 1"], id="kernel_size zero"),
        pytest.param(pool("same"), ["kernel_size is 'same'", PAIR], id="kernel_size text"),
        pytest.param(pool(ceil_mode=1), ["ceil_mode is 1", "True or False"], id="flag int"),
        pytest.param(pool(ceil_mode=None), ["ceil_mode is None", "True or False"], id="flag None"),
        pytest.param(
            lambda: kernels.avg_pool2d(X, 2, count_include_pad="no"),
            ["count_include_pad is 'no'", "True or False"],
            id="text",
        ),
        pytest.param(pool(padding="same"), ['padding="same"', "stride is (2, 2)"], id="same, stride of the window"),
        pytest.param(
            pool(2, padding=2), ["padding is", "(2, 2)", "smaller than the dilated window of 2"], id="padding 2 of 2"
        ),
        pytest.param(
            pool(2, dilation=2, padding=((0, 0), (0, 3))),
            ["(0, 3)", "smaller than the dilated window of 3"],
            id="one side",
        ),
    ],
)
def test_options_are_refused(call, words, refuses):
    with refuses(OptionError, "2d: ", *words):
        call()


def zeros(*shape):
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(
            lambda: kernels.conv2d(zeros(2, 7, 6), W), ["x", "(2, 7, 6)", "3 axes", "4: (N, C, H, W)"], id="x, 3 axes"
        ),
        pytest.param(lambda: kernels.conv2d(X, zeros(4, 2)), ["w", "(4, 2)", "(O, C/groups, KH, KW)"], id="w, 2 axes"),
        pytest.param(lambda: kernels.conv2d(X, W, zeros(4, 1)), ["b", "(4, 1)", "1: (O,)"], id="b, 2 axes"),
        pytest.param(lambda: kernels.conv2d(X, W, zeros(3)), ["b", "3", "w", "4", "equal"], id="b, length"),
        pytest.param(lambda: kernels.conv2d(zeros(2, 3, 7, 6), W), ["w has 2 channels", "needs 3", "x"], id="channels"),
        pytest.param(
            lambda: kernels.conv2d(X, W, groups=2), ["w has 2 channels", "needs 1", "2 groups"], id="of a group"
        ),
        pytest.param(lambda: kernels.conv2d(X, W, groups=3), ["groups 3 must divide", "x", "2", "w", "4"], id="groups"),
        pytest.param(
            lambda: kernels.conv2d(X, W, dilation=4), ["height 7", "window of 9", "kernel 3, dilation 4"], id="window"
        ),
        pytest.param(
            lambda: kernels.conv2d(X, zeros(4, 2, 3, 9), padding=1), ["width 6", "8", "window of 9"], id="width"
        ),
        pytest.param(
            lambda: kernels.conv2d(zeros(2, 2, 0, 6), W), ["axis 2 (H) of x", "empty", "at least 1"], id="H empty"
        ),
        pytest.param(lambda: kernels.conv2d(zeros(2, 0, 7, 6), W), ["axis 1 (C) of x", "empty"], id="C empty"),
        pytest.param(lambda: kernels.conv2d(X, zeros(0, 2, 3, 2)), ["axis 0 (O) of w", "empty"], id="O empty"),
        pytest.param(
            lambda: kernels.conv2d_backward(zeros(2, 4, 5, 4), X, W),
            ["dy", "(2, 4, 5, 4)", "needs (2, 4, 5, 5)", "axis 3"],
            id="dy",
        ),
        pytest.param(
            lambda: kernels.conv2d_backward(zeros(1, 4, 5, 5), X, W), ["N", "dy", "x", "equal"], id="dy, batch"
        ),
        pytest.param(lambda: kernels.max_pool2d(zeros(7, 6), 2), ["x", "(7, 6)", "(N, C, H, W)"], id="pool, 2 axes"),
        pytest.param(lambda: kernels.max_pool2d(X, 8), ["height 7", "window of 8"], id="pool window"),
        pytest.param(lambda: kernels.max_pool2d(X, (2, 7)), ["width 6", "window of 7"], id="pool window, width"),
        pytest.param(
            lambda: kernels.sum_pool2d(X, 9, stride=1, ceil_mode=True), ["height 7", "window of 9"], id="ceil window"
        ),
        pytest.param(
            lambda: kernels.avg_pool2d_backward(zeros(2, 2, 3, 2), X, 2),
            ["dy", "(2, 2, 3, 2)", "(2, 2, 3, 3)", "axis 3"],
            id="pool dy",
        ),
        pytest.param(
            lambda: kernels.relu_backward(zeros(2, 3), zeros(3, 2)), ["dy", "(2, 3)", "(3, 2)", "x"], id="relu dy"
        ),
        pytest.param(
            lambda: kernels.relu_backward(zeros(6), zeros(2, 3)), ["dy", "(6,)", "(2, 3)"], id="relu dy, axes"
        ),
        pytest.param(lambda: kernels.dense(zeros(2, 3), zeros(4, 5)), ["K", "w", "5", "x", "3", "equal"], id="dense"),
        pytest.param(lambda: kernels.dense(zeros(3), zeros(4, 3)), ["x", "(3,)", "(N, K)"], id="dense, 1 axis"),
        pytest.param(lambda: kernels.dense(zeros(2, 0), zeros(4, 0)), ["(K)", "x", "empty"], id="dense, no features"),
        pytest.param(
            lambda: kernels.dense_backward(zeros(2, 5), zeros(2, 3), zeros(4, 3)), ["M", "5", "4"], id="dense dy"
        ),
        pytest.param(lambda: kernels.softmax(zeros(2, 0)), ["axis 1 (K) of x", "empty"], id="softmax, no classes"),
        pytest.param(lambda: kernels.softmax(zeros(2, 3, 4)), ["x", "(2, 3, 4)", "(N, K)"], id="softmax, 3 axes"),
        pytest.param(
            lambda: kernels.softmax_backward(zeros(2, 3), zeros(2, 4)), ["K", "y", "4", "dy", "3"], id="softmax dy"
        ),
        pytest.param(lambda: kernels.cross_entropy(zeros(3), [0]), ["logits", "(3,)", "(N, K)"], id="logits"),
    ],
)
def test_shapes_are_refused(call, words, refuses):
    with refuses(ShapeError, *words):
        call()
