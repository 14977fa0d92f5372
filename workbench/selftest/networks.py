"""Checks of the programs of the fused step: they run drawn networks and are compared with the references in float64.

``planting`` loads this module together with the module that has the fault, so that it runs the spoiled programs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from kernels.augment.reference import augment_reference
from kernels.augment.strengths import Strengths
from kernels.compile.philox import AUGMENTATION, derived_seed
from kernels.fused.lanes import LANES
from kernels.fused.optimizer import ADAM, SGD
from workbench.network.executor import Executor, FusedExecutor, OpsExecutor, StepSettings
from workbench.network.executor.fused import FEW
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Network, Parameters, build
from workbench.oracle.network import references
from workbench.selftest.drawn_networks import CLASSES, draw_network
from workbench.selftest.workers import two_workers

LR, MOMENTUM, WEIGHT_DECAY, EMA = 0.05, 0.9, 0.2, 0.22
STRENGTHS = Strengths(shift=1, rotate=20, scale=0.2, elastic=0.5, flip=0.5)
DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8

Calls = Callable[[], AbstractContextManager[Any]]


@dataclasses.dataclass(frozen=True)
class Found:
    """The fault that was found, empty if none was, and the number of examples tried."""

    reason: str
    examples: int


class _Wrong(Exception):  # noqa: N818 - a finding
    """A program is wrong; the text says how."""


Make = Callable[[Network, Parameters], Executor]


@dataclasses.dataclass(frozen=True)
class _Example:
    """A network, images with labels, and how programs are called.

    Attributes
    ----------
    calls : returns the context
    on_device : makes the executor of a CUDA device, whose programs are checked; None for those of the CPU
    """

    network: Network
    images: NDArray[Any]
    labels: NDArray[np.int64]
    rng: np.random.Generator
    calls: Calls
    on_device: Make | None = None

    @property
    def layers(self) -> int:
        return len(self.network.layers)

    @contextmanager
    def spoiled(self) -> Iterator[None]:
        """Run programs inside the block: as plain Python, by two workers that take turns; those of a device as they are."""
        if self.on_device:
            with self.calls():
                yield
            return
        before = numba.config.DISABLE_JIT
        numba.config.DISABLE_JIT = True
        try:
            with two_workers(self.rng), self.calls():
                yield
        finally:
            numba.config.DISABLE_JIT = before


def check(
    program: str,
    *,
    examples: int,
    seed: int,
    call: Calls,
    given_up: Callable[[int], bool],
    on_device: Make | None = None,
) -> Found:
    """Check a program on drawn networks.

    Parameters
    ----------
    program : a key of ``PROGRAMS``
    examples : the number of networks
    seed : the seed of the networks
    call : returns the context in which the program is called
    given_up : called with the number of examples tried; true ends the check
    on_device : for a program of a CUDA device, makes its executor
    """
    for count in range(examples):
        if given_up(count):
            return Found("", count)
        rng = np.random.default_rng((seed, count))
        network = build(*draw_network(rng), CLASSES)
        samples = int(rng.integers(1, 21 if not network.buffer_shapes else 2 * LANES + 4))
        images: NDArray[Any] = rng.integers(0, 256, (samples, *network.input_shape), dtype=np.uint8)
        if rng.random() < 1 / 2:
            images = rng.standard_normal(images.shape).astype(np.float32)
        example = _Example(network, images, rng.integers(0, CLASSES, samples), rng, call, on_device)
        try:
            (_train if on_device else PROGRAMS[program])(example)
        except _Wrong as wrong:
            return Found(str(wrong), count + 1)
        except Exception as error:
            return Found(f"raises {type(error).__name__}: {error}", count + 1)
    return Found("", examples)


class _NoFallback:
    """Replaces the executor that recomputes results that are NaN: all values are finite here, so using it is a fault."""

    def __getattr__(self, name: str) -> Any:
        raise _Wrong(f"{name} come out as NaN where all is finite")


def _executor(example: _Example, parameters: Parameters) -> Any:
    if example.on_device:
        return example.on_device(example.network, parameters)
    executor = FusedExecutor(example.network, parameters)
    assert isinstance(executor._oracle, OpsExecutor)
    executor._oracle = _NoFallback()  # type: ignore[assignment]
    return executor


def _train(example: _Example) -> None:
    """Check the gradients of one batch, then some steps of an optimizer."""
    parameters = _drawn(example)
    wide, expected = (
        parameters.in_float64(example.network),
        Parameters.zeros(example.network).in_float64(example.network),
    )
    operations = references()
    oracle = OpsExecutor(example.network, wide, "cpu", operations)
    gradients = Parameters.zeros(example.network)
    gradients.flat[:] = np.nan
    settings = StepSettings(
        seed=int(example.rng.integers(2**63)),
        label_smoothing=float(example.rng.choice([0, 0.125])),
        augmentation=STRENGTHS if example.rng.random() < 1 / 5 and not example.on_device else None,
    )
    with example.spoiled():
        executor = _executor(example, parameters)
        loss, scores = executor.gradients(example.images, example.labels, gradients, settings)
    whole, shown = _scaled(example.images), dataclasses.replace(settings, augmentation=None)
    wanted_loss, wanted_scores = oracle.gradients(_augmented(whole, settings, 0), example.labels, expected, shown)
    layers = example.layers * operations.amplification
    _compare("the loss", loss, wanted_loss, layers)
    _compare("the scores", scores, wanted_scores, layers)
    for name, values in gradients.named.items():
        _compare(f"the gradient of {name}", values, expected.named[name], layers)
    _compare("the running statistics", parameters.buffers.flat, wide.buffers.flat, 0)

    size, samples = parameters.flat.size, len(example.images)
    optimizers = _optimizers(size, parameters.buffers.flat.size)
    optimizer = optimizers[int(example.rng.integers(len(optimizers)))]
    order, batch = example.rng.permutation(samples), max(samples // int(example.rng.integers(1, 4)), 1)
    with example.spoiled():
        steps = list(executor.steps(example.images, example.labels, order, batch, optimizer, settings))
    state, averages = np.zeros(optimizer.state.shape), np.zeros(optimizer.buffer_averages.size)
    clear = np.ones(size, bool)
    for number, step in enumerate(steps):
        chosen = order[number * batch : (number + 1) * batch]
        operations.amplification = 1.0
        seen = _augmented(whole[chosen], settings, number)
        wanted, wanted_scores = oracle.step_gradients(seen, example.labels[chosen], expected, shown, number)
        layers = max(layers, example.layers * operations.amplification)
        _compare(f"the loss of step {number + 1}", step.loss, wanted, layers * (number + 1))
        ranked = np.sort(wanted_scores, axis=1)
        tells = bool(np.all(ranked[:, -1] - ranked[:, -2] > 1e-3 * np.abs(ranked).max(axis=1)))
        right = np.count_nonzero(wanted_scores.argmax(axis=1) == example.labels[chosen])
        if step.samples != len(chosen) or (tells and step.correct != right):
            raise _Wrong(f"step {number + 1} counts {step.correct} of {step.samples} samples as right")
        clear &= np.abs(expected.flat) > 1e-2 * np.abs(expected.flat).max()
        _step(optimizer, number + 1, wide.flat, expected.flat, state)
        if averages.size:
            averages += (1 - _ema(optimizer, number + 1)) * (wide.buffers.flat - averages)
    if optimizer.rule["kind"] == ADAM:  # takes a step of full size even for a gradient that is only rounding error
        parameters.flat[~clear] = wide.flat[~clear] = 0
        optimizer.state[:, ~clear] = state[:, ~clear] = 0
    for name, got, exact in zip(("first state", "second state", "average"), optimizer.state, state, strict=False):
        _compare(f"the {name}", got, exact, 8 * layers * len(steps))
    _compare("the parameters", parameters.flat, wide.flat, 8 * layers * len(steps))
    _compare("the running statistics", parameters.buffers.flat, wide.buffers.flat, 8 * layers * len(steps))
    if averages.size:
        _compare("their average", optimizer.buffer_averages, averages, 8 * layers * len(steps))


def _update(example: _Example) -> None:
    """Check steps of each optimizer on random gradients."""
    parameters = Parameters.initial(example.network, example.rng).flat
    for optimizer in _optimizers(parameters.size, 0, adam_decay=WEIGHT_DECAY):
        optimizer.rule = optimizer.rule.view(np.recarray)  # fields as attributes, which plain Python needs
        mine, wide, state = parameters.copy(), parameters.astype(np.float64), np.zeros(optimizer.state.shape)
        for taken in range(1, 4):
            gradients = example.rng.standard_normal(parameters.size).astype(np.float32)
            gradients[::2] *= np.float32(EPSILON)  # so small that Adam's epsilon matters
            with example.spoiled():
                optimizer.update(mine, gradients)
            _step(optimizer, taken, wide, gradients.astype(np.float64), state)
        _compare("the parameters", mine, wide, 1)
        _compare("the state", optimizer.state, state, 1)


def _optimizers(size: int, buffers: int, adam_decay: float = 0.0) -> list[Optimizer]:
    """Return optimizers of every kind; Adam's steps are of full size, so its L2 regularization is for clear gradients."""
    return [
        Optimizer(size, _rate, momentum=MOMENTUM),
        Optimizer(size, _rate, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY, ema=EMA, buffers=buffers),
        Optimizer(size, _rate, "adam", weight_decay=adam_decay),
        Optimizer(size, _rate, "adamw", weight_decay=WEIGHT_DECAY, ema=EMA, buffers=buffers),
    ]


def _rate(taken: int) -> float:
    return LR / (1 + taken)


def _step(
    optimizer: Optimizer, taken: int, parameters: NDArray[Any], gradients: NDArray[Any], state: NDArray[Any]
) -> None:
    """Take a step in float64; see ``workbench.network.optimizer`` for the sources."""
    rule, rate = optimizer.rule[0], _rate(taken - 1)
    before = parameters.copy()
    if rule["decoupled"]:
        parameters -= rate * rule["weight_decay"] * before
    else:
        gradients = gradients + rule["weight_decay"] * before
    if rule["kind"] == SGD:
        state[0] = rule["momentum"] * state[0] + gradients
        parameters -= rate * (gradients + rule["momentum"] * state[0] if rule["nesterov"] else state[0])
    else:
        state[0] = DECAY * state[0] + (1 - DECAY) * gradients
        state[1] = SQUARE_DECAY * state[1] + (1 - SQUARE_DECAY) * gradients**2
        mean, square = state[0] / (1 - DECAY**taken), state[1] / (1 - SQUARE_DECAY**taken)
        parameters -= rate * mean / (np.sqrt(square) + EPSILON)
    if rule["ema"]:
        decay = _ema(optimizer, taken)
        state[2] = decay * state[2] + (1 - decay) * parameters


def _ema(optimizer: Optimizer, taken: int) -> float:
    return min(float(optimizer.rule["ema"][0]), (1 + taken) / (10 + taken))


def _infer(example: _Example) -> None:
    """Check scores and probabilities of at least ``FEW`` images, which are computed in blocks."""
    repeats = -(-FEW // len(example.images))
    _scores(dataclasses.replace(example, images=np.concatenate([example.images] * repeats)))


def _infer_each(example: _Example) -> None:
    """Check scores and probabilities of fewer than ``FEW`` images, which are computed one by one."""
    _scores(dataclasses.replace(example, images=example.images[: FEW - 1]))


def _scores(example: _Example) -> None:
    parameters = _drawn(example)
    parameters.flat[:] += example.rng.standard_normal(parameters.flat.size).astype(np.float32) / 8  # biases, too
    if (
        example.rng.random() < 1 / 3
    ):  # scores so far from each other, or from 0, that their powers overflow, or are all 0
        ranks = example.rng.permutation(CLASSES) - example.rng.integers(0, 2 * CLASSES)
        list(parameters.named.values())[-1][:] += ranks.astype(np.float32) * 100
    with example.spoiled():
        executor = _executor(example, parameters)
        scores = executor.logits(example.images)
        found = executor.probabilities(example.images)
    operations = references()
    oracle = OpsExecutor(example.network, parameters.in_float64(example.network), "cpu", operations)
    wanted = oracle.logits(_scaled(example.images))
    layers = example.layers * operations.amplification
    _compare("the scores", scores, wanted, layers)
    powers = np.exp(wanted - wanted.max(axis=1, keepdims=True))
    _compare("the probabilities", found, powers / powers.sum(axis=1, keepdims=True), layers)


def _drawn(example: _Example) -> Parameters:
    """Draw parameters; those of batch normalizations, and running statistics, unlike what they are at first."""
    parameters = Parameters.initial(example.network, example.rng)
    for layer in example.network.layers:
        if layer.op == "batch_norm":
            weight, bias = (parameters.named[f"{layer.number}.{name}"] for name in ("weight", "bias"))
            weight += example.rng.standard_normal(weight.shape).astype(np.float32) / 4
            bias += example.rng.standard_normal(bias.shape).astype(np.float32) / 4
    parameters.buffers.flat[:] += example.rng.random(parameters.buffers.flat.size, np.float32)
    return parameters


PROGRAMS: dict[str, Callable[[_Example], None]] = {
    "train": _train,
    "infer": _infer,
    "infer_each": _infer_each,
    "update": _update,
}
"""Name of a program's function -> its check."""


def _augmented(images: NDArray[Any], settings: StepSettings, taken: int) -> NDArray[Any]:
    """Return the images as the step after ``taken`` steps sees them."""
    if settings.augmentation is None:
        return images
    found, seed = np.empty_like(images), derived_seed(settings.seed, taken, 0, AUGMENTATION)
    augment_reference(images, settings.augmentation, seed, found)
    return found


def _scaled(images: NDArray[Any]) -> NDArray[np.float64]:
    whole = images.astype(np.float64)
    return whole / 255 if images.dtype == np.uint8 else whole


def _compare(what: str, got: Any, expected: Any, layers: float) -> None:
    """Compare within a bound for sums of some hundred terms in every layer, relative to the largest value."""
    bound = 2 * layers * 2**9 * 2.0**-24 * max(float(np.abs(expected).max(initial=0)), 1e-3)
    error = float(np.abs(np.subtract(got, expected)).max(initial=0))
    if not error <= bound:
        raise _Wrong(f"{what}: off by {error:.3g}, {bound:.3g} is allowed")
