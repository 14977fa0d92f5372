"""The fused executor: the whole network in one compiled call, with blocks of samples that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from threading import Lock
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from kernels.augment.resampling import room_of
from kernels.augment.strengths import Strengths, warp_of
from kernels.compile.jit import entry
from kernels.compile.philox import WORD
from kernels.fused import step as compiled
from kernels.fused.lanes import LANES
from kernels.fused.one_sample import infer_each
from kernels.fused.optimizer import RULE
from kernels.fused.program import Program
from workbench.network.executor.by_ops import OpsExecutor
from workbench.network.executor.one_sample import plan_single
from workbench.network.executor.program import NetworkProgram, plan
from workbench.network.executor.protocol import PLAIN, Step, StepSettings
from workbench.network.executor.threads import run_on_threads
from workbench.network.optimizer import Optimizer
from workbench.network.spec import MOMENTUM, Network, Parameters

Floats = NDArray[np.float32]

SLOTS, SLOTS_BYTES = 16, 2**26
"""The maximum number of runs of blocks with separate gradient sums, and the maximum memory for them (at least one run)."""

SAMPLES_PER_CALL = 2048
"""Samples per compiled call: a call takes several steps, so that calling it and waking threads cost almost nothing."""

FEW = LANES // 2
"""The minimum number of samples that use a block well; fewer are processed one at a time, on one thread."""

CACHE_LINE = 64

_NO_OPTIMIZER = np.zeros(1, RULE)
_NO_STATE = np.zeros((2, 0), np.float32)
_NO_RATES = np.zeros(1)
_NO_SCORES = np.zeros(0, np.float32)
_LANE_NUMBERS = np.arange(LANES)
_LANE_NUMBERS.flags.writeable = False


class FusedExecutor:
    """Runs a network in blocks of samples, forward and backward, by an interpreter that is compiled once for all networks.

    Padding is read as zeros and multiplied, which gives NaN where weights are not finite: the scores or gradients that are
    NaN for this reason are recomputed operation by operation. Calls from several threads run one after another.

    Parameters
    ----------
    network : the network to run
    parameters : float32, read at every call
    """

    def __init__(self, network: Network, parameters: Parameters) -> None:
        self._parameters = parameters
        self._classes = network.shapes[-1][0]
        self._input_shape = network.input_shape
        self._training = self._inference = _Memory(plan(network))
        if any(layer.op in ("batch_norm", "dropout") for layer in network.layers):
            self._inference = _Memory(plan(network, training=False))
        self._single = _Single.make(network)
        self._slots = aligned((0, parameters.flat.size))
        self._pictures = aligned((0, 0))
        self._counters = aligned((compiled.counters_of(SLOTS, parameters.flat.size),), np.int64)
        self._oracle = OpsExecutor(network, parameters, "cpu")
        self._lock = Lock()

    def logits(self, images: NDArray[Any]) -> NDArray[Any]:
        """See Executor."""
        scores = self._infer(images, as_probabilities=False)
        return self._oracle.logits(images) if np.isnan(scores).any() else scores

    def probabilities(self, images: NDArray[Any]) -> NDArray[Any]:
        """See Executor."""
        found = self._infer(images, as_probabilities=True)
        return self._oracle.probabilities(images) if np.isnan(found).any() else found

    def gradients(
        self, images: NDArray[Any], labels: NDArray[Any], gradients: Parameters, settings: StepSettings = PLAIN
    ) -> tuple[float, NDArray[Any]]:
        """See Executor."""
        samples = len(images)
        scores = np.empty(samples * self._classes, np.float32)
        if samples:
            chosen = np.arange(samples)
            batches = _Batches(images, labels, chosen, samples, settings)
            losses, _ = self._train(
                batches, gradients.flat, (_NO_OPTIMIZER, _NO_RATES, _NO_STATE, _NO_SCORES), 0.0, scores
            )
            if np.isfinite(losses[0]) and not np.isnan(gradients.flat).any():
                return float(losses[0]), scores.reshape(samples, self._classes)
        return self._oracle.gradients(images, labels, gradients, settings)

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
        gradients = np.empty(self._parameters.flat.size, np.float32)
        whole = len(order) // batch * batch
        together = max(SAMPLES_PER_CALL // batch, 1) * batch
        parts = [order[first : min(first + together, whole)] for first in range(0, whole, together)]
        if whole < len(order):
            parts.append(order[whole:])
        for chosen in parts:
            size = min(batch, len(chosen))
            rule = optimizer.rule, optimizer.rates(len(chosen) // size), optimizer.state, optimizer.buffer_averages
            batches = _Batches(images, labels, chosen, size, settings)
            losses, correct = self._train(batches, gradients, rule, MOMENTUM, _NO_SCORES)
            optimizer.rule["steps"] += len(losses)
            for loss, right in zip(losses, correct, strict=True):
                yield Step(samples=size, loss=float(loss), correct=int(right))

    def _infer(self, images: NDArray[Any], *, as_probabilities: bool) -> Floats:
        pixels, scaled = _bytes(images)
        scores = np.empty((len(images), self._classes), np.float32)
        flat = scores.reshape(-1)
        if self._single and len(images) < FEW:
            with self._lock:
                self._single.infer(self._parameters, pixels, scaled, flat, as_probabilities)
            return scores
        order = _read_only(np.arange(len(images)))
        blocks = -(-len(images) // LANES)
        with self._lock:
            threads, workers = self._prepare(blocks), self._inference
            workers.extend(threads)
            run_on_threads(
                threads,
                lambda worker: compiled.infer(
                    self._worker(worker, threads, workers),
                    tuple(workers.program),
                    self._parameters.flat,
                    pixels,
                    scaled,
                    order,
                    self._parameters.buffers.flat,
                    flat,
                    as_probabilities,
                ),
            )
        return scores

    def _train(
        self,
        batches: _Batches,
        gradients: Floats,
        optimizer: tuple[NDArray[Any], NDArray[np.float64], Floats, Floats],
        momentum: float,
        scores: Floats,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Take the steps of the batches; return their losses and how many samples were right.

        ``optimizer`` is (rule, rates, state, averages of the buffers), as for ``step.train``.
        ``momentum`` is the share of a batch in the running statistics.
        """
        pixels, scaled = _bytes(batches.images)
        labels, order = (_read_only(np.ascontiguousarray(each, np.int64)) for each in (batches.labels, batches.order))
        rule, rates, state, averages = optimizer
        batch = batches.size
        blocks = -(-batch // LANES)
        size = self._parameters.flat.size
        slots = max(min(blocks, SLOTS, SLOTS_BYTES // (size * self._parameters.flat.itemsize)), 1)
        losses, correct = np.zeros((len(order) // batch, blocks)), np.zeros((len(order) // batch, blocks), np.int64)
        settings, warp = batches.settings, warp_of(batches.settings.augmentation or Strengths(), self._input_shape)
        with self._lock:
            threads, workers = self._prepare(blocks), self._training
            workers.extend(blocks if workers.program.forward_ends.size > 1 else threads, blocks)
            if len(self._slots) < slots:
                self._slots = aligned((slots, size))
            if settings.augmentation and len(self._pictures) < threads:
                self._pictures = aligned((threads, LANES * prod(self._input_shape) + room_of(warp)))
            run_on_threads(
                threads,
                lambda worker: compiled.train(
                    self._worker(worker, threads, workers),
                    tuple(workers.program),
                    self._parameters.flat,
                    self._slots[:slots],
                    gradients,
                    _records(rule)[0],
                    rates,
                    state,
                    (
                        pixels,
                        scaled,
                        labels,
                        order,
                        batch,
                        settings.label_smoothing,
                        settings.seed & WORD,
                        settings.seed >> 32 & WORD,
                        settings.augmentation is not None,
                        tuple(warp),
                        momentum,
                        self._parameters.buffers.flat,
                        averages,
                    ),
                    (losses.reshape(-1), correct.reshape(-1), scores),
                ),
            )
        return losses.sum(axis=1) / batch, correct.sum(axis=1)

    def _prepare(self, blocks: int) -> int:
        """Reset the counters, and return the number of threads that ``blocks`` occupy."""
        self._counters[:] = 0
        return max(min(int(numba.get_num_threads()), blocks), 1)

    def _worker(self, number: int, threads: int, memory: _Memory) -> tuple[Any, ...]:
        """Return the fields of a ``StepWorker``."""
        pictures = self._pictures[number] if number < len(self._pictures) else self._pictures.reshape(-1)
        bytes_ = _read_only(pictures.view(np.uint8))
        return (number, threads, self._counters, memory.arenas, memory.sums, pictures, bytes_, _LANE_NUMBERS)


class _Memory:
    """A program with the memory that it works in.

    Attributes
    ----------
    program : as compiled code, or plain Python, reads it
    arenas : one for each worker, or for each block of a batch
    sums : of the blocks of a batch
    """

    def __init__(self, made: NetworkProgram) -> None:
        self.program = _runnable(made.program)
        self._arena, self._sums = made.arena, made.sums
        self.arenas, self.sums = aligned((0, made.arena)), aligned((0, made.sums))

    def extend(self, arenas: int, blocks: int = 0) -> None:
        """Have at least so many arenas, and sums of so many blocks."""
        if len(self.arenas) < arenas:
            self.arenas = aligned((arenas, self._arena))
        if len(self.sums) < blocks:
            self.sums = aligned((blocks, self._sums))


class _Batches(NamedTuple):
    """The samples of some steps: ``size`` at a time, in the given order."""

    images: NDArray[Any]
    labels: NDArray[Any]
    order: NDArray[Any]
    size: int
    settings: StepSettings


class _Single:
    """The program and memory for the inference of few samples, one at a time."""

    def __init__(self, made: NetworkProgram) -> None:
        program = _runnable(made.program)
        self._program = (program.ends, program.forward, program.tables, aligned((made.arena,)))
        self._entry: Callable[..., None] | None = None

    @classmethod
    def make(cls, network: Network) -> _Single | None:
        """Return None if the network has no such program."""
        made = plan_single(network)
        return None if made is None else cls(made)

    def infer(
        self, parameters: Parameters, pixels: NDArray[np.uint8], scaled: bool, scores: Floats, as_probabilities: bool
    ) -> None:
        """Write the scores or probabilities of images in flat bytes."""
        buffers = parameters.buffers.flat
        arguments = (*self._program, parameters.flat, pixels, scaled, buffers, scores, as_probabilities)
        if self._entry is None:
            infer_each(*arguments)
            self._entry = entry(infer_each, arguments)
        else:
            self._entry(*arguments)


def aligned(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Return an array of zeros that starts, as do its rows, at a cache line; rows are padded for this."""
    size = np.dtype(dtype).itemsize
    line = CACHE_LINE // size
    *rows, columns = shape
    columns = -(-columns // line) * line
    memory = np.zeros((int(np.prod(rows)) * columns + line) * size, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + memory.size - CACHE_LINE].view(dtype).reshape(*rows, columns)


def _bytes(images: NDArray[Any]) -> tuple[NDArray[np.uint8], bool]:
    """Return images as flat bytes, and whether they are already floats."""
    scaled = images.dtype != np.uint8
    whole = np.ascontiguousarray(images, np.float32 if scaled else np.uint8)
    return _read_only(whole.reshape(-1).view(np.uint8)), scaled


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view of any array: Numba compiles once for each kind."""
    view = array.view()
    view.flags.writeable = False
    return view


def _runnable(program: Program) -> Program:
    ends, forward, backward = map(_records, (program.ends, program.forward, program.backward))
    return program._replace(ends=ends, forward=forward, backward=backward)


def _records(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array with fields accessible as attributes of its elements, as in compiled code."""
    return array.view(np.recarray) if numba.config.DISABLE_JIT else array
