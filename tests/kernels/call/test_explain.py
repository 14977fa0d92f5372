"""The results of ``explain`` and ``implementations``."""

import numpy as np
import pytest

import kernels
from kernels import DtypeError, OptionError, ShapeError


def test_explain_in_full():
    text = kernels.explain("conv2d", (64, 1, 28, 28), (6, 1, 5, 5), padding=2, stride=(2, 1))
    assert text.splitlines() == [
        "conv2d runs conv2d_batch_cpu (batch-tiles) on cpu: the arrays are on the host",
        "  chosen   conv2d_batch_cpu for samples in 16s; few channels, short rows or a stride",
        "  inputs   x (64, 1, 28, 28), w (6, 1, 5, 5), b (6,), float32",
        "  outputs  y (64, 6, 14, 28)",
        "  options  stride=(2, 1), padding=((2, 2), (2, 2)), dilation=(1, 1), groups=1",
        "  work     7,526,400 flops, 803,440 bytes",  # 2 * 64*6*14*28 * 25, 4 * (64*784 + 156 + 64*6*14*28)
    ]


def test_the_algorithm_follows_from_the_shapes():
    text = kernels.explain("conv2d", (2, 8, 9, 9), (8, 1, 3, 3), groups=8)
    assert text.startswith("conv2d runs conv2d_depthwise_cpu (depthwise) on cpu")
    text = kernels.explain("conv2d", (2, 8, 9, 9), (16, 1, 3, 3), groups=8)
    assert text.startswith("conv2d runs conv2d_bands_cpu (bands) on cpu")


def test_explain_without_options():
    assert "  options  none" in kernels.explain("relu", (2, 3)).splitlines()


def test_explain_takes_arrays_and_shapes(op_name, sample):
    call = sample(op_name)
    arrays = call.arrays.values()
    text = kernels.explain(op_name, *arrays, **call.options)
    assert text == kernels.explain(op_name, *(array.shape for array in arrays), **call.options)
    assert all(f"{name} {array.shape}" in text for name, array in call.arrays.items())
    assert ", float32" in text
    assert ", float64" in kernels.explain(op_name, *sample(op_name, "float64").arrays.values(), **call.options)


def test_explain_computes_nothing():
    kernels.explain("conv2d", (10**6, 10**3, 10**4, 10**4), (10**3, 10**3, 3, 3))


def test_explain_says_why(cuda):
    x = np.ones((2, 3), np.float32)
    assert "relu_cpu (elementwise) on cpu: the arrays are on the host" in kernels.explain("relu", x)
    assert "relu_cuda (elementwise) on cuda: device= asks for 'cuda'" in kernels.explain("relu", x, device="cuda")
    assert "on cuda: the arrays are on the CUDA device" in kernels.explain("relu", cuda.place(x))
    with kernels.use_device("cuda"):
        assert "on cuda: use_device asks for 'cuda'" in kernels.explain("relu", x)


HALF = np.ones((2, 3), np.float16)
SINGLE = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (("conv3d", (2, 3)), {}, OptionError, ["unknown operation 'conv3d'", "conv2d, conv2d_backward"]),
        (("relu", (2, 3)), {"slope": 1}, OptionError, ["relu", "unknown option 'slope'", "none"]),
        (("conv2d", (1, 1, 3, 3), (1, 1, 2, 2)), {"strides": 1}, OptionError, ["'strides'", "stride, padding"]),
        (("max_pool2d", (1, 1, 3, 3)), {}, OptionError, ["kernel_size is missing", "an int or a pair"]),
        (("max_pool2d", (1, 1, 3, 3)), {"kernel_size": 0}, OptionError, ["kernel_size is 0", "at least 1"]),
        (("relu", (2, 3)), {"device": "gpu"}, OptionError, ["device", "'gpu'"]),
        (("dense", (2, 3)), {}, ShapeError, ["dense takes x, w, b", "1 given"]),
        (("relu", (2, 3), (2, 3)), {}, ShapeError, ["relu takes x", "2 given"]),
        (("dense", (2, 3), (4, 5)), {}, ShapeError, ["K", "w", "5", "3"]),
        (("dense", (2, -3), (4, -3)), {}, ShapeError, ["x", "(2, -3)", "negative"]),
        (("dense", None, (4, 3)), {}, DtypeError, ["x is None", "needs an array"]),
        (("relu", HALF), {}, DtypeError, ["x", "float16", "float32 or float64"]),
        (("relu", [[1, 2], [3]]), {}, DtypeError, ["x", "list", "needs an array"]),
        (("dense", SINGLE, SINGLE.astype(float)), {}, DtypeError, ["w", "float64", "x", "float32", "equal"]),
        (("cross_entropy", SINGLE, [0.0, 1.0]), {}, DtypeError, ["labels", "float64", "integer"]),
    ],
)
def test_explain_refuses_what_the_operation_refuses(arguments, options, error, words, refuses):
    with refuses(error, *words):
        kernels.explain(*arguments, **options)


def test_explain_refuses_mixed_places(cuda, refuses):
    with refuses(OptionError, "x on the CUDA device", "w on the host"):
        kernels.explain("dense", cuda.place(SINGLE), SINGLE)


def test_implementations(op_name):
    found = kernels.implementations(op_name)
    assert {implementation.device for implementation in found} == {"cpu", "cuda"}
    for implementation in found:
        assert isinstance(implementation, kernels.Implementation)
        assert implementation.op == op_name
        assert callable(implementation.function)
        assert implementation.name.startswith(f"{op_name.removesuffix('_backward')}_")
        assert implementation.name.endswith(f"_{implementation.device}")
    assert len({(implementation.device, implementation.name) for implementation in found}) == len(found)


def test_implementations_of_nothing(refuses):
    with refuses(OptionError, "implementations", "unknown operation 'conv3d'", "conv2d, conv2d_backward"):
        kernels.implementations("conv3d")


def test_the_first_implementation_that_accepts_is_used():
    """A second one stands before the first and takes float64 alone."""

    def twos(x, y):
        y[...] = 2

    def accepts(shapes, options, dtype):
        return dtype == "float64"

    special = kernels.Implementation(op="relu", device="cpu", algorithm="constant", target=twos, accepts=accepts)
    kernels.register(special, preferred=True)
    assert "twos (constant)" in kernels.explain("relu", np.ones(3))
    assert "relu_cpu" in kernels.explain("relu", np.ones(3, np.float32))
    assert kernels.relu(np.ones(3)).tolist() == [2, 2, 2]
    assert kernels.relu(np.ones(3, np.float32)).tolist() == [1, 1, 1]


@pytest.mark.parametrize("entry", ["x", None, print])
def test_only_operations_and_implementations_are_registered(entry):
    with pytest.raises(OptionError, match="neither an Op nor an Implementation"):
        kernels.register(entry)


def test_registry():
    for name, op in kernels.OPS.items():
        assert op.name == name
        assert callable(getattr(kernels, name))
        assert op.backward is None or op.backward in kernels.OPS
    assert all(name in kernels.__all__ for name in kernels.OPS)
