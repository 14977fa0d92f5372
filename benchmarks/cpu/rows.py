"""The rows of the table: the work, the measurement, and the target of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import exp, fsum, log
from typing import Any

import numpy as np

from benchmarks.cpu import starting
from benchmarks.cpu.contests import Outcome, Sides, sides
from benchmarks.cpu.drawn import drawn_convolutions
from kernels import OPS
from workbench.benching.bench_request import is_batched
from workbench.benching.networks import NetworkCase
from workbench.benching.rows import finite
from workbench.cases import BenchCase, named_cases
from workbench.cases.timed_case import backward_of, bench_case
from workbench.network.presets import PRESET_IMAGE_SIZE, layer_spec
from workbench.network.spec import build

THREADS = 2
SAMPLES = 60_000
"""The number of images in MNIST's training set."""

EPOCH_BATCH = 64
SAMPLES_PER_CALL = 2048
"""An epoch is timed in runs over this many samples."""

OTHER_BATCHES = (32, 128, 256, 1024)
MEMORY_BOUND = ("relu", "max_pool2d", "avg_pool2d", "softmax")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table.

    Attributes
    ----------
    work : what was measured
    target, stretch : the required figure, and a more ambitious one
    measured : the figure
    unit : "x" (PyTorch's time over ours), "%" (of the peak), "s", "MiB"; for the last two, less is better
    note : details of the figure
    """

    work: str
    target: float
    stretch: float | None
    measured: float
    unit: str = "x"
    note: str = ""

    @property
    def verdict(self) -> str:
        """Return which targets the figure reaches."""
        sign = -1 if self.unit in ("s", "MiB") else 1
        for word, wanted in (("stretch", self.stretch), ("met", self.target)):
            if wanted is not None and sign * self.measured >= sign * wanted:
                return word
        return "missed"


@dataclass(frozen=True, kw_only=True)
class Part:
    """The result of one measurement: rows, and the figures that they are computed from."""

    rows: Sequence[Row]
    outcomes: Sequence[Outcome] = ()
    figures: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        rows = [asdict(row) | {"verdict": row.verdict} for row in self.rows]
        return {"rows": rows, "figures": self.figures, "cases": [finite(asdict(outcome)) for outcome in self.outcomes]}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Seconds per contestant for a network and for an operation, and the number of timed starts from a warm cache."""

    network_s: float
    operation_s: float
    starts: int


Told = Callable[[str], None]
Measure = Callable[[Budget, Told], Part]


def training(budget: Budget, tell: Told) -> Part:
    """Measure LeNet-5's training step at batch 64 on two threads, and its share of the measured peak."""
    case = _network("train", EPOCH_BATCH)
    with sides(THREADS) as pair:
        before = pair.peak()
        outcome = _told(tell, pair.network(case, budget.network_s))
        after = pair.peak()
    steps = -(-SAMPLES // EPOCH_BATCH)
    epochs = {name: steps * ms / 1e3 for name, ms in outcome.median_ms.items()}
    gflops = needed_flops() * EPOCH_BATCH / outcome.ours_ms / 1e6
    peak = max(before, after)  # other load can only lower it
    return Part(
        rows=[
            Row(
                work=f"LeNet-5 training, MNIST epoch, batch {EPOCH_BATCH}, {THREADS} threads: PyTorch time / ours",
                target=7,
                stretch=9,
                measured=outcome.ratio,
                note="; ".join(
                    f"{name}: step {outcome.median_ms[name]:.3f} ms, epoch of {steps} {epochs[name]:.2f} s"
                    for name in (outcome.ours, outcome.torch)
                ),
            ),
            Row(
                work="share of the measured FMA peak during that epoch",
                target=60,
                stretch=70,
                measured=100 * gflops / peak,
                unit="%",
                note=f"{gflops:.1f} GFLOP/s; peak {before:.0f} before, {after:.0f} after",
            ),
        ],
        outcomes=[outcome],
        figures={"epoch_s": epochs, "steps": steps, "peak_gflops": [before, after], "flops_per_sample": needed_flops()},
    )


def other_training(budget: Budget, tell: Told) -> Part:
    """Measure the training step at other batches, and on one thread."""
    with sides(THREADS) as pair:
        outcomes = [_told(tell, pair.network(_network("train", size), budget.network_s)) for size in OTHER_BATCHES]
    with sides(1) as pair:
        outcomes.append(_told(tell, pair.network(_network("train", EPOCH_BATCH), budget.network_s)))
    worst = min(outcomes, key=lambda outcome: outcome.ratio)
    each = ", ".join(f"{outcome.case.rpartition('-')[2]} {outcome.ratio:.2f}" for outcome in outcomes[:-1])
    return Part(
        rows=[
            Row(
                work="the same at batch 32, 128, 256, 1024 and with 1 thread, the least",
                target=5,
                stretch=7,
                measured=worst.ratio,
                note=f"{each}; 1 thread {outcomes[-1].ratio:.2f}",
            )
        ],
        outcomes=outcomes,
    )


def inference(budget: Budget, tell: Told) -> Part:
    """Measure LeNet-5 inference on one image and on a thousand, from NumPy array to probabilities."""
    wanted = {1: ("inference, batch 1 (one image, from Python)", 15, 25), 1000: ("inference, batch 1000", 9, 12)}
    rows, outcomes = [], []
    with sides(THREADS) as pair:
        for batch, (work, target, stretch) in wanted.items():
            outcome = _told(tell, pair.network(_network("infer", batch), budget.network_s))
            note = f"{outcome.ours_ms:.4f} ms; {outcome.torch} {outcome.median_ms[outcome.torch]:.4f} ms"
            rows.append(Row(work=work, target=target, stretch=stretch, measured=outcome.ratio, note=note))
            outcomes.append(outcome)
    return Part(rows=rows, outcomes=outcomes)


PARTS = {"forward": ("conv2d", ("y",)), "dx": ("conv2d_backward", ("dx",)), "dw": ("conv2d_backward", ("dw", "db"))}
"""The parts of a convolution, each with its operation and outputs."""

MEANS = {"forward": (1.1, 1.25), "dx": (1.2, 1.4), "dw": (1.2, 1.4)}
"""Target and stretch of the geometric mean of each."""


def convolution(budget: Budget, tell: Told) -> Part:
    """Measure the named cases of conv2d and drawn ones: forward, the gradient of the images, those of filters and bias."""
    rows, outcomes = [], []
    with sides(THREADS) as pair:
        for kind, forward in (("listed", named_cases("conv2d")), ("drawn", drawn_convolutions())):
            for part, (op, outputs) in PARTS.items():
                backward = (each for each in map(backward_of, forward) if each)
                found = _timed(pair, forward if op == "conv2d" else backward, budget, tell, outputs)
                rows += _of_convolutions(f"conv2d {part}, {kind}", found, *MEANS[part])
                outcomes += found
    return Part(rows=rows, outcomes=outcomes)


def _of_convolutions(work: str, found: Sequence[Outcome], target: float, stretch: float) -> list[Row]:
    worst, ratios = min(found, key=lambda outcome: outcome.ratio), [outcome.ratio for outcome in found]
    whole = sum(outcome.ours != "workbench" for outcome in found)
    note = (
        f"{len(found)} cases; {whole} of them ours with the other gradients as well" if whole else f"{len(found)} cases"
    )
    low = float(np.quantile(ratios, 0.1))
    return [
        Row(work=f"{work}: geometric mean", target=target, stretch=stretch, measured=geometric_mean(found), note=note),
        Row(work="... 10th percentile", target=0.9, stretch=1.0, measured=low),
        Row(
            work="... the worst case",
            target=0.75,
            stretch=0.9,
            measured=worst.ratio,
            note=f"{worst.case}, {worst.ours_ms:.3f} ms",
        ),
    ]


LEAST_CHANNELS = 48
"""Of a convolution whose share of the peak is measured."""


def convolution_share(budget: Budget, tell: Told) -> Part:
    """Measure the share of the peak of one core that 3x3 convolutions of many channels reach."""
    cases = [
        case
        for case in (*named_cases("conv2d"), *drawn_convolutions())
        if case.shapes["w"][2:] == (3, 3)
        and min(case.shapes["w"][:2]) >= LEAST_CHANNELS
        and case.options["groups"] == 1
    ]
    with sides(1) as pair:
        before = pair.peak()
        found = _timed(pair, cases, budget, tell, ("y",))
        peak = max(before, pair.peak())
    gflops = {
        case.name: OPS["conv2d"].flops(case.shapes, case.options) / outcome.ours_ms / 1e6
        for case, outcome in zip(cases, found, strict=True)
    }
    mean = exp(fsum(map(log, gflops.values())) / len(gflops))
    return Part(
        rows=[
            Row(
                work=f"conv2d 3x3, {LEAST_CHANNELS} channels and more, one core: share of the measured FMA peak",
                target=75,
                stretch=88,
                measured=100 * mean / peak,
                unit="%",
                note=f"{len(found)} cases, geometric mean {mean:.1f} of {peak:.1f} GFLOP/s",
            )
        ],
        outcomes=found,
        figures={"peak_gflops": peak, "gflops": gflops},
    )


def dense(budget: Budget, tell: Told) -> Part:
    """Measure every case of dense, forward and backward."""
    return _over("dense over its cases, forward and backward, geometric mean", ("dense",), 1.0, 1.1, budget, tell)


def memory_bound(budget: Budget, tell: Told) -> Part:
    """Measure the operations that memory bandwidth limits."""
    work = "ReLU, max/avg pooling, softmax, forward and backward: geometric mean"
    return _over(work, MEMORY_BOUND, 1.3, 2, budget, tell)


def starts(budget: Budget, tell: Told) -> Part:
    """Measure the time to the first step, with a filled compile cache and with an empty one."""
    tell("starts of workbench train, each for an epoch")
    seconds = starting.first_steps(THREADS, budget.starts)
    compilation = seconds["empty"] - seconds["warm"]
    return Part(
        rows=[
            Row(
                work="second start of `workbench train` to its first step",
                target=2.5,
                stretch=1.5,
                measured=seconds["warm"],
                unit="s",
            ),
            Row(
                work="first compilation of lenet5 training from an empty cache",
                target=30,
                stretch=15,
                measured=compilation,
                unit="s",
                note=f"first step after {seconds['empty']:.1f} s",
            ),
        ],
        figures={"first_step_s": seconds},
    )


def memory(_budget: Budget, tell: Told) -> Part:
    """Measure the peak resident size of training for an epoch."""
    tell("memory of a training run of an epoch")
    peaks = starting.peak_mib(THREADS)
    row = Row(
        work="peak resident size of a training run, no more than PyTorch's",
        target=peaks["torch"],
        stretch=None,
        measured=peaks["workbench"],
        unit="MiB",
    )
    return Part(rows=[row], figures={"peak_mib": peaks})


MEASURES: dict[str, Measure] = {
    "training": training,
    "other-training": other_training,
    "inference": inference,
    "conv2d": convolution,
    "conv2d-share": convolution_share,
    "dense": dense,
    "memory-bound": memory_bound,
    "starts": starts,
    "memory": memory,
}
"""The measurements by their names for --only."""


def needed_flops() -> int:
    """Return the FLOPs of a sample's training step: forward and dw of all layers with weights, dx of all but the first."""
    network = build(layer_spec("lenet5", 10), (1, *PRESET_IMAGE_SIZE), 10)
    forward = []
    for layer, before in zip(network.layers, network.shapes, strict=False):
        if parameters := layer.parameter_shapes(before):
            shapes = {"x": (1, *before), "w": parameters["weight"], "b": parameters["bias"]}
            case = bench_case("", OPS[layer.op], shapes, layer.options)
            forward.append(OPS[layer.op].flops(case.shapes, case.options))
    return 3 * sum(forward) - forward[0]


def geometric_mean(outcomes: Iterable[Outcome]) -> float:
    """Return the geometric mean of the ratios."""
    logarithms = [log(outcome.ratio) for outcome in outcomes]
    return exp(fsum(logarithms) / len(logarithms))


def _over(work: str, ops: Sequence[str], target: float, stretch: float, budget: Budget, tell: Told) -> Part:
    names = [name for op in ops for name in (op, OPS[op].backward) if name]
    cases = [case for name in names for case in named_cases(name) if not is_batched(case.name)]
    with sides(THREADS) as pair:
        outcomes = _timed(pair, cases, budget, tell)
    worst = min(outcomes, key=lambda outcome: outcome.ratio)
    by_op = {name: [outcome for outcome in outcomes if outcome.op == name] for name in names}
    means = {name: geometric_mean(found) for name, found in by_op.items()}
    note = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
    row = Row(
        work=work,
        target=target,
        stretch=stretch,
        measured=geometric_mean(outcomes),
        note=f"{len(outcomes)} cases: {note}; the worst {worst.op} {worst.case} {worst.ratio:.2f}",
    )
    return Part(rows=[row], outcomes=outcomes, figures={"geometric_means": means})


def _timed(
    pair: Sides, cases: Iterable[BenchCase], budget: Budget, tell: Told, outputs: tuple[str, ...] | None = None
) -> list[Outcome]:
    return [_told(tell, pair.operation(case, budget.operation_s, outputs)) for case in cases]


def _told(tell: Told, outcome: Outcome) -> Outcome:
    part = f" {'+'.join(outcome.outputs)}" if outcome.outputs else ""
    times = ", ".join(f"{name} {ms:.4g} ms" for name, ms in outcome.median_ms.items())
    tell(f"{outcome.op} {outcome.case}{part}, {outcome.threads} threads: {outcome.ratio:.2f}  ({times})")
    return outcome


def _network(kind: str, batch: int) -> NetworkCase:
    steps = max(SAMPLES_PER_CALL // batch, 1) if kind == "train" else 1
    return NetworkCase(name=f"lenet-{kind}-b{batch}", kind=kind, batch=batch, steps=steps)
