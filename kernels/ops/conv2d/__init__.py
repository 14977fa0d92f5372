"""Declare conv2d and its backward pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

from kernels.declare.errors import ShapeError
from kernels.declare.op import PRECISIONS, Implementation, Input, Op, Option, Options, Part, Shape, Shapes
from kernels.declare.rounding import Sum
from kernels.declare.shapes import expect_shape, window_output
from kernels.ops.conv2d.reference import (
    conv2d_backward_multiplied,
    conv2d_backward_reference,
    conv2d_multiplied,
    conv2d_reference,
)
from kernels.ops.conv2d.rules import (
    CHANNEL_SHARE,
    CHANNEL_TERMS,
    FILLED,
    LANE_OUTPUTS,
    LANES,
    SAMPLE_CHANNELS,
    SAMPLE_TAPS,
    SHORT,
    SHORT_BACK,
    SHORT_PLANE,
    TILE_CHANNELS,
    VERY_SHORT,
    WHOLE,
)

_X = Input(name="x", axes=("N", "C", "H", "W"))
_W = Input(name="w", axes=("O", "C/groups", "KH", "KW"))
_B = Input(name="b", axes=("O",), optional=True)
_DY = Input(name="dy", axes=("N", "O", "OH", "OW"))

_OPTIONS = (
    Option(name="stride", form="pair", default=1, low=1, high=3),
    Option(name="padding", form="padding", default=0, low=0, high=3),
    Option(name="dilation", form="pair", default=1, low=1, high=3),
    Option(name="groups", form="count", default=1, low=1, high=3),
)


def _window(shapes: Shapes, _options: Options) -> tuple[int, int]:
    return shapes["w"][2], shapes["w"][3]


def _output_shape(op: str, shapes: Shapes, options: Options) -> Shape:
    x, w, groups = shapes["x"], shapes["w"], options["groups"]
    if x[1] % groups or w[0] % groups:
        raise ShapeError(
            f"{op}: groups {groups} must divide the channels of x (axis 1 of {x} is {x[1]}) and the outputs of w "
            f"(axis 0 of {w} is {w[0]})"
        )
    if w[1] != x[1] // groups:
        raise ShapeError(
            f"{op}: w has {w[1]} channels on axis 1 of {w}, needs {x[1] // groups}: the {x[1]} channels of x {x} "
            f"over {groups} group{'s' if groups > 1 else ''}"
        )
    return (x[0], w[0], *window_output(op, x, _window(shapes, options), options))


def _forward_shapes(shapes: Shapes, options: Options) -> tuple[Shape, ...]:
    return (_output_shape("conv2d", shapes, options),)


def _backward_shapes(shapes: Shapes, options: Options) -> tuple[Shape, ...]:
    y = _output_shape("conv2d_backward", shapes, options)
    expect_shape("conv2d_backward", "dy", shapes["dy"], y, "the shape of conv2d's y for these x, w and options")
    return shapes["x"], shapes["w"], (shapes["w"][0],)


def _taps(shapes: Shapes) -> int:
    _, channels, kernel_h, kernel_w = shapes["w"]
    return channels * kernel_h * kernel_w


def _positions(shapes: Shapes) -> int:
    batch, _, out_h, out_w = shapes["dy"]
    return batch * out_h * out_w


def _forward_flops(shapes: Shapes, options: Options) -> int:
    batch, channels, out_h, out_w = _forward_shapes(shapes, options)[0]
    return 2 * batch * channels * out_h * out_w * _taps(shapes)


def _product_flops(shapes: Shapes, _options: Options) -> int:
    """Count the arithmetic of dx, or of dw: a multiply-add for every tap at every position of dy."""
    return 2 * _bias_flops(shapes, _options) * _taps(shapes)


def _bias_flops(shapes: Shapes, _options: Options) -> int:
    return _positions(shapes) * shapes["w"][0]


def _backward_flops(shapes: Shapes, options: Options) -> int:
    return sum(part.flops(shapes, options) for part in _PARTS.values())


_PARTS = {
    "dx": Part(needs=("dy", "w"), flops=_product_flops),
    "dw": Part(needs=("dy", "x"), flops=_product_flops),
    "db": Part(needs=("dy",), flops=_bias_flops),
}


def _backward_roundings(shapes: Shapes, options: Options) -> tuple[int, ...]:
    outputs, _, kernel_h, kernel_w = shapes["w"]
    into_dx = outputs // options["groups"] * kernel_h * kernel_w
    return into_dx, _positions(shapes), max(_positions(shapes) - 1, 0)


OPS = (
    Op(
        name="conv2d",
        summary="2-D cross-correlation of images with a bank of filters",
        inputs=(_X, _W, _B),
        options=_OPTIONS,
        outputs=("y",),
        output_shapes=_forward_shapes,
        flops=_forward_flops,
        # one for the product, one for every addition; the bias is the first term
        rounding=Sum(lambda shapes, _: (_taps(shapes) + 1,), magnitudes=("x", "w", "b")),
        reference=conv2d_reference,
        alternatives=(conv2d_multiplied,),
        window=_window,
        backward="conv2d_backward",
        linear_in=("x", "w"),
    ),
    Op(
        name="conv2d_backward",
        summary="gradients of conv2d with respect to x, w and b",
        inputs=(_DY, _X, _W),
        options=_OPTIONS,
        outputs=("dx", "dw", "db"),
        output_shapes=_backward_shapes,
        flops=_backward_flops,
        parts=_PARTS,
        rounding=Sum(_backward_roundings, magnitudes=("dy", "x", "w")),
        reference=conv2d_backward_reference,
        alternatives=(conv2d_backward_multiplied,),
        window=_window,
    ),
)


def _own_filters(shapes: Shapes, options: Options, _dtype: str) -> bool:
    return shapes["w"][1] == 1 and shapes["w"][0] == int(options["groups"])


def _filled(count: int) -> float:
    """Return the share of the SIMD lanes that so many numbers fill, in as few registers as they need."""
    return count / (ceil(count / LANES) * LANES) if count else 0.0


@dataclass(frozen=True, kw_only=True)
class _Correlation:
    """A convolution, or the gradient of its input, as sums over the windows of a source.

    Attributes
    ----------
    batch, channels : samples, and channels of a group of the result
    rows, columns : of the result that meet the same taps
    terms : of a sum
    stride : of the convolution
    pointwise : whether filters are 1 x 1
    short : the share of the lanes that is few for a row
    """

    batch: int
    channels: int
    rows: int
    columns: int
    terms: int
    stride: tuple[int, int]
    pointwise: bool
    short: float

    @property
    def channels_are_lanes(self) -> bool:
        """Whether channels fill the SIMD lanes about as well as a row does."""
        enough = _filled(self.channels) >= CHANNEL_SHARE * _filled(self.columns) and self.channels > 0
        return not self.pointwise and self.terms >= CHANNEL_TERMS and enough

    @property
    def samples_are_lanes(self) -> bool:
        """Whether samples fill the SIMD lanes while neither channels nor rows do, or rows are strided."""
        if _filled(self.batch) < FILLED:
            return False
        if self.channels <= SAMPLE_CHANNELS:
            return True
        if self.pointwise:
            return self.rows * self.columns <= SHORT_PLANE
        if self.stride == (1, 1):
            is_theirs = self.channels_are_lanes and _filled(self.channels) >= WHOLE and self.columns > VERY_SHORT
            if is_theirs or _filled(self.columns) >= self.short:
                return False
        return self.terms <= SAMPLE_TAPS


def _forward(shapes: Shapes, options: Options) -> _Correlation:
    y = _forward_shapes(shapes, options)[0]
    return _Correlation(
        batch=y[0],
        channels=y[1] // int(options["groups"]),
        rows=y[2],
        columns=y[3],
        terms=_taps(shapes),
        stride=options["stride"],
        pointwise=_window(shapes, options) == (1, 1),
        short=SHORT,
    )


def _backward(shapes: Shapes, options: Options) -> _Correlation:
    outputs, channels, kernel_h, kernel_w = shapes["w"]
    batch, _, height, width = shapes["x"]
    down, across = options["stride"]
    return _Correlation(
        batch=batch,
        channels=channels,
        rows=ceil(height / down),
        columns=ceil(width / across),
        terms=outputs // int(options["groups"]) * kernel_h * kernel_w // (down * across),
        stride=(down, across),
        pointwise=(kernel_h, kernel_w) == (1, 1),
        short=SHORT_BACK,
    )


def _forward_of_samples(shapes: Shapes, options: Options, _dtype: str) -> bool:
    return _forward(shapes, options).samples_are_lanes


def _inputs_of_samples(shapes: Shapes, options: Options, _dtype: str) -> bool:
    return _backward(shapes, options).samples_are_lanes


def _forward_of_channels(shapes: Shapes, options: Options, _dtype: str) -> bool:
    return _forward(shapes, options).channels_are_lanes


def _inputs_of_channels(shapes: Shapes, options: Options, _dtype: str) -> bool:
    return _backward(shapes, options).channels_are_lanes


def _fills_tiles(shapes: Shapes, options: Options, dtype: str) -> bool:
    return shapes["w"][0] >= TILE_CHANNELS * int(options["groups"]) and _fits_tiles(shapes, options, dtype)


def _fills_tiles_back(shapes: Shapes, options: Options, dtype: str) -> bool:
    return shapes["w"][1] >= TILE_CHANNELS and _fits_tiles(shapes, options, dtype)


def _fits_tiles(shapes: Shapes, options: Options, dtype: str) -> bool:
    """Return whether the pixels of all samples, and the taps, have numbers of 31 bits, and the values 32."""
    batch, _, height, width = shapes["x"]
    y = _output_shape("conv2d", shapes, options)
    pixels = max(batch * height * width, y[0] * y[2] * y[3])
    return dtype == "float32" and max(pixels, _taps(shapes) * shapes["w"][0]) < 2**31


_TILES = f"float32, {TILE_CHANNELS} output channels in a group or more"
_TILES_BACK = f"float32, {TILE_CHANNELS} input channels in a group or more"
_SAMPLES = f"samples in {LANES}s; few channels, short rows or a stride"
_CHANNELS = f"channels fill the {LANES} lanes as columns do, {CHANNEL_TERMS} terms or more, larger than 1 x 1"
_OWN_FILTERS = "one input and one output channel in a group"


def _implementation(op: str, device: str, algorithm: str, target: str, **more: Any) -> Implementation:
    return Implementation(op=op, device=device, algorithm=algorithm, target=f"{__name__}.{target}", **more)


def _on_tensor_cores(op: str, algorithm: str, target: str, when: str, **more: Any) -> Iterator[Implementation]:
    for precision in PRECISIONS:
        rule, name = f"{when}, precision {precision!r}", f"{algorithm}-{precision}"
        yield _implementation(op, "cuda", name, f"{target}_{precision}_cuda", when=rule, precision=precision, **more)


IMPLEMENTATIONS = (
    _implementation(
        "conv2d",
        "cpu",
        "depthwise",
        "cpu.depthwise:conv2d_depthwise_cpu",
        accepts=_own_filters,
        when=_OWN_FILTERS,
    ),
    _implementation(
        "conv2d", "cpu", "batch-tiles", "cpu.batch:conv2d_batch_cpu", accepts=_forward_of_samples, when=_SAMPLES
    ),
    _implementation(
        "conv2d",
        "cpu",
        "channel-tiles",
        "cpu.channel_tiles:conv2d_channels_cpu",
        accepts=_forward_of_channels,
        when=_CHANNELS,
    ),
    _implementation("conv2d", "cpu", "bands", "cpu.bands:conv2d_bands_cpu"),
    _implementation("conv2d", "cpu", "batch-lanes", "cpu.lanes:conv2d_cpu"),
    _implementation("conv2d", "cuda", "tiles", "cuda.tiles:conv2d_tiles_cuda", accepts=_fills_tiles, when=_TILES),
    *_on_tensor_cores("conv2d", "tiles", "cuda.tiles:conv2d", accepts=_fills_tiles, when=_TILES),
    _implementation("conv2d", "cuda", "direct", "cuda.pixel_threads:conv2d_cuda"),
    _implementation(
        "conv2d_backward",
        "cpu",
        "depthwise",
        "cpu.depthwise:conv2d_dx_depthwise_cpu",
        computes=("dx",),
        accepts=_own_filters,
        when=_OWN_FILTERS,
    ),
    _implementation(
        "conv2d_backward",
        "cpu",
        "batch-tiles",
        "cpu.batch:conv2d_dx_batch_cpu",
        computes=("dx",),
        accepts=_inputs_of_samples,
        when=_SAMPLES,
    ),
    _implementation(
        "conv2d_backward",
        "cpu",
        "channel-tiles",
        "cpu.channel_tiles:conv2d_dx_channels_cpu",
        computes=("dx",),
        accepts=_inputs_of_channels,
        when=_CHANNELS,
    ),
    _implementation("conv2d_backward", "cpu", "bands", "cpu.bands:conv2d_dx_bands_cpu", computes=("dx",)),
    _implementation(
        "conv2d_backward",
        "cpu",
        "column-lanes",
        "cpu.dw_columns:conv2d_dw_columns_cpu",
        computes=("dw", "db"),
        accepts=lambda shapes, options, _dtype: shapes["w"][0] < LANE_OUTPUTS * options["groups"],
        when=f"fewer than {LANE_OUTPUTS} output channels in a group",
    ),
    _implementation(
        "conv2d_backward", "cpu", "output-lanes", "cpu.dw_outputs:conv2d_dw_outputs_cpu", computes=("dw", "db")
    ),
    _implementation("conv2d_backward", "cpu", "batch-lanes", "cpu.lanes:conv2d_backward_cpu"),
    _implementation(
        "conv2d_backward",
        "cuda",
        "tiles",
        "cuda.tiles:conv2d_dx_tiles_cuda",
        computes=("dx",),
        accepts=_fills_tiles_back,
        when=_TILES_BACK,
    ),
    *_on_tensor_cores(
        "conv2d_backward",
        "tiles",
        "cuda.tiles:conv2d_dx",
        computes=("dx",),
        accepts=_fills_tiles_back,
        when=_TILES_BACK,
    ),
    _implementation("conv2d_backward", "cuda", "direct", "cuda.pixel_threads:conv2d_dx_cuda", computes=("dx",)),
    _implementation(
        "conv2d_backward",
        "cuda",
        "tap-tiles",
        "cuda.tap_tiles:conv2d_dw_tiles_cuda",
        computes=("dw", "db"),
        accepts=_fills_tiles,
        when=_TILES,
    ),
    *_on_tensor_cores(
        "conv2d_backward",
        "tap-tiles",
        "cuda.tap_tiles:conv2d_dw",
        computes=("dw", "db"),
        accepts=_fills_tiles,
        when=_TILES,
    ),
    _implementation("conv2d_backward", "cuda", "blocks", "cuda.weight_sums:conv2d_dw_cuda", computes=("dw", "db")),
)
