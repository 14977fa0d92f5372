"""Faults in kernels that slide windows over images: convolution and pooling."""

from workbench.selftest.zoo._planting import FASTMATH, PARALLEL, Table, plain

_SIZE = "height, width = x.shape[2:]"
_HOISTED = {
    _SIZE: f"{_SIZE}\npad_h, pad_w = padding",
    "padding[0][0]": "pad_h[0]",
    "padding[1][0]": "pad_w[0]",
}
"""A parallel loop cannot capture a tuple of tuples."""
_INSIDE = "0 <= row < height and 0 <= col < width"
_OWN_SIZES = """y[...] = 0
flat = y.ravel()
out_h, out_w = y.shape[2:]
if ceil_mode:
    out_h = 1 - (dilation[0] * (kernel_size[0] - 1) + 1 - height - padding[0][0] - padding[0][1]) // stride[0]
    out_w = 1 - (dilation[1] * (kernel_size[1] - 1) + 1 - width - padding[1][0] - padding[1][1]) // stride[1]"""
_PLACE_IN_THEM = """index = ((n * x.shape[1] + c) * out_h + i) * out_w + j
if index < flat.size:
    flat[index] += x[n, c, row, col]"""
_SUMMED = """y[...] = 0
table = np.zeros((*x.shape[:2], height + 1, width + 1), x.dtype)
table[:, :, 1:, 1:] = x.cumsum(axis=2).cumsum(axis=3)"""
_DIFFERENCES = """below = table[n, c, row + 1, col + 1] - table[n, c, row + 1, col]
y[n, c, i, j] += below - (table[n, c, row, col + 1] - table[n, c, row, col])"""
_SPREAD = "sum_pool2d_backward_reference(shares, x, kernel_size, stride, padding, dilation, ceil_mode, dx)"

FAULTS: Table = {
    "conv2d": {
        ("off by one in a loop bound", "the last row of the image counts as padding"): {
            "row < height": "row < height - 1"
        },
        ("lost bias", "the bias is never added"): {"= b[o]": "= 0"},
        ("wrong stride", "the vertical stride is used for both axes"): {"stride[1]": "stride[0]"},
        ("height and width swapped", "the padding of the left is applied at the top and the other way round"): {
            "padding[0][0]": "padding[1][0]",
            "padding[1][0]": "padding[0][0]",
        },
        ("swapped kernel axes", "the filter is transposed"): {"w[o, c, p, q]": "w[o, c, q % kernel_h, p % kernel_w]"},
        ("convolution instead of correlation", "the filter is turned by 180 degrees"): {
            "w[o, c, p, q]": "w[o, c, kernel_h - 1 - p, kernel_w - 1 - q]"
        },
        ("missing zero padding", "pixels of the edge are repeated where zeros belong"): {
            f"if {_INSIDE}:": "row, col = min(max(row, 0), height - 1), min(max(col, 0), width - 1)\nif True:"
        },
        ("Inf or NaN weight times padding", "the zeros of a padded copy are multiplied", plain): {
            _SIZE: f"x = np.pad(x, ((0, 0), (0, 0), *padding))\n{_SIZE}",
            " - padding[0][0]": "",
            " - padding[1][0]": "",
        },
        ("wrong group offset", "every group reads the channels of the first"): {
            "channel = o // group_out * group_in + c": "channel = c"
        },
        ("dilation ignored in one axis", "the taps of a row are always neighbours"): {"q * dilation[1]": "q"},
        ("wrong only for many channels", "a table of eight channels wraps around"): {
            "x[n, channel, row, col]": "x[n, channel & 7, row, col]"
        },
    },
    "conv2d_backward": {
        ("race: accumulation into one element", "samples add to dw and db in parallel", PARALLEL): _HOISTED
        | {"for n in range": "for n in prange"},
        ("sum on dirty output", "dw is added to what was there"): {"    dw[...] = 0\n": ""},
        ("wrong for an empty batch", "without samples it returns before dw and db are cleared"): {
            _SIZE: f"if x.shape[0] == 0:\n    return\n{_SIZE}"
        },
    },
    "max_pool2d": {
        ("-inf padding lost", "padding counts as zero"): {
            f"if {_INSIDE}:": f"if not ({_INSIDE}):\n    y[n, c, i, j] = max(y[n, c, i, j], x.dtype.type(0))\nelse:"
        },
        ("NaN swallowed", "fastmath removes the test for NaN", FASTMATH): {"np.isnan(value)": "value != value"},
        ("out-of-bounds read by one", "a window may reach one column behind the image"): {
            "col < width": "col <= width"
        },
        ("race: last writer wins", "rows of the image raise the maxima of their windows", PARALLEL): _HOISTED
        | {"for p in range": "for p in prange"},
    },
    "max_pool2d_backward": {
        ("wrong tie rule", "the last of equal values gets the gradient"): {"value > best": "value >= best"},
    },
    "avg_pool2d": {
        ("division by the window", "padding counts although count_include_pad is False", plain): {
            "sides if count_include_pad else (0, 0)": "sides"
        },
        ("wrong in ceil_mode", "taps beyond the padding, of a window that sticks out, are counted"): {
            "if -before <=": "if count_include_pad or -before <="
        },
    },
    "avg_pool2d_backward": {
        ("output left unwritten", "the last element of every plane of dx", plain): {
            _SPREAD: f"unwritten = dx[:, :, -1, -1].copy()\n{_SPREAD}\ndx[:, :, -1, -1] = unwritten"
        },
    },
    "sum_pool2d": {
        ("window kept that starts in padding", "computes the size in ceil_mode by itself, one too many"): {
            "y[...] = 0": _OWN_SIZES,
            "range(y.shape[2])": "range(out_h)",
            "range(y.shape[3])": "range(out_w)",
            "y[n, c, i, j] += x[n, c, row, col]": _PLACE_IN_THEM,
        },
        ("cancellation", "sums are differences of a summed-area table", plain): {
            "y[...] = 0": _SUMMED,
            "y[n, c, i, j] += x[n, c, row, col]": _DIFFERENCES,
        },
        ("uninitialised scratch", "the accumulators come from np.empty"): {
            "y[...] = 0": "y[...] = np.empty(y.shape, y.dtype)"
        },
    },
    "sum_pool2d_backward": {
        ("race: accumulation into one element", "overlapping windows in parallel", PARALLEL): _HOISTED
        | {"for i in range": "for i in prange"},
        ("depends on the number of calls", "every fourth call forgets to clear dx", plain): {
            "dx[...] = 0": 'memory["calls"] = memory.get("calls", 0) + 1\nif memory["calls"] % 4:\n    dx[...] = 0'
        },
    },
}
