"""Whole training steps, and inference, as every thread runs them.

A step has two phases. First the blocks of its samples, in ``slots``: each slot is a fixed run of blocks that adds up its
gradients in its own vector. Then the parameters in ``CHUNK``s, each adding the slots' gradients in order and applying the
optimizer. Every worker begins each phase with the same items as in the previous step, whose memory is in its core's cache,
continues with unclaimed ones, and waits until the others have finished theirs. A worker waits only for items that running
threads have claimed, so no number of threads can deadlock. The distribution of items does not change the result, since
each item's result depends on shapes alone.

The functions that Python calls take the fields of a named tuple as a plain tuple: Numba determines the types of a named
tuple again at every call, which takes some 2 us.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_part, cpu_serial
from kernels.fused.interpreter import run_backward, run_forward
from kernels.fused.lanes import LANES
from kernels.fused.optimizer import apply
from kernels.fused.program import Program
from kernels.fused.samples import cross_entropy, load_images, softmax, store_scores
from kernels.simd.atomics import exchange, fetch_add, pause, read, yield_processor

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

CHUNK = 2048
"""Parameters that are updated together: with the gradients of a few slots they fit in L1."""

TAKEN, DONE, CLAIMED = 0, 16, 32
"""Counters, on separate cache lines: items taken, items done, and the number of steps that claimed each item."""

SPINS = 4000
"""The number of pauses, some 40 cycles each, before a waiting thread yields its core."""

IMAGES, SCORES = 0, 1
"""Instructions of a network's ``ends``: how images are loaded, and where the scores are."""


class StepWorker(NamedTuple):
    """One of the threads that share a step.

    Attributes
    ----------
    number, workers : int, the worker's index and the number of workers
    counters : (``counters_of`` the slots and parameters,) int64, shared by all workers; initially zero
    arena : flat float32, the memory of this worker
    """

    number: int
    workers: int
    counters: Integers
    arena: Floats


class Samples(NamedTuple):
    """The samples of some steps.

    Attributes
    ----------
    images : flat uint8, the bytes of all images, as ``load_images`` takes them
    scaled : bool, whether the bytes are those of float32 values
    labels : (N,) int64, labels of all images
    order : (steps * batch,) int64, indices of the samples, step by step
    batch : int, samples per step
    label_smoothing : float, as for ``cross_entropy``
    """

    images: NDArray[np.uint8]
    scaled: bool
    labels: Integers
    order: Integers
    batch: int
    label_smoothing: float


class Results(NamedTuple):
    """The results of some steps.

    Attributes
    ----------
    losses, correct : (steps * blocks of a step,) float64 and int64, sums over the samples of a block
    scores : flat float32, of all samples in order; empty if they are not wanted
    """

    losses: NDArray[np.float64]
    correct: Integers
    scores: Floats


def counters_of(slots: int, parameters: int) -> int:
    """Return the number of counters that the workers share."""
    return CLAIMED + slots + -(-parameters // CHUNK)


@cpu_part
def _claim(counters: Integers, item: int, step: int) -> bool:
    return read(counters, CLAIMED + item) == step and exchange(counters, CLAIMED + item, step, step + 1)


@cpu_part
def _wait(counters: Integers, items: int) -> None:
    spins = 0
    while read(counters, DONE) < items:
        spins += 1
        if spins < SPINS:
            pause()
        else:
            yield_processor()


@cpu_part
def _train_slot(
    slot: int,
    first: int,
    program: Program,
    arena: Floats,
    parameters: Floats,
    gradients: Floats,
    samples: Samples,
    results: Results,
) -> None:
    """Run the blocks of a slot forward and back, in the step that begins with sample ``first``."""
    slots, ends, tables, batch = gradients.shape[0], program.ends, program.tables, samples.batch
    blocks = -(-batch // LANES)
    gradients[slot, :] = 0
    share = np.float32(1 / batch)
    for block in range(slot * blocks // slots, (slot + 1) * blocks // slots):
        start = first + block * LANES
        chosen = samples.order[start : min(start + LANES, first + batch)]
        load_images(ends[IMAGES], arena, tables, samples.images, samples.scaled, chosen)
        run_forward(program.forward, tables, arena, parameters)
        if results.scores.size > 0:
            classes = ends[SCORES].channels
            store_scores(ends[SCORES], arena, tables, results.scores[start * classes :], chosen.size)
        number = first // batch * blocks + block
        results.losses[number], results.correct[number] = cross_entropy(
            ends[SCORES], arena, tables, samples.labels, chosen, share, samples.label_smoothing
        )
        run_backward(program.backward, tables, arena, parameters, gradients[slot])


@cpu_part
def _update_chunk(
    chunk: int, taken: int, rate: float, parameters: Floats, slots: Floats, gradients: Floats, rule: Any, state: Floats
) -> None:
    """Add the slots' gradients of a chunk of parameters, and update the chunk."""
    part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
    total = gradients[part]
    for i in range(total.size):
        total[i] = 0
    for slot in range(slots.shape[0]):
        own = slots[slot, part]
        for i in range(total.size):
            total[i] += own[i]
    apply(rule, taken, rate, parameters[part], total, state[:, part])


@cpu_serial
def train(
    worker: tuple[Any, ...],
    program: tuple[Any, ...],
    parameters: Floats,
    slots: Floats,
    gradients: Floats,
    rule: Any,
    rates: NDArray[np.float64],
    state: Floats,
    samples: tuple[Any, ...],
    results: tuple[Any, ...],
) -> None:
    """Take part in some steps; every worker calls this with the same arguments except ``worker``.

    Parameters
    ----------
    worker : ``StepWorker``
    program : ``Program``
    parameters, gradients : flat; ``gradients`` become those of the last step
    slots : (slots, parameters or more), room for gradients
    rule, state : an optimizer's RULE, whose step count the caller advances, and its state, as for ``optimizer.apply``
    rates : the learning rate of every step
    samples : ``Samples``
    results : ``Results``
    """
    own, network, given, found = StepWorker(*worker), Program(*program), Samples(*samples), Results(*results)
    counters = own.counters
    work, chunks, done = slots.shape[0], -(-parameters.size // CHUNK), 0
    for step in range(given.order.size // given.batch):
        _wait(counters, done)
        for turn in range(work):
            item = (own.number * work // own.workers + turn) % work
            if _claim(counters, item, step):
                _train_slot(item, step * given.batch, network, own.arena, parameters, slots, given, found)
                fetch_add(counters, DONE, 1)
        done += work
        _wait(counters, done)
        for turn in range(chunks):
            item = (own.number * chunks // own.workers + turn) % chunks
            if _claim(counters, work + item, step):
                _update_chunk(item, rule.steps + step + 1, rates[step], parameters, slots, gradients, rule, state)
                fetch_add(counters, DONE, 1)
        done += chunks


@cpu_serial
def infer(
    worker: tuple[Any, ...],
    program: tuple[Any, ...],
    parameters: Floats,
    images: NDArray[np.uint8],
    scaled: bool,
    order: Integers,
    scores: Floats,
    as_probabilities: bool,
) -> None:
    """Take part in writing the scores, or probabilities, of the images in ``order``; parameters as in ``train``."""
    own, network = StepWorker(*worker), Program(*program)
    ends, tables = network.ends, network.tables
    classes = ends[SCORES].channels
    start = fetch_add(own.counters, TAKEN, LANES)
    while start < order.size:
        chosen = order[start : start + LANES]
        load_images(ends[IMAGES], own.arena, tables, images, scaled, chosen)
        run_forward(network.forward, tables, own.arena, parameters)
        part = scores[start * classes : (start + chosen.size) * classes]
        store_scores(ends[SCORES], own.arena, tables, part, chosen.size)
        if as_probabilities:
            softmax(part, classes)
        start = fetch_add(own.counters, TAKEN, LANES)
