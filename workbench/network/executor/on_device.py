"""The executors that train on a CUDA device: data, parameters and the optimizer's state stay there while steps are taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import launch_blocks
from kernels.compile.philox import WORD
from kernels.fused import optimizer as formulas
from kernels.fused.cuda import device_step as compiled
from kernels.fused.cuda.device_program import DeviceProgram
from kernels.fused.cuda.update import RATES, Rule
from kernels.memory.devices import Array, get_device
from kernels.simt.repeating import repeat
from workbench.network.executor.device_program import plan
from workbench.network.executor.protocol import PLAIN, Step, StepSettings
from workbench.network.optimizer import Optimizer
from workbench.network.spec import MOMENTUM, Network, Parameters
from workbench.system.errors import InputError

Floats = NDArray[np.float32]

TOGETHER = 256
"""Samples that inference runs at a time."""

EACH = 1
"""Parameters that a thread updates, if the samples do not occupy more blocks."""


class DeviceExecutor:
    """Runs a network on a CUDA device, a block of threads for each sample.

    Within a call of ``steps`` nothing is copied, allocated or waited for: what it needs is copied to the device at its
    beginning, and what it changed back at its end.

    Parameters
    ----------
    network : the network to run
    parameters : float32, read at every call
    persistent : whether all steps of a call are one kernel, with barriers of the whole grid, or a sequence of launches
    """

    def __init__(self, network: Network, parameters: Parameters, *, persistent: bool) -> None:
        self._device = get_device("cuda")
        self._parameters = parameters
        self._classes = network.shapes[-1][0]
        self._is_persistent = persistent
        self._training = _Memory(plan(network, training=True))
        self._inference = _Memory(plan(network, training=False))
        self._data: _Data | None = None

    def logits(self, images: NDArray[Any]) -> NDArray[Any]:
        """See Executor."""
        scores = [np.empty((0, self._classes), np.float32)]
        for first in range(0, len(images), TOGETHER):
            part = images[first : first + TOGETHER]
            run = _Run(
                self, self._inference, _Data(part, np.zeros(len(part), np.int64)), np.arange(len(part)), len(part)
            )
            run.launch_phases()
            scores.append(run.scores())
        return np.concatenate(scores)

    def probabilities(self, images: NDArray[Any]) -> NDArray[Any]:
        """See Executor."""
        scores = self.logits(images)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
        found: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
        return found

    def gradients(
        self, images: NDArray[Any], labels: NDArray[Any], gradients: Parameters, settings: StepSettings = PLAIN
    ) -> tuple[float, NDArray[Any]]:
        """See Executor."""
        run = _Run(self, self._training, _Data(images, labels), np.arange(len(images)), len(images), settings)
        run.launch_phases()
        run.launch_update()
        gradients.flat[...] = self._device.to_host(run.optimizing.gradients)
        return float(run.losses()[0]), run.scores()

    def steps(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        order: NDArray[Any],
        batch: int,
        optimizer: Optimizer,
        settings: StepSettings = PLAIN,
    ) -> Iterator[Step]:
        """See Executor."""
        if self._data is None or not self._data.is_of(images, labels):
            self._data = _Data(images, labels)
        whole = len(order) // batch * batch
        for chosen, size in ((order[:whole], batch), (order[whole:], len(order) - whole)):
            if len(chosen) == 0:
                continue
            run = _Run(self, self._training, self._data, chosen, size, settings, optimizer)
            if self._is_persistent:
                run.launch_all()
            else:
                repeat(run.launch_step, run.steps)
            run.finish()
            for loss, correct in zip(run.losses(), run.correct(), strict=True):
                yield Step(samples=size, loss=float(loss), correct=int(correct))


class _Data:
    """Images and labels on the device."""

    def __init__(self, images: NDArray[Any], labels: NDArray[Any]) -> None:
        device = get_device("cuda")
        self._host = images, labels
        is_bytes = images.dtype == np.uint8
        flat = np.ascontiguousarray(images, np.uint8 if is_bytes else np.float32).reshape(-1)
        self.images = device.from_host(flat if flat.size else np.zeros(1, flat.dtype))
        self.labels = device.from_host(np.ascontiguousarray(labels, np.int64))
        self.divisor = np.float32(255 if is_bytes else 1)

    def is_of(self, images: NDArray[Any], labels: NDArray[Any]) -> bool:
        """Return whether these are the arrays that were copied."""
        return self._host[0] is images and self._host[1] is labels


class _Memory:
    """A program on the device, with the memory of samples."""

    def __init__(self, made: DeviceProgram) -> None:
        self.made = made
        device = get_device("cuda")
        names = ("instructions", "factors", "ends", "runs")
        self.program = [device.from_host(getattr(made, name)) for name in names]
        self._samples = 0
        self._arrays: list[Array] = []

    def arrays(self, samples: int) -> list[Array]:
        """Return arenas, contributions to gradients, and sums, for at least so many samples.

        Raises
        ------
        InputError
            They do not fit into the memory of the device.
        """
        if self._samples < samples:
            device = get_device("cuda")
            widths = [max(1, each) for each in (self.made.arena, self.made.partials, self.made.sums)]
            try:  # zeros: padding is read and never written
                shapes = samples * widths[0], samples * widths[1], (samples, widths[2])
                self._arrays = [device.from_host(np.zeros(shape, np.float32)) for shape in shapes]
            except Exception as error:
                if "MEMORY" not in str(error).upper():
                    raise
                needed = 4 * samples * sum(widths) / 2**30
                raise InputError(
                    f"the device has not the {needed:.1f} GiB that {samples} samples take at a time; use a smaller batch, "
                    "or --executor ops"
                ) from error
            self._samples = samples
        return self._arrays


class _Run:
    """Steps on the device: what the kernels take, and their launches.

    Attributes
    ----------
    steps : their number
    optimizing : what changes the parameters
    """

    def __init__(
        self,
        executor: DeviceExecutor,
        memory: _Memory,
        data: _Data,
        order: NDArray[Any],
        batch: int,
        settings: StepSettings = PLAIN,
        optimizer: Optimizer | None = None,
    ) -> None:
        device = get_device("cuda")
        self._device, self._parameters, self._optimizer = device, executor._parameters, optimizer
        self._classes, self._batch = executor._classes, batch
        self.steps = len(order) // batch
        parameters, buffers = self._parameters.flat, self._parameters.buffers.flat
        own = device.from_host(parameters), device.from_host(_some(buffers))
        sizes = max(1, memory.made.arena), max(1, memory.made.partials)
        self._network = compiled.Network._make((*memory.program, *own, *memory.arrays(batch), *sizes))
        self._inputs = compiled.Data(
            data.images,
            data.divisor,
            data.labels,
            device.from_host(np.ascontiguousarray(order, np.int64)),
            batch,
            np.float32(settings.label_smoothing),
            np.float32(1 / batch),
            np.float32(MOMENTUM if optimizer else 0),
            settings.seed & WORD,
            settings.seed >> 32 & WORD,
        )
        self.optimizing = compiled.Optimizing(
            _rule(optimizer),
            device.from_host(_rates(optimizer, self.steps)),
            device.from_host(np.zeros(1 if optimizer else parameters.size, np.float32)),
            device.from_host(optimizer.state if optimizer else np.zeros((2, 1), np.float32)),
            device.from_host(_some(optimizer.buffer_averages if optimizer else np.zeros(0, np.float32))),
        )
        results = np.zeros(len(order), np.float32), np.zeros(len(order), np.int32)
        scores = np.zeros(len(order) * self._classes, np.float32)
        self._results = compiled.Results(*map(device.from_host, (*results, scores)))
        self._clock = device.from_host(np.array([0, 0, optimizer.taken if optimizer else 0], np.int64))
        self._phases = len(memory.made.ends)
        self._update_blocks = -(-parameters.size // (compiled.THREADS * EACH))

    def launch_phases(self) -> None:
        """Run all phases of a step."""
        for phase in range(self._phases):
            given = phase, self._clock, self._network, self._inputs, self._results
            launch_blocks(compiled.samples, self._batch, compiled.THREADS, *given)

    def launch_update(self) -> None:
        """Sum the gradients, update the parameters, and go on to the next step."""
        given = self._clock, self._network, self._inputs, self.optimizing
        launch_blocks(compiled.finish, self._update_blocks, compiled.THREADS, *given)

    def launch_step(self) -> None:
        """Take a step."""
        self.launch_phases()
        self.launch_update()

    def launch_all(self) -> None:
        """Take all steps in one kernel, whose blocks run at the same time: one for each multiprocessor at most."""
        from numba import cuda

        most = int(cuda.get_current_device().MULTIPROCESSOR_COUNT)
        blocks = min(max(self._batch, self._update_blocks), most)
        given = self.steps, self._clock, self._network, self._inputs, self.optimizing, self._results
        launch_blocks(compiled.epoch, blocks, compiled.THREADS, *given)

    def finish(self) -> None:
        """Copy what the steps changed to the host."""
        assert self._optimizer is not None
        self._parameters.flat[...] = self._device.to_host(self._network.parameters)
        buffers, averages = self._parameters.buffers.flat, self._optimizer.buffer_averages
        buffers[...] = self._device.to_host(self._network.buffers)[: buffers.size]
        averages[...] = self._device.to_host(self.optimizing.averages)[: averages.size]
        self._optimizer.state[...] = self._device.to_host(self.optimizing.state)
        self._optimizer.rule["steps"] += self.steps

    def losses(self) -> NDArray[Any]:
        """Return the mean loss of every step."""
        found: NDArray[Any] = self._device.to_host(self._results.losses).reshape(-1, self._batch)
        return np.asarray(found.mean(axis=1, dtype=np.float64))

    def correct(self) -> NDArray[Any]:
        """Return how many samples of every step were right."""
        found: NDArray[Any] = self._device.to_host(self._results.correct).reshape(-1, self._batch)
        return np.asarray(found.sum(axis=1))

    def scores(self) -> NDArray[Any]:
        """Return the scores of all samples."""
        found: NDArray[Any] = self._device.to_host(self._results.scores).reshape(-1, self._classes)
        return found


def _some(array: Floats) -> Floats:
    """Return an array, or one zero if it is empty: kernels take no empty arrays."""
    return array if array.size else np.zeros(1, np.float32)


def _rule(optimizer: Optimizer | None) -> Rule:
    """Return the constants of an optimizer, as ``kernels.fused.optimizer.apply`` computes them; of none."""
    if optimizer is None:
        return Rule(formulas.NONE, 0, *map(np.float32, (0, 0, 0, 0, 0, 0, 0)))
    given = optimizer.rule[0]
    decay = 0 if given["decoupled"] else given["weight_decay"]
    momentum = given["momentum"]
    ahead, plain = (momentum, 1) if given["nesterov"] else (1, 0)
    adam = 1 - formulas.MEAN_DECAY, 1 - formulas.SQUARE_DECAY, formulas.EPSILON
    numbers = decay, momentum, ahead, plain, *adam
    return Rule(int(given["kind"]), int(given["ema"] > 0), *map(np.float32, numbers))


def _rates(optimizer: Optimizer | None, steps: int) -> Floats:
    """Return what depends on the step alone, a row for each; see ``kernels.fused.cuda.update``."""
    found = np.zeros((steps, RATES), np.float32)
    if optimizer is None:
        return found
    rule = optimizer.rule[0]
    for number, rate in enumerate(optimizer.rates(steps)):
        taken = optimizer.taken + number + 1
        found[number] = (
            rate,
            1 - rate * rule["weight_decay"] if rule["decoupled"] else 1,
            rate / (1 - formulas.MEAN_DECAY**taken),
            1 / np.sqrt(1 - formulas.SQUARE_DECAY**taken),
            1 - min(rule["ema"], (1 + taken) / (10 + taken)),
        )
    return found
