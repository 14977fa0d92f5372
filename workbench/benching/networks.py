"""Whole networks as contestants: training steps and inference of LeNet-5 on MNIST, by the executors and by PyTorch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS
from workbench.benching.entrant import Entrant
from workbench.cases.named import NETWORK
from workbench.datasets import load, to_unit
from workbench.network.executor import EXECUTORS, ON_DEVICE
from workbench.network.executor.by_ops import OpsExecutor
from workbench.network.optimizer import Optimizer
from workbench.network.presets import PRESET_IMAGE_SIZE, layer_spec
from workbench.network.spec import Network, Parameters, build
from workbench.oracle.network import references
from workbench.system.errors import InputError
from workbench.system.version import VERSION

CLASSES = 10
LR, MOMENTUM = 0.05, 0.9

CHECKED_STEPS = 3

AGREEMENT = float(np.sqrt(np.finfo(np.float32).eps))
"""How far the losses of the first steps, or the probabilities, may be from those in float64: half the digits of float32.
There is no a-priori bound for a whole network; this only detects a network that computes something else."""

BATCHES = 32
"""The number of different batches, which are used in turn; fewer if the data set has fewer."""

MOST_BATCH = 60_000
"""MNIST's training images."""

STEPS_ON_DEVICE = 32
"""Of a call on a CUDA device: parameters are copied there and back once in a call."""


@dataclass(frozen=True, kw_only=True)
class NetworkCase:
    """LeNet-5 at a batch size: ``kind`` "train" is ``steps`` training steps, "infer" computes probabilities of images."""

    name: str
    kind: str
    batch: int
    steps: int = 1

    op = NETWORK

    @property
    def flops(self) -> int:
        """Return the arithmetic operations of one call; a layer's backward pass counts as declared."""
        network = _network()
        total = 0
        for layer, before in zip(network.layers, network.shapes, strict=False):
            if layer.op == "flatten":
                continue
            op = OPS[layer.op]
            shapes = {"x": (self.batch, *before)}
            shapes |= dict(zip(("w", "b"), layer.parameter_shapes(before).values(), strict=False))
            total += _flops(op.name, shapes, layer.options, backward=self.kind == "train")
        if self.kind == "infer":
            return total + _flops("softmax", {"x": (self.batch, CLASSES)}, {}, backward=False)
        scores = {"logits": (self.batch, CLASSES), "labels": (self.batch,)}
        return self.steps * (total + _flops("cross_entropy", scores, {}, backward=True))


def network_entrants(
    case: NetworkCase, peer: str, threads: int, device: str = "cpu"
) -> tuple[list[tuple[Entrant, str]], dict[str, str]]:
    """Return the entrants of a source, each with its fault or "", and by name why others do not take part.

    The package enters every executor of the device, PyTorch its variants; other peers have no networks.
    """
    if not peer:
        others = ON_DEVICE if device == "cpu" else ("fused",)
        return [_ours(case, name, device) for name in EXECUTORS if name not in others], {}
    return _torch(case, threads, device) if peer == "torch" else ([], {peer: "has no networks here"})


def network_case(name: str, batch: int, device: str) -> NetworkCase:
    """Return "lenet-train" or "lenet-infer" at a batch size; on a CUDA device several steps of training, "...x32".

    Raises
    ------
    InputError
        The batch is larger than the data set.
    """
    if batch > MOST_BATCH:
        raise InputError(f"--batch {batch}: {name} has {MOST_BATCH:,} images; use at most {MOST_BATCH}")
    kind = name.rpartition("-")[2]
    steps = STEPS_ON_DEVICE if (kind, device) == ("train", "cuda") else 1
    repeated = f"x{steps}" if steps > 1 else ""
    return NetworkCase(name=f"{name}-b{batch}{repeated}", kind=kind, batch=batch, steps=steps)


def _flops(op: str, shapes: dict[str, tuple[int, ...]], options: dict[str, Any], *, backward: bool) -> int:
    from workbench.cases.timed_case import backward_of, bench_case

    case = bench_case("", OPS[op], shapes, options)
    total = OPS[op].flops(case.shapes, case.options)
    behind = backward_of(case) if backward else None
    return total if behind is None else total + OPS[behind.op].flops(behind.shapes, behind.options)


def _network() -> Network:
    return build(layer_spec("lenet5", CLASSES), (1, *PRESET_IMAGE_SIZE), CLASSES)


def _initial(network: Network) -> Parameters:
    return Parameters.initial(network, np.random.default_rng(0))


def _batches(case: NetworkCase) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    data = load("mnist")
    found = []
    size = case.batch * case.steps
    for number in range(max(min(BATCHES // case.steps, len(data.train_labels) // size), 1)):
        chosen = np.arange(number * size, (number + 1) * size) % len(data.train_labels)
        found.append((to_unit(data.train_images[chosen]), data.train_labels[chosen]))
    return found


class _Turns:
    """Calls a function with the arguments of successive calls, in turn."""

    def __init__(self, case: NetworkCase, step: Callable[[Any, Any], Any]) -> None:
        self._batches, self._step, self._next = _batches(case), step, 0
        self.result: Any = None

    def __call__(self) -> None:
        images, labels = self._batches[self._next % len(self._batches)]
        self._next += 1
        self.result = self._step(images, labels)


def _entered(name: str, version: str, case: NetworkCase, step: Callable[[Any, Any], Any]) -> tuple[Entrant, str]:
    """Make the first calls and judge them; return the entrant to be timed, and its fault."""
    turns = _Turns(case, step)
    results = []
    for _ in range(-(-CHECKED_STEPS // case.steps)):
        turns()
        results.append(np.array(turns.result, dtype=np.float64))
    entrant = Entrant(name=name, version=version, call=turns, outputs=lambda: [np.asarray(turns.result)], operands=())
    return entrant, _fault(case, results)


def _ours(case: NetworkCase, executor: str, device: str) -> tuple[Entrant, str]:
    network = _network()
    parameters, order = _initial(network), np.arange(case.batch * case.steps)
    runs = EXECUTORS[executor](network, parameters, device)
    optimizer = Optimizer(parameters.flat.size, LR, momentum=MOMENTUM)

    def train(images: NDArray[np.float32], labels: NDArray[np.int64]) -> list[float]:
        return [step.loss for step in runs.steps(images, labels, order, case.batch, optimizer)]

    def infer(images: NDArray[np.float32], _labels: NDArray[np.int64]) -> NDArray[np.float32]:
        return runs.probabilities(images)

    return _entered(f"workbench {executor}", VERSION, case, train if case.kind == "train" else infer)


def _torch(case: NetworkCase, threads: int, device: str) -> tuple[list[tuple[Entrant, str]], dict[str, str]]:
    from workbench import peers
    from workbench.peers.networks import Training, torch_networks

    network = _network()
    images, labels = _batches(case)[0]
    images, labels = images[: case.batch], labels[: case.batch]
    training = Training(lr=LR, momentum=MOMENTUM)
    networks, absent = torch_networks(
        network, _initial(network), images, labels, threads=threads, training=training, device=device
    )
    found = []
    for each in networks:
        call = partial(_train_by, each.train_step, case) if case.kind == "train" else partial(_infer_by, each.infer)
        found.append(_entered(each.name, peers.version("torch"), case, call))
    return found, absent


def _train_by(step: Callable[[Any, Any], Any], case: NetworkCase, images: Any, labels: Any) -> list[Any]:
    starts = range(0, len(labels), case.batch)
    return [step(images[start : start + case.batch], labels[start : start + case.batch]) for start in starts]


def _infer_by(infer: Callable[[Any], Any], images: Any, _labels: Any) -> Any:
    return infer(images)


def _fault(case: NetworkCase, results: Sequence[NDArray[np.float64]]) -> str:
    """Compare with the same steps of the references in float64; return the fault or ""."""
    network = _network()
    initial = _initial(network)
    parameters = initial.in_float64(network)
    gradients = Parameters.zeros(network).in_float64(network)
    velocity = np.zeros_like(parameters.flat)
    runs = OpsExecutor(network, parameters, "cpu", references())
    if case.kind == "infer":
        for number, ((images, _), got) in enumerate(zip(_batches(case), results, strict=False), 1):
            if fault := _far(got, runs.probabilities(images.astype(np.float64)), f"probabilities of batch {number}"):
                return fault
        return ""
    images, labels = (np.concatenate(parts) for parts in zip(*_batches(case)[: len(results)], strict=True))
    for number, got in enumerate(np.concatenate(results)[:CHECKED_STEPS]):
        chosen = slice(number * case.batch, (number + 1) * case.batch)
        expected = runs.gradients(images[chosen].astype(np.float64), labels[chosen], gradients)[0]
        if fault := _far(got, np.float64(expected), f"loss of step {number + 1}"):
            return fault
        velocity[...] = MOMENTUM * velocity + gradients.flat
        parameters.flat[...] -= LR * velocity
    return ""


def _far(got: Any, expected: Any, what: str) -> str:
    error = float(np.max(np.abs(got - expected)))
    within = error <= AGREEMENT * max(float(np.max(np.abs(expected))), 1.0)
    return "" if within else f"the {what} differs from float64 by {error:.3g}"
