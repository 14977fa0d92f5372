"""From a public call to a kernel: what inputs and outputs may be, and what is refused before anything is computed."""

from functools import cache

import numpy as np
import pytest

import kernels
from kernels import DtypeError, OptionError, ShapeError

F4 = np.float32


def several(result):
    """The outputs as a tuple, whether there are several or one."""
    return result if isinstance(result, tuple) else (result,)


def bits(result):
    return [(values.shape, values.dtype, values.tobytes()) for values in several(result)]


class Foreign:
    """An array that is not NumPy's; what it offers is set on the subclasses."""

    def __init__(self, array):
        self.array = array


class WithArray(Foreign):
    def __array__(self, dtype=None, copy=None):
        return self.array


class Copying(Foreign):
    def __array__(self, dtype=None, copy=None):
        return self.array.copy()


class WithInterface(Foreign):
    @property
    def __array_interface__(self):
        return self.array.__array_interface__


class WithDLPack(Foreign):
    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Subclass(np.ndarray):
    pass


def tensor(array):
    return pytest.importorskip("torch").from_numpy(array)


def channels_last(array):
    return np.moveaxis(np.moveaxis(array, 1, -1).copy(), -1, 1) if array.ndim > 1 else array


def stepped(array):
    spread = np.full([2 * size for size in array.shape], 77, array.dtype)
    view = spread[..., *(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def unaligned(array):
    view = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert array.size == 0 or not view.flags.aligned
    return view


def read_only(array):
    view = array.copy()
    view.flags.writeable = False
    return view


def memmap(array, folder):
    file = np.memmap(folder / f"{id(array)}", array.dtype, "w+", shape=array.shape)
    file[...] = array
    return file


def nested(array):
    """The array as lists in lists of NumPy's numbers."""
    return [nested(each) for each in array] if array.ndim else array.dtype.type(array)


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "channels last": channels_last,
    "negative strides": lambda array: np.flip(np.flip(array).copy()),
    "stepped": stepped,
    "read-only": read_only,
    "unaligned": unaligned,
    "byte-swapped": lambda array: array.astype(array.dtype.newbyteorder()),
    "subclass": lambda array: array.view(Subclass),
    "__array__": WithArray,
    "__array_interface__": WithInterface,
    "DLPack": WithDLPack,
    "torch": tensor,
    "torch, transposed": lambda array: tensor(array.T.copy()).permute(*reversed(range(array.ndim))),
    "lists": lambda array: array.tolist(),
    "lists of NumPy's numbers": nested,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_gives_the_same_bits(layout, op_name, sample):
    if layout == "lists" and op_name != "relu":
        pytest.skip("Python's numbers are in float64, which takes long to compile; one operation shows them")
    call = sample(op_name, "float64" if layout == "lists" else "float32")
    given = [LAYOUTS[layout](array.copy()) for array in call.arrays.values()]
    result = call(*given)
    assert bits(result) == bits(call())
    assert {type(values) for values in several(result)} == {np.ndarray}
    for array, original in zip(given, call.arrays.values(), strict=True):
        seen = array.array if isinstance(array, Foreign) else np.asarray(array)
        np.testing.assert_array_equal(seen, original)


def test_memmap_gives_the_same_bits(op_name, sample, tmp_path):
    call = sample(op_name)
    result = call(*(memmap(array, tmp_path) for array in call.arrays.values()))
    assert bits(result) == bits(call())
    assert {type(values) for values in several(result)} == {np.ndarray}


def test_broadcast_inputs():
    x = np.broadcast_to(F4(2), (2, 3, 4, 4))
    np.testing.assert_array_equal(kernels.sum_pool2d(x, 2), np.full((2, 3, 2, 2), 8))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64, np.dtype(">i2")])
def test_labels_of_any_integer_dtype(dtype, sample):
    call = sample("cross_entropy")
    logits, labels = call.arrays.values()
    assert bits(call(logits, labels.astype(dtype))) == bits(call())


def test_scalars_and_any_number_of_axes(target):
    for x in (F4(-1), np.zeros((), F4), np.ones((1,) * 7, F4), np.ones((2, 0, 3), F4)):
        y = kernels.relu(x, device=target.name)
        assert (type(y), y.dtype, y.shape) == (np.ndarray, F4, x.shape)
        np.testing.assert_array_equal(y, np.maximum(x, 0))
        y = kernels.dropout(x, p=0, seed=1, device=target.name)
        assert (y.dtype, y.shape) == (F4, x.shape)
        np.testing.assert_array_equal(y, x)


def test_result_is_an_array_of_the_inputs_dtype(op_name, sample):
    for dtype in ("float32", "float64"):
        call = sample(op_name, dtype)
        outputs = several(call())
        assert [values.shape for values in outputs] == list(call.output_shapes)
        assert {values.dtype for values in outputs} == {np.dtype(dtype)}


def test_bias_may_be_left_out(target, sample):
    for name in ("conv2d", "dense"):
        call = sample(name)
        x, w, b = call.arrays.values()
        assert bits(call(x, w, device=target.name)) == bits(call(x, w, 0 * b, device=target.name))


def test_no_samples(op_name, target, sample):
    call = sample(op_name, batch=0)
    outputs = dict(zip(kernels.OPS[op_name].outputs, several(call(device=target.name)), strict=True))
    assert [values.shape for values in outputs.values()] == list(call.output_shapes)
    for name, values in outputs.items():
        expected = np.nan if name in ("loss", "mean", "var") else 0
        np.testing.assert_array_equal(values, np.full(values.shape, expected))
        assert name in ("dw", "db", "loss", "mean", "var") or values.shape[0] == 0


# out=

OUTS = {
    "contiguous": lambda shape: np.full(shape, 9, F4),
    "Fortran": lambda shape: np.full(shape, 9, F4, order="F"),
    "stepped": lambda shape: stepped(np.full(shape, 9, F4)),
    "negative strides": lambda shape: np.flip(np.full(shape, 9, F4))[...],
    "unaligned": lambda shape: unaligned(np.full(shape, 9, F4)),
    "subclass": lambda shape: np.full(shape, 9, F4).view(Subclass),
    "__array_interface__": lambda shape: WithInterface(np.full(shape, 9, F4)),
    "torch": lambda shape: tensor(np.full(shape, 9, F4)),
}


@cache
def returned(sample, name, device):
    """What the call of the sample returns without ``out``."""
    return several(sample(name)(device=device))


@pytest.mark.parametrize("kind", OUTS)
def test_out_is_filled_and_returned(kind, op_name, target, sample):
    call = sample(op_name)
    out = tuple(OUTS[kind](shape) for shape in call.output_shapes)
    out = out if len(out) > 1 else out[0]
    assert call(out=out, device=target.name) is out
    for got, expected in zip(several(out), returned(sample, op_name, target.name), strict=True):
        np.testing.assert_array_equal(np.asarray(getattr(got, "array", got)), expected)


def test_out_spares_what_lies_between():
    spread = np.full((4, 6), 9, F4)
    kernels.relu(np.ones((2, 3), F4), out=spread[::2, ::2])
    assert spread.sum() == 6 + 9 * 18


def test_out_may_lie_between_the_inputs():
    columns = np.arange(-4, 4, dtype=F4)
    kernels.relu(columns[::2], out=columns[1::2])
    np.testing.assert_array_equal(columns, [-4, 0, -2, 0, 0, 0, 2, 2])


def test_out_may_be_a_list(sample):
    call = sample("dense_backward")
    out = [np.empty(shape, F4) for shape in call.output_shapes]
    assert call(out=out) is out
    assert bits(tuple(out)) == bits(call())


def test_out_of_no_samples():
    out = np.empty((0, 3), F4)
    assert kernels.relu(np.empty((0, 3), F4), out=out) is out


X = np.arange(-6, 6, dtype=F4)
SQUARE = np.ones((4, 4), F4)


def square_backward(*out):
    return kernels.dense_backward(SQUARE, SQUARE, SQUARE, out=out)


def labels_as_out():
    buffer = np.zeros(8, np.int64)
    kernels.cross_entropy_backward(np.zeros((8, 2), F4), buffer, out=buffer.view(F4).reshape(8, 2))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        pytest.param(lambda: kernels.relu(X, out=X), OptionError, ["overlaps x"], id="the input"),
        pytest.param(lambda: kernels.relu(X[1:], out=X[:-1]), OptionError, ["overlaps x"], id="part of the input"),
        pytest.param(lambda: kernels.relu(X[::3], out=X[:4]), OptionError, ["overlaps x"], id="steps of the input"),
        pytest.param(lambda: kernels.relu(X, out=tensor(X)), OptionError, ["overlaps x"], id="torch on the input"),
        pytest.param(labels_as_out, OptionError, ["overlaps labels"], id="the labels"),
        pytest.param(
            lambda: square_backward(SQUARE + 0, out := SQUARE + 0, out[0]),
            OptionError,
            ["out (db)", "overlaps dw"],
            id="another output",
        ),
        pytest.param(
            lambda: kernels.relu(X[:3], out=np.lib.stride_tricks.as_strided(X.copy(), (3,), (0,))),
            OptionError,
            ["out", "share memory"],
            id="itself",
        ),
        pytest.param(
            lambda: kernels.relu(X, out=read_only(X)),
            OptionError,
            ["out", "read-only", "can be written"],
            id="read-only",
        ),
        pytest.param(
            lambda: kernels.relu(X, out=np.zeros(11, F4)), ShapeError, ["out", "(11,)", "needs (12,)"], id="shape"
        ),
        pytest.param(
            lambda: kernels.relu(X, out=np.zeros((12, 1), F4)),
            ShapeError,
            ["out", "(12, 1)", "(12,)"],
            id="no broadcast",
        ),
        pytest.param(
            lambda: kernels.relu(X, out=np.zeros(12)), DtypeError, ["out", "float64", "needs float32"], id="dtype"
        ),
        pytest.param(
            lambda: kernels.relu(X, out=np.ma.zeros(12, F4)), DtypeError, ["out", "masked array"], id="masked array"
        ),
        pytest.param(
            lambda: kernels.relu(X, out=[0.0] * 12), DtypeError, ["out", "list", "needs an array"], id="a list"
        ),
        pytest.param(
            lambda: kernels.relu(X, out=(np.zeros(12, F4),)),
            DtypeError,
            ["out", "tuple", "needs an array"],
            id="a tuple",
        ),
        pytest.param(
            lambda: kernels.relu(F4(1), out=F4(2)), DtypeError, ["out", "float32", "needs an array"], id="a scalar"
        ),
        pytest.param(lambda: kernels.relu(X, out="y"), DtypeError, ["out", "str", "needs an array"], id="text"),
        pytest.param(
            lambda: kernels.relu(X, out=Copying(X)), DtypeError, ["out", "Copying", "needs an array"], id="a copy"
        ),
        pytest.param(
            lambda: square_backward(SQUARE + 0, SQUARE + 0),
            OptionError,
            ["tuple of 3", "dx, dw, db"],
            id="two of three",
        ),
        pytest.param(lambda: square_backward(SQUARE + 0, None, X[:4]), DtypeError, ["out (dw)", "None"], id="None"),
        pytest.param(
            lambda: kernels.dense_backward(SQUARE, SQUARE, SQUARE, out=np.zeros((3, 4, 4), F4)),
            OptionError,
            ["tuple of 3", "dx, dw, db"],
            id="one array for three",
        ),
        pytest.param(
            lambda: square_backward(SQUARE + 0, SQUARE + 0, np.zeros(5, F4)),
            ShapeError,
            ["out (db)", "(5,)", "(4,)"],
            id="the third",
        ),
    ],
)
def test_out_is_refused(call, error, words, refuses):
    with refuses(error, *words):
        call()


def test_nothing_is_written_before_an_error(refuses):
    out = np.full((2, 3), 9, F4)
    with refuses(OptionError, "labels[1] is 3"):
        kernels.cross_entropy_backward(np.zeros((2, 3), F4), [0, 3], out=out)
    with refuses(OptionError, "stream"):
        kernels.relu(np.ones((2, 3), F4), out=out, stream=1)
    np.testing.assert_array_equal(out, 9)


# what is no array, or none of the right kind

NOT_FLOAT = "needs float32 or float64"


@pytest.mark.parametrize(
    ("x", "words"),
    [
        pytest.param(None, ["None", "needs an array"], id="None"),
        pytest.param([[1.0, 2.0], [3.0]], ["list", "needs an array"], id="ragged list"),
        pytest.param([1, 2], ["int64", NOT_FLOAT], id="list of ints"),
        pytest.param("text", ["<U4", NOT_FLOAT], id="text"),
        pytest.param(object(), ["object", NOT_FLOAT], id="object"),
        pytest.param({"a": 1}, ["object", NOT_FLOAT], id="dict"),
        pytest.param(np.ma.masked_less(np.zeros(3, F4), 1), ["masked array", "filled"], id="masked array"),
        *(
            pytest.param(np.zeros(3, dtype), [str(np.dtype(dtype)), NOT_FLOAT], id=np.dtype(dtype).name)
            for dtype in (np.float16, np.longdouble, np.int32, np.uint8, bool, np.complex64, "M8[s]", [("a", "f4")])
        ),
    ],
)
def test_x_is_refused(x, words, refuses):
    for name in ("relu", "softmax"):
        with refuses(DtypeError, f"{name}: x", *words):
            getattr(kernels, name)(x)


def test_a_foreign_array_that_fails(refuses):
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("it is\non fire")

    with refuses(DtypeError, "relu: x: Broken", "it is", "needs an array"):
        kernels.relu(Broken())


def test_a_tensor_that_requires_grad(refuses):
    torch = pytest.importorskip("torch")
    with refuses(DtypeError, "dense: w", "requires grad", "detach"):
        kernels.dense(torch.zeros(2, 3), torch.zeros(4, 3, requires_grad=True))
    with refuses(DtypeError, "relu: x", "BFloat16"):
        kernels.relu(torch.zeros(3, dtype=torch.bfloat16))


def test_every_float_input_has_one_dtype(op_name, sample, refuses):
    call = sample(op_name)
    floats = [item.name for item in kernels.OPS[op_name].inputs if item.kind == "float"]
    for name in floats[1:]:
        mixed = {**call.arrays, name: call.arrays[name].astype(np.float64)}
        with refuses(DtypeError, f"{op_name}: {name}", "float64", floats[0], "float32", "equal"):
            call(*mixed.values())


def test_every_input_is_needed(op_name, sample, refuses):
    call = sample(op_name)
    for item in kernels.OPS[op_name].inputs:
        if not item.optional:
            with refuses(DtypeError, f"{op_name}: {item.name} is None", "needs an array"):
                call(*{**call.arrays, item.name: None}.values())


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([0, 3], OptionError, ["labels[1] is 3", "0 <= value < 3", "logits"]),
        ([-1, 0], OptionError, ["labels[0] is -1", "0 <= value < 3"]),
        (np.array([0, 2**63], np.uint64), OptionError, [f"labels[1] is {2**63}"]),
        ([0.0, 1.0], DtypeError, ["labels", "float64", "integer"]),
        ([True, False], DtypeError, ["labels", "bool", "integer"]),
        ([0], ShapeError, ["labels", "(1,)", "logits", "(2, 3)", "equal"]),
        ([[0, 1]], ShapeError, ["labels", "(1, 2)", "(N,)"]),
        (0, ShapeError, ["labels", "()", "(N,)"]),
        ([[0], [1, 2]], DtypeError, ["labels", "list", "needs an array"]),
    ],
)
def test_labels_are_refused(labels, error, words, target, refuses):
    for name in ("cross_entropy", "cross_entropy_backward"):
        with refuses(error, f"{name}: ", *words):
            getattr(kernels, name)(np.zeros((2, 3), F4), labels, device=target.name)
