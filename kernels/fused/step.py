"""Whole training steps, and inference, as every thread runs them.

A step has two phases. First the blocks of its samples, in ``slots``: each slot is a fixed run of blocks that adds up its
gradients in its own vector. Then the parameters in ``CHUNK``s, each adding the slots' gradients in order and applying the
optimizer. Batch normalizations cut the first phase: the blocks run the segments of the program one after another, each a
phase. Every worker begins each phase with the same items as in the previous step, whose memory is in its core's cache,
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

from kernels.augment.resampling import augment_sample
from kernels.augment.strengths import Warp
from kernels.compile.jit import cpu_part, cpu_serial
from kernels.compile.philox import AUGMENTATION, derived_key
from kernels.fused.interpreter import run_backward, run_forward, run_inference
from kernels.fused.lanes import LANES
from kernels.fused.optimizer import apply, average
from kernels.fused.program import Block, Program
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
    arenas : (A, arena) float32, shared by all workers: one for each of them, or for each block of a program of several
    segments
    sums : (blocks or more, sums) float32, shared by all workers; see ``program.Block``
    pictures : flat float32, where this worker makes augmented pictures: those of a block, then room for one
    picture_bytes : the same memory, read-only
    lanes : (LANES,) int64, 0, 1, ..., read-only: the pictures in that memory
    """

    number: int
    workers: int
    counters: Integers
    arenas: Floats
    sums: Floats
    pictures: Floats
    picture_bytes: NDArray[np.uint8]
    lanes: Integers


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
    low, high : the seed, two words
    augmented : bool, whether the images are augmented
    warp : a ``Warp``, how
    momentum : float, the share that a batch has in the running statistics
    buffers : flat float32, the running statistics
    averages : flat float32, the averages of these; used if the optimizer's rule has averages
    """

    images: NDArray[np.uint8]
    scaled: bool
    labels: Integers
    order: Integers
    batch: int
    label_smoothing: float
    low: int
    high: int
    augmented: bool
    warp: tuple[Any, ...]
    momentum: float
    buffers: Floats
    averages: Floats


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
def _load_block(
    block: Block, chosen: Integers, worker: StepWorker, program: Program, arena: Floats, samples: Samples
) -> None:
    """Load the images of a block, augmented or not."""
    images, scaled, numbers = samples.images, samples.scaled, chosen
    if samples.augmented:
        warp, size = Warp(*samples.warp), program.ends[IMAGES].channels
        low, high = derived_key(block.low, block.high, block.taken, 0, AUGMENTATION)
        room = worker.pictures[LANES * size :]
        for lane in range(chosen.size):
            position = block.number * LANES + lane
            augment_sample(warp, low, high, position, images, scaled, chosen[lane], room, worker.pictures, lane * size)
        images, scaled, numbers = worker.picture_bytes, True, worker.lanes[: chosen.size]
    load_images(program.ends[IMAGES], arena, program.tables, images, scaled, numbers)


@cpu_part
def _train_slot(
    slot: int,
    phase: int,
    step: int,
    taken: int,
    worker: StepWorker,
    program: Program,
    parameters: Floats,
    gradients: Floats,
    samples: Samples,
    results: Results,
) -> None:
    """Run a segment of the program over the blocks of a slot: forward, and from the last of these on, back.

    The samples are those of the number ``step`` of this call; ``taken`` steps were taken before.
    """
    slots, ends, tables, batch = gradients.shape[0], program.ends, program.tables, samples.batch
    blocks, turn = -(-batch // LANES), program.forward_ends.size - 1
    if phase == turn:
        gradients[slot, :] = 0
    share = np.float32(1 / batch)
    for number in range(slot * blocks // slots, (slot + 1) * blocks // slots):
        start = step * batch + number * LANES
        chosen = samples.order[start : min(start + LANES, (step + 1) * batch)]
        arena = worker.arenas[number if turn > 0 else worker.number]
        block = Block(
            number,
            chosen.size,
            batch,
            worker.sums,
            samples.buffers,
            samples.momentum,
            samples.low,
            samples.high,
            taken,
        )
        if phase == 0:
            _load_block(block, chosen, worker, program, arena, samples)
        if phase <= turn:
            part = _segment(program.forward_ends, phase)
            run_forward(program.forward[part], tables, arena, parameters, block)
        if phase == turn:
            if results.scores.size > 0:
                classes = ends[SCORES].channels
                store_scores(ends[SCORES], arena, tables, results.scores[start * classes :], chosen.size)
            at = step * blocks + number
            results.losses[at], results.correct[at] = cross_entropy(
                ends[SCORES], arena, tables, samples.labels, chosen, share, samples.label_smoothing
            )
        if phase >= turn:
            part = _segment(program.backward_ends, phase - turn)
            run_backward(program.backward[part], tables, arena, parameters, gradients[slot], block)


@cpu_part
def _segment(ends: Integers, number: int) -> slice:
    return slice(ends[number - 1] if number > 0 else 0, ends[number])


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
    phases = network.forward_ends.size + network.backward_ends.size - 1
    first, behind = own.number * work // own.workers, (own.number + 1) * work // own.workers
    for step in range(given.order.size // given.batch):
        for phase in range(phases):
            _wait(counters, done)
            for turn in range(work):
                # every second phase begins with the slot that was the last before: its memory is in the cache
                item = (first + turn if phase % 2 == 0 else behind - 1 - turn + work) % work
                if _claim(counters, item, step * phases + phase):
                    _train_slot(
                        item, phase, step, int(rule.steps) + step, own, network, parameters, slots, given, found
                    )
                    fetch_add(counters, DONE, 1)
            done += work
        _wait(counters, done)
        for turn in range(chunks):
            item = (own.number * chunks // own.workers + turn) % chunks
            if _claim(counters, work + item, step):
                _update_chunk(item, rule.steps + step + 1, rates[step], parameters, slots, gradients, rule, state)
                if item == 0 and rule.ema > 0:
                    average(rule, rule.steps + step + 1, given.buffers, given.averages)
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
    buffers: Floats,
    scores: Floats,
    as_probabilities: bool,
) -> None:
    """Take part in writing the scores, or probabilities, of the images in ``order``.

    The parameters are those of ``train``; ``buffers`` the running statistics, flat.
    """
    own, network = StepWorker(*worker), Program(*program)
    ends, tables, arena = network.ends, network.tables, own.arenas[own.number]
    classes = ends[SCORES].channels
    start = fetch_add(own.counters, TAKEN, LANES)
    while start < order.size:
        chosen = order[start : start + LANES]
        block = Block(start // LANES, chosen.size, order.size, own.sums, buffers, 0.0, 0, 0, 0)
        load_images(ends[IMAGES], arena, tables, images, scaled, chosen)
        run_inference(network.forward, tables, arena, parameters, block)
        part = scores[start * classes : (start + chosen.size) * classes]
        store_scores(ends[SCORES], arena, tables, part, chosen.size)
        if as_probabilities:
            softmax(part, classes)
        start = fetch_add(own.counters, TAKEN, LANES)
