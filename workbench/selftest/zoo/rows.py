"""Faults in kernels that work element by element or row by row: relu, dense, softmax and cross-entropy."""

from workbench.selftest.zoo._planting import PARALLEL, Table, plain

_FLAT = {"x, y = x.reshape(-1), y.reshape(-1)": "x, y = x.ravel(), y.ravel()"}
_FLAT_BACKWARD = {
    "dy, x, dx = dy.reshape(-1), x.reshape(-1), dx.reshape(-1)": "dy, x, dx = dy.ravel(), x.ravel(), dx.ravel()"
}
"""Numba does not reshape arrays with gaps."""
_RELU = "y[i] = 0 if x[i] <= 0 else x[i]"
_POINTER = "w.ctypes.data_as(ctypes.POINTER(np.ctypeslib.as_ctypes_type(w.dtype)))"
_EACH_ROW = "    for n in range(x.shape[0]):"
_BIAS_GRADIENT = "            db[m] += dy[n, m]\n"
_ADD_IN_PARALLEL = f"    for n in prange(x.shape[0]):\n        for m in range(w.shape[0]):\n{_BIAS_GRADIENT}"
_RUNNING_SUM = """    sums = np.zeros((x.shape[0] + 1, w.shape[0]), dy.dtype)
    for n in prange(x.shape[0]):
        for m in range(w.shape[0]):
            sums[n + 1, m] = sums[n, m] + dy[n, m]
    db[:] = sums[x.shape[0]]
"""
_RING = f"        ring[n % 16] = largest\n{_EACH_ROW}\n        largest = ring[n % 16]"
_LOSS = "np.log(total) + (largest - logits[n, labels[n]])"

FAULTS: Table = {
    "relu": {
        ("NaN swallowed", "a NaN becomes zero"): _FLAT | {_RELU: "y[i] = x[i] if x[i] > 0 else 0"},
        ("subnormals flushed to zero", "what is smaller than the smallest normal number becomes zero"): _FLAT
        | {"x[i] <= 0": "x[i] < np.finfo(x.dtype).tiny"},
        ("out-of-bounds write by one", "the loop is unrolled by two and has no tail"): _FLAT
        | {"range(x.size)": "range(0, x.size, 2)", _RELU: f"{_RELU}\n{_RELU.replace('[i]', '[i + 1]')}"},
        ("input mutation", "negative elements of the input are cleared in place", plain): {
            "x, y =": "x[x < 0] = 0\nx, y ="
        },
        ("returns zeros", "zeros of the expected shape", plain): {_RELU: "y[i] = 0"},
        ("stale result", "results are kept by shape and dtype", plain): {
            "for i": "y[:] = memory.setdefault((x.shape, x.dtype), np.where(x <= 0, 0, x))\nfor i",
            _RELU: "pass",
        },
    },
    "relu_backward": {
        ("wrong tie rule", "the gradient at zero is one"): _FLAT_BACKWARD | {"<= 0": "< 0"},
        ("missing tail", "blocks of eight; the last, incomplete block is left as it was"): _FLAT_BACKWARD
        | {"range(x.size)": "range(x.size // 8 * 8)"},
        ("Inf or NaN times a mask", "the mask is multiplied, not selected by", plain): {
            "0 if x[i] <= 0 else dy[i]": "dy[i] * (not x[i] <= 0)"
        },
    },
    "dense": {
        ("missing tail", "features in vectors of eight; the remainder is dropped"): {
            "range(w.shape[1])": "range(w.shape[1] // 8 * 8)"
        },
        ("float16 accumulation", "products are added in half precision", plain): {
            "y[n, m] += w[m, k] * x[n, k]": "y[n, m] = np.float16(y[n, m] + w[m, k] * x[n, k])"
        },
        ("float32 accumulation", "the accumulators are float32 whatever the inputs are"): {
            "y[n, m] += w[m, k] * x[n, k]": "y[n, m] = np.float32(y[n, m] + w[m, k] * x[n, k])"
        },
        ("integer overflow in an index", "the flat index into the weights has eight bits"): {
            _EACH_ROW: f"    weights = w.ravel()\n{_EACH_ROW}",
            "w[m, k]": "weights[np.uint8(m * w.shape[1] + k)]",
        },
        ("wrong only for N > 16", "samples beyond the sixteenth reuse its row"): {"x[n, k]": "x[min(n, 15), k]"},
        ("wrong only for non-contiguous input", "the weights are read through a bare pointer", plain): {
            _EACH_ROW: f"    w = np.ctypeslib.as_array({_POINTER}, w.shape)\n{_EACH_ROW}"
        },
        ("stale result", "transposed weights are kept by the address of w", plain): {
            _EACH_ROW: f"    w = memory.setdefault((w.ctypes.data, w.shape, w.dtype), w.T.copy()).T\n{_EACH_ROW}"
        },
    },
    "dense_backward": {
        ("race: accumulation into one element", "samples add to db in parallel", PARALLEL): {
            _EACH_ROW: _ADD_IN_PARALLEL + _EACH_ROW,
            _BIAS_GRADIENT: "",
        },
        ("race: reads the neighbour's output", "a running sum over the samples in parallel", PARALLEL): {
            _EACH_ROW: _RUNNING_SUM + _EACH_ROW,
            _BIAS_GRADIENT: "",
        },
        ("wrong stride", "dw is written as if it were (K, M)", plain): {
            "dw[m, k] +=": "dw.reshape(w.shape[::-1])[k, m] +="
        },
    },
    "softmax": {
        ("unstable softmax", "the maximum is not subtracted", plain): {" - largest)": ")"},
        ("wrong only for non-contiguous input", "rows are taken in the order of memory", plain): {
            _EACH_ROW: f'    x = x.ravel(order="K").reshape(x.shape)\n{_EACH_ROW}'
        },
        ("NaN swallowed", "rows without a positive sum are cleared"): {
            "y[n, k] /= total": "y[n, k] = y[n, k] / total if total > 0 else 0"
        },
        ("race: shared scratch", "one buffer for the exponentials of all rows", PARALLEL): {
            "for n in range": "scratch = np.empty(x.shape[1], x.dtype)\nfor n in prange",
            "y[n, k] = np.exp": "scratch[k] = np.exp",
            "total += y[n, k]": "total += scratch[k]",
            "y[n, k] /= total": "y[n, k] = scratch[k] / total",
        },
        ("wrong only for N > 16", "a ring of sixteen row maxima wraps around"): {
            _EACH_ROW: f"    ring = np.empty(16, x.dtype)\n{_EACH_ROW}",
            "        total =": f"{_RING}\n        total =",
        },
    },
    "softmax_backward": {
        ("off by one in a loop bound", "the last class is missing from the sum"): {
            "for k in range(y.shape[1]):\n            total": "for k in range(y.shape[1] - 1):\n    total"
        },
        ("stale result", "sums are kept by the identity of dy", plain): {
            "dx[n, k] =": "total = memory.setdefault((id(dy), n, y.shape, y.dtype), total)\ndx[n, k] ="
        },
    },
    "cross_entropy": {
        ("loses the largest score", "the textbook's order: max + log(sum) - z[label]"): {
            _LOSS: "(largest + np.log(total)) - logits[n, labels[n]]"
        },
        ("log of zero", "the logarithm of a probability that underflowed", plain): {
            _LOSS: "-np.log(np.exp(logits[n, labels[n]] - largest) / total)"
        },
        ("mean without division", "the losses of the batch are only added", plain): {" / batch": ""},
        ("wrong for an empty batch", "the mean of no losses is zero", plain): {"0 if batch > 0 else np.nan": "0"},
    },
    "cross_entropy_backward": {
        ("mean without division", "the gradient of the sum, not of the mean", plain): {"/= batch": "/= 1"},
        ("input mutation", "the maximum is subtracted in place", plain): {
            "softmax_reference(l": "logits -= logits.max(axis=1, keepdims=True)\nsoftmax_reference(l"
        },
    },
}
