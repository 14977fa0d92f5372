"""The fused executor: the whole network in one compiled call, blocks of samples staying in the cache."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from kernels.fused.lanes import LANES
from kernels.fused.optimizer import RULE
from kernels.fused.step import COUNTERS, infer, train_steps
from workbench.executors.planning import plan
from workbench.network import Network, Parameters

Floats = NDArray[np.float32]

SLOTS = 16
CACHE_LINE = 64
NO_SCORES = np.zeros(0, np.float32)


class FusedExecutor:
    def __init__(self, network: Network, parameters: Parameters, device: str = "cpu") -> None:
        self._network, self._parameters = network, parameters
        self._plan = plan(network)
        self._size = parameters.flat.size
        self._classes = network.shapes[-1][0]
        self._threads = 0
        self._counters = aligned((COUNTERS,), np.int64)
        self._slots = aligned((0, self._size))
        self._gradients = aligned((self._size,))

    def logits(self, images: Any) -> Any:
        return self._infer(images, False)

    def probabilities(self, images: Any) -> Any:
        return self._infer(images, True)

    def _prepare(self) -> int:
        threads = numba.get_num_threads()
        if threads > self._threads:
            self._threads = threads
            self._arenas = aligned((threads, self._plan.arena))
        self._counters[:] = 0
        return threads

    def _infer(self, images: Any, probabilities: bool) -> Any:
        threads = self._prepare()
        scores = np.empty(len(images) * self._classes, np.float32)
        p = self._plan
        infer(threads, self._counters, p.ends, p.forward, p.tables, self._arenas, self._parameters.flat, images.reshape(-1).view(np.uint8), images.dtype == np.float32, np.arange(len(images)), scores, probabilities)
        return scores.reshape(-1, self._classes)

    def gradients(self, images: Any, labels: Any, gradients: Parameters) -> Any:
        n = len(images)
        scores = np.empty(n * self._classes, np.float32)
        loss, _ = self.steps(images, labels, np.arange(n), n, np.zeros(1, RULE), np.zeros((2, 0), np.float32), gradients.flat, scores)
        return float(loss[0]), scores.reshape(n, self._classes)

    def steps(self, images, labels, order, batch, rules, state, gradients, scores=NO_SCORES):
        threads = self._prepare()
        blocks = -(-batch // LANES)
        slots = min(blocks, SLOTS)
        if self._slots.shape[0] < slots:
            self._slots = aligned((slots, self._size))
        steps = order.size // batch
        losses, correct = np.zeros(steps * blocks), np.zeros(steps * blocks, np.int64)
        p = self._plan
        train_steps(threads, self._counters, p.ends, p.forward, p.backward, p.tables, self._arenas, self._parameters.flat, self._slots[:slots], gradients, rules, state, images.reshape(-1).view(np.uint8), images.dtype == np.float32, labels, order, batch, losses, correct, scores)
        return losses.reshape(steps, blocks).sum(1) / batch, correct.reshape(steps, blocks).sum(1)


def aligned(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Make an array of zeros that starts at a cache line, as do its rows, which are lengthened for it."""
    size = np.dtype(dtype).itemsize
    line = CACHE_LINE // size
    *rows, columns = shape
    columns = -(-columns // line) * line
    memory = np.zeros((int(np.prod(rows)) * columns + line) * size, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + memory.size - CACHE_LINE].view(dtype).reshape(*rows, columns)
