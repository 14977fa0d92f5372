"""What is to be reached, and the work that it is measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from statistics import fmean
from typing import Any

import numpy as np

from kernels import OPS, Implementation
from kernels.call.registry import implementations
from workbench.cases import BenchCase, named_cases, parse_case
from workbench.predicting.gpus import Gpu

EPOCH_SAMPLES, BATCH = 60_000, 64
"""Of MNIST, and of a step."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A row of the table.

    Attributes
    ----------
    key, name : in the results, and for readers
    unit : "ms", "us", "s", "%" or "x"
    goal, stretch : what is to be reached
    is_measured_only : whether no prediction is made
    """

    key: str
    name: str
    unit: str
    goal: float
    stretch: float
    is_measured_only: bool = False

    def is_reached(self, value: float) -> bool:
        """Return whether a value is at least as good as the goal."""
        return value <= self.goal if self.unit in ("ms", "us", "s") else value >= self.goal


TARGETS = (
    Target(key="epoch", name="LeNet-5 MNIST epoch, batch 64", unit="ms", goal=30, stretch=14),
    Target(key="eager", name="... PyTorch eager / ours", unit="x", goal=20, stretch=40, is_measured_only=True),
    Target(
        key="torch_graph",
        name="... PyTorch with CUDA graphs / ours",
        unit="x",
        goal=3,
        stretch=6,
        is_measured_only=True,
    ),
    Target(
        key="to_99",
        name="from start of training to 99 % test accuracy, median of 5 seeds",
        unit="s",
        goal=0.3,
        stretch=0.1,
        is_measured_only=True,
    ),
    Target(key="conv2d", name="conv2d float32 over the bench cases, share of FP32 peak", unit="%", goal=55, stretch=75),
    Target(key="cudnn", name="... cuDNN without TF32 / ours", unit="x", goal=0.7, stretch=1.0, is_measured_only=True),
    Target(key="dense", name="dense 4096x4096, batch 512: share of FP32 peak", unit="%", goal=75, stretch=85),
    Target(
        key="tensor", name="conv2d and dense bf16: share of tensor peak, geometric mean", unit="%", goal=25, stretch=50
    ),
    Target(key="bandwidth", name="ReLU, pooling, softmax: share of DRAM bandwidth", unit="%", goal=85, stretch=92),
    Target(
        key="launch",
        name="launch of a public call on device arrays, Python and driver",
        unit="us",
        goal=20,
        stretch=10,
        is_measured_only=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Work:
    """A call whose time counts for a target.

    Attributes
    ----------
    key : of the target
    op, case : the operation and its case
    outputs : of a backward pass, what is computed; empty for all
    precision : as for the public functions
    """

    key: str
    op: str
    case: BenchCase
    outputs: tuple[str, ...] = ()
    precision: str | None = None

    @property
    def implementation(self) -> Implementation:
        """The kernel that dispatch chooses."""
        given = self.case.shapes, self.case.options, "float32"
        return next(
            each
            for each in implementations(self.op)
            if (each.device, each.precision) == ("cuda", self.precision)
            and each.accepts(*given)
            and set(self.outputs) <= set(each.computes or OPS[self.op].outputs)
        )

    def call(self, place: Callable[[Any], Any]) -> Callable[[], None]:
        """Return the call, on arrays that ``place`` puts on the device."""
        op, own, case = OPS[self.op], self.implementation, self.case
        inputs = [place(array) for array in case.arrays("float32").values()]
        sizes = list(zip(op.output_shapes(case.shapes, case.options), op.dtypes_of_outputs("float32"), strict=True))
        outputs = [place(np.zeros(*size)) for size in own.of_outputs(op.outputs, sizes)]
        options = op.option_values(case.options)
        return lambda: own.function(*inputs, *options, *outputs)

    def share(self, ms: float, gpu: Gpu) -> float:
        """Return the share of the GPU's limit in percent: of its arithmetic, or of its memory's bandwidth as stated."""
        op, case = OPS[self.op], self.case
        if self.key == "bandwidth":
            return 100 * op.moved_bytes(case.shapes, case.options, 4) / (ms * 1e6) / gpu.memory_gbps
        parts = [op.parts[name].flops(case.shapes, case.options) for name in self.outputs]
        peak = gpu.float32_gflops if self.precision is None else gpu.tensor_gflops
        return 100 * (sum(parts) or op.flops(case.shapes, case.options)) / (ms * 1e6) / peak


def work(*, small: bool) -> list[Work]:
    """Return all calls; ``small`` ones, of which the simulator runs many, to try the script."""
    if small:
        conv, dense = "x=1x32x6x6 w=32x32x3x3 padding=1", "x=64x64 w=64x64"
        memory = {"relu": "x=1x4x8x8", "max_pool2d": "x=1x4x8x8 kernel_size=2", "softmax": "x=8x40"}
    else:
        conv, dense = "", "x=512x4096 w=4096x4096"
        memory = {"relu": "x=64x64x128x128", "max_pool2d": "x=64x64x128x128 kernel_size=2", "softmax": "x=65536x1024"}
    cases = (
        [parse_case(OPS["conv2d"], conv)] if conv else [each for each in named_cases("conv2d") if "-b" not in each.name]
    )
    found = [Work(key="conv2d", op="conv2d", case=case) for case in cases]
    backward = [parse_case(OPS["conv2d_backward"], conv)] if conv else named_cases("conv2d_backward")
    for case in backward:
        if "-b" not in case.name:
            found += [
                Work(key="conv2d", op="conv2d_backward", case=case, outputs=out) for out in (("dx",), ("dw", "db"))
            ]
    dense_case = parse_case(OPS["dense"], dense)
    found += [
        Work(key="dense", op="dense", case=dense_case),
        Work(key="tensor", op="dense", case=dense_case, precision="bf16"),
        *(Work(key="tensor", op="conv2d", case=case, precision="bf16") for case in cases if _has_tiles(case)),
    ]
    return found + [Work(key="bandwidth", op=op, case=parse_case(OPS[op], text)) for op, text in memory.items()]


def _has_tiles(case: BenchCase) -> bool:
    """Return whether tensor cores compute a convolution."""
    given = case.shapes, case.options, "float32"
    return any(each.precision is not None and each.accepts(*given) for each in implementations("conv2d"))


def mean_share(shares: list[float]) -> float:
    """Return the geometric mean."""
    return exp(fmean(map(log, shares)))
