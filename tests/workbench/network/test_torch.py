"""The conventions are PyTorch's: the same results and gradients, in float64, where both are defined."""

import numpy as np
import pytest

import kernels

torch = pytest.importorskip("torch")
functional = torch.nn.functional

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def agree(ours, theirs):
    """Sums of under 200 terms of order 1: either side errs by less than 200 * 2**-53 * 200."""
    assert isinstance(ours, np.ndarray)
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=0, atol=1e-11)


def leaf(array):
    return torch.from_numpy(array).requires_grad_()


@pytest.mark.parametrize(
    ("shape", "filters", "options"),
    [
        ((2, 3, 7, 6), (4, 3, 3, 2), {}),
        ((2, 3, 7, 6), (4, 3, 3, 2), {"stride": (2, 3), "padding": (1, 2)}),
        ((2, 3, 9, 8), (4, 3, 3, 2), {"dilation": (2, 3), "padding": 4}),
        ((2, 4, 7, 6), (6, 2, 3, 2), {"groups": 2, "padding": "valid"}),
        ((2, 4, 7, 6), (8, 1, 3, 4), {"groups": 4, "padding": "same"}),
        ((2, 3, 7, 6), (4, 3, 2, 2), {"padding": "same", "dilation": (3, 1)}),
    ],
)
def test_conv2d(shape, filters, options, rng):
    x, w, b = rng.standard_normal(shape), rng.standard_normal(filters), rng.standard_normal(filters[0])
    leaves = leaf(x), leaf(w), leaf(b)
    theirs = functional.conv2d(*leaves, **options)
    agree(kernels.conv2d(x, w, b, **options), theirs)
    agree(kernels.conv2d(x, w, **options), functional.conv2d(*leaves[:2], **options))
    dy = rng.standard_normal(theirs.shape)
    theirs.backward(torch.from_numpy(dy))
    for ours, tensor in zip(kernels.conv2d_backward(dy, x, w, **options), leaves, strict=True):
        agree(ours, tensor.grad)


POOLS = [
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "stride": (2, 1)},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": (2, 3), "stride": (3, 2), "padding": (1, 1), "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": 8, "ceil_mode": True},
]


def compare_pooling(kind, x, options, rng):
    tensor = leaf(x)
    theirs = getattr(functional, f"{kind}_pool2d")(tensor, **options)
    agree(getattr(kernels, f"{kind}_pool2d")(x, **options), theirs)
    dy = rng.standard_normal(theirs.shape)
    theirs.backward(torch.from_numpy(dy))
    agree(getattr(kernels, f"{kind}_pool2d_backward")(dy, x, **options), tensor.grad)


MAX_POOLS = pytest.mark.parametrize("options", [*POOLS, {"kernel_size": 3, "dilation": (2, 1), "padding": 1}], ids=str)


@MAX_POOLS
@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
def test_max_pool2d(options, ties, rng):
    x = rng.standard_normal((2, 3, 7, 6))
    compare_pooling("max", np.round(x) if ties else x, options, rng)


@MAX_POOLS
def test_max_pool2d_of_nan(options, rng):
    """Forward alone: of several NaN in a window PyTorch gives the gradient to the last, this project to the first."""
    x = rng.standard_normal((2, 3, 7, 6))
    x[rng.random(x.shape) < 0.1] = np.nan
    agree(kernels.max_pool2d(x, **options), functional.max_pool2d(torch.from_numpy(x), **options))


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("options", POOLS, ids=str)
def test_avg_pool2d(options, count_include_pad, rng):
    compare_pooling("avg", rng.standard_normal((2, 3, 7, 6)), options | {"count_include_pad": count_include_pad}, rng)


@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize("kernel", range(1, 6))
def test_ceil_mode_at_every_size(size, kernel):
    """The shape, or that there is none."""
    for stride in range(1, 5):
        for padding in range(kernel // 2 + 1):
            options = {"stride": stride, "padding": padding, "ceil_mode": True}
            x = np.zeros((1, 1, size, size))
            try:
                theirs = functional.max_pool2d(torch.from_numpy(x), kernel, **options).shape
            except RuntimeError:
                with pytest.raises(kernels.ShapeError):
                    kernels.max_pool2d(x, kernel, **options)
            else:
                assert kernels.max_pool2d(x, kernel, **options).shape == tuple(theirs)


def test_relu():
    x = np.array([-1.0, 0, -0.0, 2, np.nan, np.inf, -np.inf])
    tensor = leaf(x)
    theirs = functional.relu(tensor)
    agree(kernels.relu(x), theirs)
    theirs.backward(torch.ones(7, dtype=torch.float64))
    np.testing.assert_array_equal(kernels.relu_backward(np.ones(7), x), tensor.grad)


def test_dense(rng):
    x, w, b = rng.standard_normal((5, 7)), rng.standard_normal((3, 7)), rng.standard_normal(3)
    leaves = leaf(x), leaf(w), leaf(b)
    theirs = functional.linear(*leaves)
    agree(kernels.dense(x, w, b), theirs)
    dy = rng.standard_normal((5, 3))
    theirs.backward(torch.from_numpy(dy))
    for ours, tensor in zip(kernels.dense_backward(dy, x, w), leaves, strict=True):
        agree(ours, tensor.grad)


def test_softmax(rng):
    x = 10 * rng.standard_normal((5, 7))
    tensor = leaf(x)
    theirs = functional.softmax(tensor, dim=1)
    y = kernels.softmax(x)
    agree(y, theirs)
    dy = rng.standard_normal((5, 7))
    theirs.backward(torch.from_numpy(dy))
    agree(kernels.softmax_backward(dy, y), tensor.grad)


@pytest.mark.parametrize("samples", [5, 0])
def test_cross_entropy(samples, rng):
    logits, labels = 10 * rng.standard_normal((samples, 7)), rng.integers(0, 7, samples)
    tensor = leaf(logits)
    theirs = functional.cross_entropy(tensor, torch.from_numpy(labels))
    agree(kernels.cross_entropy(logits, labels), theirs)
    theirs.backward()
    agree(kernels.cross_entropy_backward(logits, labels), tensor.grad)


def test_tensors_are_taken_as_they_are():
    x, w = torch.rand(4, 3), torch.rand(5, 3)
    y = kernels.dense(x, w)
    assert type(y) is np.ndarray
    np.testing.assert_array_equal(y, kernels.dense(x.numpy(), w.numpy()))
    out = torch.zeros(4, 5)
    assert kernels.dense(x, w, out=out) is out
    np.testing.assert_array_equal(out.numpy(), y)
