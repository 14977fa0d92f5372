"""Training steps and inference on a CUDA device: launches for the phases of a step, or one kernel for many steps.

``samples`` and ``finish`` are launched in turn, the first for every phase; ``epoch`` runs the same functions for all steps
of a call, with barriers of the whole grid in between. Both give the same bits: what a sample or a parameter computes does
not depend on the block that computes it.
"""

from typing import Any, NamedTuple

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device, cuda_kernel
from kernels.fused.cuda import device_program as at
from kernels.fused.cuda.device_convolution import correlate, correlate_inputs, correlate_weights
from kernels.fused.cuda.device_dense import dense, dense_inputs
from kernels.fused.cuda.device_normalization import (
    combine,
    from_running,
    gradient_sums,
    normalize,
    normalize_backward,
    statistics,
)
from kernels.fused.cuda.device_pooling import max_pool, pool_backward, sum_pool
from kernels.fused.cuda.device_program import Sample
from kernels.fused.cuda.elementwise import dropout, dropout_backward, load_image, relu
from kernels.fused.cuda.loss import cross_entropy, store_scores
from kernels.fused.cuda.update import Rule, average_buffers, update

Floats = NDArray[Any]
Integers = NDArray[Any]

THREADS = 256
"""Of a block: whole warps."""

NEXT, STEP, TAKEN = range(3)
"""Places in the ``clock``: the numbers in their call of the step that ``samples`` runs, and of the one that ``finish`` ends;
the steps taken before the call. Each of the two kernels sets the number that the other reads."""


class Network(NamedTuple):
    """A program on the device, and its memory.

    Attributes
    ----------
    instructions, factors, ends, runs : those of a ``DeviceProgram``
    parameters, buffers : flat float32
    arenas, partials : flat float32, ``arena`` and ``partial`` elements for each sample
    sums : (samples, size) float32
    arena, partial : see above
    """

    instructions: Integers
    factors: Floats
    ends: Integers
    runs: Integers
    parameters: Floats
    buffers: Floats
    arenas: Floats
    partials: Floats
    sums: Floats
    arena: int
    partial: int


class Data(NamedTuple):
    """The samples of some steps.

    Attributes
    ----------
    images : flat, uint8 or float32
    divisor : float32, the pixel that counts as 1
    labels : (N,) int64
    order : (steps * batch,) int64
    batch : samples of a step
    smoothing, share : float32, of the labels; 1 / batch
    momentum : float32, the share of a batch in the running statistics
    low, high : the seed, two words
    """

    images: NDArray[Any]
    divisor: Any
    labels: Integers
    order: Integers
    batch: int
    smoothing: Any
    share: Any
    momentum: Any
    low: int
    high: int


class Optimizing(NamedTuple):
    """What changes the parameters.

    Attributes
    ----------
    rule : the optimizer
    rates : (steps, RATES) float32
    gradients : flat float32, written if the rule is none
    state : (2 or 3, parameters) float32
    averages : of the buffers
    """

    rule: Rule
    rates: Floats
    gradients: Floats
    state: Floats
    averages: Floats


class Results(NamedTuple):
    """The results of some steps, sample by sample in their order: losses float32, correct int32, scores float32."""

    losses: Floats
    correct: Integers
    scores: Floats


@cuda_device
def _run(
    step: Integers, factor: Any, network: Network, data: Data, results: Results, sample: Sample, place: int
) -> None:
    """Run one instruction for a sample; ``place`` is where its results go."""
    op, n = step[at.OP], sample.number
    arena = network.arenas[n * network.arena : (n + 1) * network.arena]
    partials = network.partials[n * network.partial : (n + 1) * network.partial]
    if op == at.CORRELATE:
        correlate(step, arena, network.parameters)
    elif op == at.CORRELATE_INPUTS:
        correlate_inputs(step, arena, network.parameters)
    elif op == at.CORRELATE_WEIGHTS:
        correlate_weights(step, arena, partials)
    elif op == at.DENSE:
        dense(step, arena, network.parameters)
    elif op == at.DENSE_INPUTS:
        dense_inputs(step, arena, network.parameters)
    elif op == at.MAX_POOL:
        max_pool(step, arena)
    elif op == at.SUM_POOL:
        sum_pool(step, arena, factor)
    elif op == at.MAX_POOL_BACKWARD or op == at.SUM_POOL_BACKWARD:
        pool_backward(step, arena, factor)
    elif op == at.IMAGES:
        load_image(step, arena, data.images, data.divisor, sample.image)
    elif op == at.LOSS:
        label = data.labels[sample.image]
        cross_entropy(step, arena, label, data.smoothing, data.share, place, results.losses, results.correct)
    elif op == at.SCORES:
        store_scores(step, arena, place, results.scores)
    elif op == at.RELU:
        relu(step, arena)
    elif op == at.DROPOUT:
        dropout(step, arena, factor, sample)
    elif op == at.DROPOUT_BACKWARD:
        dropout_backward(step, arena)
    elif op == at.STATISTICS:
        statistics(step, arena, network.sums[sample.number])
    elif op == at.COMBINE:
        combine(step, arena, network.parameters, network.sums, network.buffers, factor, data.momentum, sample)
    elif op == at.RUNNING:
        from_running(step, arena, network.parameters, network.buffers, factor)
    elif op == at.NORMALIZE:
        normalize(step, arena)
    elif op == at.GRADIENT_SUMS:
        gradient_sums(step, arena, network.sums[sample.number], partials)
    elif op == at.NORMALIZE_BACKWARD:
        normalize_backward(step, arena, network.sums, sample)


@cuda_device
def _run_phase(phase: int, step: int, taken: int, network: Network, data: Data, results: Results) -> None:
    """Run the instructions of a phase for the samples of a step: a block takes one sample after the other."""
    first = network.ends[phase - 1] if phase > 0 else 0
    for number in range(cuda.blockIdx.x, data.batch, cuda.gridDim.x):
        place = step * data.batch + number
        sample = Sample(number, data.batch, data.order[place], data.low, data.high, taken)
        for instruction in range(first, network.ends[phase]):
            _run(network.instructions[instruction], network.factors[instruction], network, data, results, sample, place)
            cuda.syncthreads()


@cuda_device
def _finish(step: int, network: Network, data: Data, optimizing: Optimizing) -> None:
    """Update the parameters after the phases of a step."""
    rates = optimizing.rates[step]
    update(
        network.runs,
        network.arenas[: data.batch * network.arena],
        network.partials[: data.batch * network.partial],
        data.batch,
        optimizing.rule,
        rates,
        network.parameters,
        optimizing.gradients,
        optimizing.state,
    )
    if optimizing.rule.averaged != 0:
        average_buffers(rates, network.buffers, optimizing.averages)


@cuda_kernel
def samples(phase: int, clock: Integers, network: Network, data: Data, results: Results) -> None:
    """Run one phase of the next step."""
    step = clock[NEXT]
    _run_phase(phase, step, clock[TAKEN] + step, network, data, results)
    if cuda.grid(1) == 0:
        clock[STEP] = step


@cuda_kernel
def finish(clock: Integers, network: Network, data: Data, optimizing: Optimizing) -> None:
    """Update the parameters after the phases of a step, and let the clock show the next one."""
    step = clock[STEP]
    _finish(step, network, data, optimizing)
    if cuda.grid(1) == 0:
        clock[NEXT] = step + 1


@cuda_kernel
def epoch(steps: int, clock: Integers, network: Network, data: Data, optimizing: Optimizing, results: Results) -> None:
    """Take all steps of a call; every block of the grid runs at the same time."""
    grid = cuda.cg.this_grid()
    for step in range(steps):
        for phase in range(len(network.ends)):
            _run_phase(phase, step, clock[TAKEN] + step, network, data, results)
            grid.sync()
        _finish(step, network, data, optimizing)
        grid.sync()
