"""The references compared with results worked out by hand; ``test_declaration`` compares gradients with differences."""

from math import log

import numpy as np
import pytest

import kernels
from kernels import OPS
from kernels.declare.shapes import normal_options

NAN, INF = float("nan"), float("inf")


def reference(name, *arrays, **options):
    """Run a reference in float64 on new outputs; return the output, or a tuple of several."""
    op = OPS[name]
    dtypes = (np.int64 if item.kind == "index" else np.float64 for item in op.inputs)
    inputs = [np.asarray(array, dtype) for array, dtype in zip(arrays, dtypes, strict=False)]
    if len(inputs) < len(op.inputs):  # no bias
        inputs.append(np.zeros(inputs[1].shape[0]))
    shapes = {item.name: array.shape for item, array in zip(op.inputs, inputs, strict=True)}
    normal = normal_options(op, options, shapes)
    outputs = [np.full(shape, NAN) for shape in op.output_shapes(shapes, normal)]
    with np.errstate(invalid="ignore"):  # 0/0, Inf - Inf and the like are among the rules
        op.reference(*inputs, *op.option_values(normal), *outputs)
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def image(rows):
    """One image of one channel."""
    return np.array(rows, float)[None, None]


def check(got, expected):
    np.testing.assert_array_equal(got, np.asarray(expected, float))


ARTICLE_IMAGE = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
ARTICLE_FILTER = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
ONE_TO_NINE = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
PLACES = [[1, 10], [100, 1000]]  # each tap has a decimal place of its own


@pytest.mark.parametrize(
    ("x", "w", "options", "expected"),
    [
        pytest.param(ARTICLE_IMAGE, ARTICLE_FILTER, {}, [[4, 3, 4], [2, 4, 3], [2, 3, 4]], id="the article's"),
        pytest.param(ONE_TO_NINE, PLACES, {}, [[5421, 6532], [8754, 9865]], id="not flipped"),
        pytest.param(ONE_TO_NINE, [[1]], {"stride": 2}, [[1, 3], [7, 9]], id="stride"),
        pytest.param(ONE_TO_NINE, [[1]], {"stride": (2, 1)}, [[1, 2, 3], [7, 8, 9]], id="stride (height, width)"),
        pytest.param(ONE_TO_NINE, PLACES, {"dilation": 2}, [[9731]], id="dilation"),
        pytest.param(ONE_TO_NINE, PLACES, {"dilation": (1, 2)}, [[6431], [9764]], id="dilation (height, width)"),
        pytest.param([[1, 2], [3, 4]], PLACES, {"padding": (1, 0)}, [[2100], [4321], [43]], id="padding"),
        pytest.param(
            [[1, 2], [3, 4]],
            PLACES,
            {"padding": ((1, 0), (0, 1))},
            [[2100, 200], [4321, 402]],
            id="padding of each side",
        ),
        pytest.param([[1, 2, 3]], [[1, 10]], {"padding": "same"}, [[21, 32, 3]], id="same, the extra at the end"),
        pytest.param([[1, 2, 3]], [[1, 10]], {"padding": "valid"}, [[21, 32]], id="valid"),
        pytest.param([[7]], np.where(np.eye(3) * np.eye(3)[1], 2, INF), {"padding": 1}, [[14]], id="Inf over padding"),
        pytest.param([[7]], np.where(np.eye(3) * np.eye(3)[1], 2, NAN), {"padding": 1}, [[14]], id="NaN over padding"),
        pytest.param([[INF, 1]], [[0, 1]], {}, [[NAN]], id="Inf times zero"),
    ],
)
def test_conv2d(x, w, options, expected):
    check(reference("conv2d", image(x), image(w), **options), image(expected))


@pytest.mark.parametrize(
    ("w", "expected"),
    [
        pytest.param([[0, 0, 0], [0, 1, 0], [0, 0, 0]], 9, id="identity"),
        pytest.param([[1, 0, -1], [0, 0, 0], [-1, 0, 1]], 1 - 3 - 7 + 5, id="edge detection 1"),
        pytest.param([[0, 1, 0], [1, -4, 1], [0, 1, 0]], 2 + 4 + 6 + 8 - 4 * 9, id="edge detection 2"),
        pytest.param([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], 8 * 9 - 36, id="edge detection 3"),
        pytest.param([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], 5 * 9 - 20, id="sharpen"),
        pytest.param([[1 / 9] * 3] * 3, 5, id="box blur"),
        pytest.param(
            [[1 / 16, 1 / 8, 1 / 16], [1 / 8, 1 / 4, 1 / 8], [1 / 16, 1 / 8, 1 / 16]], 5.75, id="gaussian blur"
        ),
    ],
)
def test_filters_of_the_article(w, expected):
    patch = [[1, 2, 3], [4, 9, 6], [7, 8, 5]]
    assert reference("conv2d", image(patch), image(w)).item() == pytest.approx(expected, rel=1e-15)


def test_conv2d_adds_channels_and_bias():
    x = np.array([[[[1, 2]], [[3, 4]]], [[[5, 6]], [[7, 8]]]])  # two samples of two channels
    w = np.array([[[[1]], [[10]]], [[[100]], [[1000]]], [[[0]], [[0]]]])
    y = reference("conv2d", x, w, [0.5, 0.25, -1])
    check(y[0, :, 0], [[31.5, 42.5], [3100.25, 4200.25], [-1, -1]])
    check(y[1, :, 0], [[75.5, 86.5], [7500.25, 8600.25], [-1, -1]])


def test_conv2d_groups():
    x = np.arange(1, 5).reshape(1, 4, 1, 1)
    w = np.array([[1, 10], [100, 1000]] * 2).reshape(4, 2, 1, 1)
    check(reference("conv2d", x, w, groups=2).ravel(), [21, 2100, 43, 4300])
    depthwise = np.array([1, 10, 100, 1000]).reshape(4, 1, 1, 1)
    check(reference("conv2d", x, depthwise, groups=4).ravel(), [1, 20, 300, 4000])


def test_conv2d_backward():
    dx, dw, db = reference("conv2d_backward", image([[1, 10]]), image([[2, 3, 5]]), image([[7, 11]]))
    check(dx, image([[7, 11 + 70, 110]]))
    check(dw, image([[2 + 30, 3 + 50]]))
    check(db, [11])


ARTICLE_POOL = [[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]
ROW = [[1, 2, 3, 4]]
FIVE = [[1, 2, 3, 4, 5]]
PAIRS = {"kernel_size": (1, 2)}
CEIL = {**PAIRS, "ceil_mode": True}
CUT = {"kernel_size": (1, 3), "stride": (1, 2), "padding": (0, 1), "ceil_mode": True}  # windows | . 1 2 | 2 3 4 | 4 . |
BLIND = {**PAIRS, "stride": 1, "dilation": (1, 3), "padding": ((0, 0), (3, 2))}  # one pixel; taps at -3 0 | -2 1 | -1 2
REAL = {"count_include_pad": False}


@pytest.mark.parametrize(
    ("kind", "x", "options", "expected"),
    [
        pytest.param("max", ARTICLE_POOL, {"kernel_size": 2}, [[6, 8], [3, 4]], id="max, the article's"),
        pytest.param("avg", ARTICLE_POOL, {"kernel_size": 2}, [[3.25, 5.25], [2, 2]], id="avg, the article's"),
        pytest.param("sum", ARTICLE_POOL, {"kernel_size": 2}, [[13, 21], [8, 8]], id="sum, the article's"),
        pytest.param("sum", ONE_TO_NINE, {**PAIRS, "stride": 1}, [[3, 5], [9, 11], [15, 17]], id="(height, width)"),
        pytest.param("sum", ONE_TO_NINE, {"kernel_size": 2, "dilation": 2}, [[20]], id="dilation"),
        pytest.param("max", FIVE, PAIRS, [[2, 4]], id="floor"),
        pytest.param("max", FIVE, CEIL, [[2, 4, 5]], id="max, ceil"),
        pytest.param("sum", FIVE, CEIL, [[3, 7, 5]], id="sum, ceil"),
        pytest.param("avg", FIVE, CEIL, [[1.5, 3.5, 5]], id="avg, ceil"),
        pytest.param("sum", [[1, 2, 3]], {**CEIL, "padding": ((0, 0), (1, 1))}, [[1, 5]], id="ceil, dropped window"),
        pytest.param("max", [[1, 2], [3, 4]], {"kernel_size": 3, "ceil_mode": True}, [[4]], id="ceil, small input"),
        pytest.param("avg", ROW, CUT, [[1, 3, 2]], id="avg over the clipped window"),
        pytest.param("avg", ROW, CUT | REAL, [[1.5, 3, 4]], id="avg over real input"),
        pytest.param("max", [[-5]], {"kernel_size": 3, "padding": 1}, [[-5]], id="max pads with -inf"),
        pytest.param("max", [[5]], BLIND, [[5, -INF, -INF]], id="max, nothing seen"),
        pytest.param("sum", [[5]], BLIND, [[5, 0, 0]], id="sum, nothing seen"),
        pytest.param("avg", [[5]], BLIND, [[2.5, 0, 0]], id="avg, nothing seen"),
        pytest.param("avg", [[5]], BLIND | REAL, [[5, NAN, NAN]], id="avg over real input, nothing seen"),
        pytest.param("max", [[1, NAN, 3]], {"kernel_size": (1, 3)}, [[NAN]], id="NaN wins"),
        pytest.param("max", [[-INF, -INF]], PAIRS, [[-INF]], id="all -inf"),
        pytest.param("sum", [[INF, -INF]], PAIRS, [[NAN]], id="inf - inf"),
    ],
)
def test_pooling(kind, x, options, expected):
    check(reference(f"{kind}_pool2d", image(x), **options), image(expected))


@pytest.mark.parametrize(
    ("kind", "x", "dy", "options", "expected"),
    [
        pytest.param("max", [[2, 2], [2, 2]], [[5]], {"kernel_size": 2}, [[5, 0], [0, 0]], id="tie"),
        pytest.param("max", [[1, 3], [3, 0]], [[5]], {"kernel_size": 2}, [[0, 5], [0, 0]], id="tie, row-major"),
        pytest.param("max", [[1, NAN, 9, NAN]], [[5]], {"kernel_size": (1, 4)}, [[0, 5, 0, 0]], id="first NaN"),
        pytest.param("max", [[-INF, -INF]], [[5]], PAIRS, [[5, 0]], id="all -inf"),
        pytest.param("max", [[1, 3, 2]], [[10, 1]], {**PAIRS, "stride": 1}, [[0, 11, 0]], id="max of two windows"),
        pytest.param("max", [[1]], [[3, 20, 100]], BLIND, [[3]], id="max, nothing seen"),
        pytest.param("sum", ROW, [[1, 10, 100]], {**PAIRS, "stride": 1}, [[1, 11, 110, 100]], id="sum"),
        pytest.param("avg", ROW, [[3, 3, 2]], CUT, [[1, 2, 1, 2]], id="avg over the clipped window"),
        pytest.param("avg", ROW, [[2, 3, 4]], CUT | REAL, [[1, 2, 1, 5]], id="avg over real input"),
        pytest.param("avg", [[1]], [[3, 20, 100]], BLIND | REAL, [[3]], id="avg, nothing seen"),
    ],
)
def test_pooling_backward(kind, x, dy, options, expected):
    check(reference(f"{kind}_pool2d_backward", image(dy), image(x), **options), image(expected))


def test_relu():
    x = [-1, -0.0, 0, 2, INF, -INF, NAN]
    check(reference("relu", x), [0, 0, 0, 2, INF, 0, NAN])
    check(reference("relu_backward", [1, 2, 3, 4, 5, 6, 7], x), [0, 0, 0, 4, 5, 0, 7])


def test_dense():
    x, w = [[1, 2, 3], [4, 5, 6]], [[1, 10, 100], [0, -1, 0]]
    check(reference("dense", x, w), [[321, -2], [654, -5]])
    check(reference("dense", x, w, [0.5, 2]), [[321.5, 0], [654.5, -3]])
    dx, dw, db = reference("dense_backward", [[1, 2], [10, 20]], x, w)
    check(dx, [[1, 8, 100], [10, 80, 1000]])
    check(dw, [[41, 52, 63], [82, 104, 126]])
    check(db, [11, 22])


def test_softmax():
    np.testing.assert_allclose(reference("softmax", [[0, log(3)], [5, 5]]), [[0.25, 0.75], [0.5, 0.5]], rtol=1e-15)
    check(reference("softmax", [[1000, 1000], [0, -INF], [-1000, 1000]]), [[0.5, 0.5], [1, 0], [0, 1]])
    check(reference("softmax", [[0, NAN], [INF, 0]]), np.full((2, 2), NAN))
    check(reference("softmax_backward", [[1, 2]], [[0.25, 0.75]]), [[0.25 * (1 - 1.75), 0.75 * (2 - 1.75)]])


def test_softmax_sums_to_one():
    x = np.random.default_rng(0).normal(scale=20, size=(50, 10))
    np.testing.assert_allclose(reference("softmax", x).sum(axis=1), np.ones(50), rtol=1e-14)


def test_cross_entropy():
    logits = [[0, log(3)], [log(3), 0]]
    assert reference("cross_entropy", logits, [1, 1]) == pytest.approx((log(4 / 3) + log(4)) / 2, rel=1e-15)
    assert reference("cross_entropy", np.zeros((3, 10)), [0, 5, 9]) == pytest.approx(log(10), rel=1e-15)
    check(reference("cross_entropy", [[0, 1000]], [0]), 1000)
    check(reference("cross_entropy", [[0, -INF]], [1]), INF)
    expected = np.array([[0.25, -0.25], [0.75, -0.75]]) / 2
    np.testing.assert_allclose(reference("cross_entropy_backward", logits, [1, 1]), expected, rtol=1e-15)


def test_cross_entropy_with_smoothed_labels():
    """The formula of PyTorch: (1 - s) * -log p[label] + s * the mean of -log p."""
    logits, s = [[0, log(3)], [log(3), 0]], 0.2
    per_sample = [(1 - s) * each + s * (log(4) + log(4 / 3)) / 2 for each in (log(4 / 3), log(4))]
    assert reference("cross_entropy", logits, [1, 1], label_smoothing=s) == pytest.approx(
        sum(per_sample) / 2, rel=1e-14
    )
    expected = np.array([[0.25 - 0.1, 0.75 - 0.9], [0.75 - 0.1, 0.25 - 0.9]]) / 2
    np.testing.assert_allclose(
        reference("cross_entropy_backward", logits, [1, 1], label_smoothing=s), expected, rtol=1e-14
    )
    check(reference("cross_entropy", [[0, -INF]], [0], label_smoothing=s), INF)
    for wrong in (-0.1, 1.1, NAN):
        with pytest.raises(kernels.OptionError, match="label_smoothing"):
            kernels.cross_entropy(np.zeros((1, 2)), [0], label_smoothing=wrong)


def test_cross_entropy_of_no_samples():
    check(reference("cross_entropy", np.zeros((0, 3)), []), NAN)
    assert reference("cross_entropy_backward", np.zeros((0, 3)), []).shape == (0, 3)


def test_batch_norm():
    x = np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 13.0], [7.0, 7.0]])[:, :, None, None]
    y, mean, var = reference("batch_norm", x, [1, 2], [0, 1], epsilon=4.0)
    check(mean, [4, 10])
    check(var, [5, 4.5])
    np.testing.assert_allclose(y[:, 0, 0, 0], [-1, -1 / 3, 1 / 3, 1], rtol=1e-15)
    np.testing.assert_allclose(y[:, 1, 0, 0], [1, 1, 1 + 6 / 8.5**0.5, 1 - 6 / 8.5**0.5], rtol=1e-15)
    images = x.reshape(2, 2, 2, 1)[:, :, :, [0, 0]]  # other shapes: the mean goes over samples, rows and columns
    check(reference("batch_norm", images, [1, 1], [0, 0])[1], images.mean((0, 2, 3)))


def test_batch_norm_inference():
    x = np.array([3.0, 5.0]).reshape(1, 1, 1, 2)
    check(reference("batch_norm_inference", x, [3], [1], [1], [3], epsilon=1.0), [[[[4, 7]]]])


def test_batch_norm_backward():
    x = np.array([1.0, 3.0]).reshape(2, 1, 1, 1)  # mean 2, variance 1; with epsilon 3: z is -1/2 and 1/2
    dx, dw, db = reference("batch_norm_backward", [[[[1]]], [[[0]]]], x, [4], [2], [1], epsilon=3.0)
    check(dw, [-0.5])
    check(db, [1])
    check(dx.reshape(-1), [2 * (1 - 0.5 - 0.125), 2 * (-0.5 + 0.125)])


def test_batch_norm_of_values_that_are_all_alike_or_alone():
    y, mean, var = reference("batch_norm", np.full((2, 1, 3, 3), 1e3), [5], [7])
    check(y, np.full((2, 1, 3, 3), 7))
    check((mean[0], var[0]), (1e3, 0))
    y, mean, var = reference("batch_norm", [[[[2]], [[-3]]]], [5, 6], [7, 8])
    check(y, [[[[7]], [[8]]]])
    check(reference("batch_norm_backward", [[[[2]]]], [[[[9]]]], [5], [9], [0])[0], [[[[0]]]])


def test_batch_norm_of_no_samples():
    y, mean, var = reference("batch_norm", np.zeros((0, 2, 3, 3)), [1, 1], [0, 0])
    assert y.shape == (0, 2, 3, 3)
    check(np.stack([mean, var]), np.full((2, 2), NAN))
    dx, dw, db = reference("batch_norm_backward", np.zeros((0, 1, 2, 2)), np.zeros((0, 1, 2, 2)), [1], [NAN], [NAN])
    assert dx.shape == (0, 1, 2, 2)
    check((dw[0], db[0]), (0, 0))


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_batch_norm_of_a_channel_with_a_special_value(value):
    x = np.arange(12.0).reshape(3, 2, 2, 1)
    x[1, 0, 0, 0] = value
    y, mean, var = reference("batch_norm", x, [1, 1], [0, 0])
    assert np.isnan(y[:, 0]).all()
    assert np.isfinite(y[:, 1]).all()
    check((mean[0], var[0]), (value, NAN))


def test_dropout():
    x = np.arange(1, 2 * 3 * 70 + 1.0).reshape(2, 3, 70)
    kept = reference("dropout", x, p=0.25, seed=5) != 0
    check(reference("dropout", x, p=0.25, seed=5), np.where(kept, x / 0.75, 0))
    check(reference("dropout_backward", x, p=0.25, seed=5), np.where(kept, x / 0.75, 0))
    assert 0.65 < kept.mean() < 0.85
    assert (kept[0] != kept[1]).any()
    more = reference("dropout", np.concatenate([x, x]), p=0.25, seed=5) != 0
    check(more[:2], kept)  # the other samples do not matter
    assert (reference("dropout", x, p=0.25, seed=5 + 2**32) != 0).tolist() != kept.tolist()
    assert not (kept & ~(reference("dropout", x, p=0.1, seed=5) != 0)).any()  # of the same words, more are dropped
    check(reference("dropout", x, p=0.0, seed=5), x)


def test_a_dropped_value_is_zero_whatever_it_was():
    kept = reference("dropout", np.ones((4, 8)), p=0.5, seed=1) != 0
    check(reference("dropout", np.full((4, 8), NAN), p=0.5, seed=1), np.where(kept, NAN, 0))


@pytest.mark.parametrize("wrong", [{"p": 1}, {"p": -0.1}, {"p": NAN}, {"seed": -1}, {"seed": 2**63}, {"seed": 0.5}])
def test_options_of_dropout(wrong):
    with pytest.raises(kernels.OptionError, match=next(iter(wrong))):
        kernels.dropout(np.ones(3), **{"p": 0.5, "seed": 1, **wrong})


def test_epsilon_is_positive():
    with pytest.raises(kernels.OptionError, match="epsilon"):
        kernels.batch_norm(np.ones((1, 1, 1, 1)), np.ones(1), np.ones(1), epsilon=0)
