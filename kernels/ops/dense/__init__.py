"""Declarations of dense (fully connected) and its backward pass."""

from kernels.declare.op import PRECISIONS, Implementation, Input, Op, Options, Part, Shapes
from kernels.declare.rounding import Sum
from kernels.ops.dense.reference import dense_backward_reference, dense_reference

_X = Input(name="x", axes=("N", "K"))
_W = Input(name="w", axes=("M", "K"))
_B = Input(name="b", axes=("M",), optional=True)
_DY = Input(name="dy", axes=("N", "M"))


def _forward_flops(shapes: Shapes, _options: Options) -> int:
    (batch, features), outputs = shapes["x"], shapes["w"][0]
    return 2 * batch * features * outputs


def _bias_flops(shapes: Shapes, _options: Options) -> int:
    batch, outputs = shapes["dy"]
    return batch * outputs


def _backward_flops(shapes: Shapes, options: Options) -> int:
    return sum(part.flops(shapes, options) for part in _PARTS.values())


_PARTS = {
    "dx": Part(needs=("dy", "w"), flops=_forward_flops),
    "dw": Part(needs=("dy", "x"), flops=_forward_flops),
    "db": Part(needs=("dy",), flops=_bias_flops),
}


def _backward_roundings(shapes: Shapes, _options: Options) -> tuple[int, ...]:
    batch, outputs = shapes["dy"]
    return outputs, batch, max(batch - 1, 0)


OPS = (
    Op(
        name="dense",
        summary="fully connected layer, x w^T + b",
        inputs=(_X, _W, _B),
        outputs=("y",),
        output_shapes=lambda shapes, _: ((shapes["x"][0], shapes["w"][0]),),
        flops=_forward_flops,
        # one for the product, one for every addition; the bias is the first term
        rounding=Sum(lambda shapes, _: (shapes["x"][1] + 1,), magnitudes=("x", "w", "b")),
        reference=dense_reference,
        backward="dense_backward",
        linear_in=("x", "w"),
    ),
    Op(
        name="dense_backward",
        summary="gradients of dense with respect to x, w and b",
        inputs=(_DY, _X, _W),
        outputs=("dx", "dw", "db"),
        output_shapes=lambda shapes, _: (shapes["x"], shapes["w"], (shapes["w"][0],)),
        flops=_backward_flops,
        parts=_PARTS,
        rounding=Sum(_backward_roundings, magnitudes=("dy", "x", "w")),
        reference=dense_backward_reference,
    ),
)


FEW_SAMPLES = 12
"""With fewer samples, lanes along the features are faster than partly filled lanes of samples; measured with 16 lanes."""


IMPLEMENTATIONS = (
    Implementation(
        op="dense",
        device="cpu",
        algorithm="few-samples",
        target=f"{__name__}.cpu.few:dense_few_cpu",
        accepts=lambda shapes, _options, _dtype: shapes["x"][0] < FEW_SAMPLES,
        when=f"fewer than {FEW_SAMPLES} samples",
    ),
    Implementation(op="dense", device="cpu", algorithm="panels", target=f"{__name__}.cpu.panels:dense_cpu"),
    Implementation(
        op="dense_backward", device="cpu", algorithm="panels", target=f"{__name__}.cpu.gradients:dense_backward_cpu"
    ),
    *(
        Implementation(op=op.name, device="cuda", algorithm="tiles", target=f"{__name__}.cuda:{op.name}_cuda")
        for op in OPS
    ),
    *(
        Implementation(
            op=op.name,
            device="cuda",
            algorithm=f"tiles-{precision}",
            target=f"{__name__}.cuda:{op.name}_{precision}_cuda",
            accepts=lambda _shapes, _options, dtype: dtype == "float32",
            when=f"float32, precision {precision!r}",
            precision=precision,
        )
        for op in OPS
        for precision in PRECISIONS
    ),
)
