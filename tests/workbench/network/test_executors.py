"""The executors compared with the op-by-op one in float64, and those of a device with the one of the CPU."""

import os

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.augment.strengths import Strengths
from kernels.fused.lanes import LANES
from workbench.network.executor import EXECUTORS, ON_DEVICE, FusedExecutor, OpsExecutor, StepSettings, choose
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Parameters, build
from workbench.oracle.network import references
from workbench.selftest.drawn_networks import CLASSES, draw_network
from workbench.system.errors import InputError


def in_float64(network, parameters):
    """The op-by-op executor with the same parameters in float64, its operations, and room for gradients."""
    operations = references()
    oracle = OpsExecutor(network, parameters.in_float64(network), "cpu", operations)
    return oracle, operations, Parameters.zeros(network).in_float64(network)


def drawn(network, samples, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.random((samples, *network.input_shape), dtype=np.float32)
    parameters = Parameters.initial(network, rng)
    for values in parameters.named.values():
        if values.ndim == 1:
            values += rng.random(values.shape, np.float32) / 4
    parameters.buffers.flat[:] += rng.random(parameters.buffers.flat.size, np.float32)
    return parameters, images, rng.integers(0, network.shapes[-1][0], samples)


def assert_close(got, expected, layers):
    """Rounding: sums of some thousand terms at most, through every layer and back, of the size of the largest.

    ``layers`` is multiplied by what normalizations enlarge.
    """
    bound = 2 * layers * 2**12 * 2.0**-24 * max(float(np.abs(expected).max()), 1e-3)
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 5), st.sampled_from([0.0, 0.1]))
def test_fused_agrees_with_ops(drawn_by, samples, seed, label_smoothing):
    agrees_with_ops("fused", drawn_by, samples, seed, label_smoothing)


@pytest.mark.parametrize("name", ON_DEVICE)
def test_those_of_a_device_agree_with_ops(name, cuda):
    @settings(max_examples=12, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 5), st.sampled_from([0.0, 0.1]))
    def holds(drawn_by, samples, seed, label_smoothing):
        agrees_with_ops(name, drawn_by, samples, seed, label_smoothing)

    holds()


def agrees_with_ops(name, drawn_by, samples, seed, label_smoothing):
    """Check gradients and scores of a drawn network against those of the op-by-op executor in float64."""
    network = build(*draw_network(np.random.default_rng(drawn_by)), CLASSES)
    parameters, images, labels = drawn(network, samples, seed)
    executor, gradients = EXECUTORS[name](network, parameters, "cuda"), Parameters.zeros(network)
    gradients.flat[:] = np.nan
    oracle, operations, expected = in_float64(network, parameters)
    chosen = StepSettings(seed=seed + 2**40, label_smoothing=label_smoothing)
    loss, scores = executor.gradients(images, labels, gradients, chosen)
    expected_loss, expected_scores = oracle.gradients(images.astype(np.float64), labels, expected, chosen)
    layers = len(network.layers) * operations.amplification
    assert loss == pytest.approx(expected_loss, rel=1e-5 * operations.amplification)
    assert_close(scores, expected_scores, layers)
    for name, values in gradients.named.items():
        assert_close(values, expected.named[name], layers)
    operations.amplification = 1.0
    expected_scores = oracle.logits(images.astype(np.float64))
    layers = len(network.layers) * operations.amplification
    assert_close(executor.logits(images), expected_scores, layers)
    assert_close(executor.logits(images[:3]), expected_scores[:3], layers)


LENET = "conv 6 5x5 pad=2 | relu | maxpool 2 | conv 16 5x5 | relu | maxpool 2 | dense 20 | relu | dense 3"


NORMALIZED = (
    "conv 6 5x5 pad=2 | batchnorm | relu | maxpool 2 | conv 8 3x3 | batchnorm | conv 4 3x3 pad=1 | relu | dropout 0.25 | "
    "avgpool 2 | dense 20 | batchnorm | relu | dropout 0.5 | dense 3"
)

AUGMENTED = StepSettings(seed=2**50 + 3, augmentation=Strengths(shift=1, rotate=10, scale=0.1, elastic=0.5, flip=0.5))


@pytest.fixture
def lenet():
    return build(LENET, (1, 16, 16), 3)


@pytest.fixture
def normalized():
    return build(NORMALIZED, (1, 16, 16), 3)


optimizers = pytest.mark.parametrize(
    "make",
    [
        lambda size: Optimizer(size, 0.1, momentum=0.9),
        lambda size: Optimizer(
            size, lambda taken: 0.1 / (1 + taken), momentum=0.9, nesterov=True, weight_decay=0.01, ema=0.9
        ),
        lambda size: Optimizer(size, 0.01, "adam"),
        lambda size: Optimizer(size, lambda taken: 0.01 / (1 + taken), "adamw", weight_decay=0.1, ema=0.9),
    ],
    ids=["sgd", "sgd with everything", "adam", "adamw"],
)


SMALL = "conv 3 3x3 pad=1 | relu | batchnorm | maxpool 2 | conv 5 3x3 stride=2 | relu | dropout 0.2 | dense 6 | dense 3"


@pytest.fixture
def small():
    return build(SMALL, (1, 10, 10), 3)


def steps_of(name, network, make, images, labels):
    """What a training by an executor leaves: steps, parameters, optimizer, buffers."""
    parameters, _, _ = drawn(network, 1)
    optimizer = make(parameters.flat.size)
    optimizer.buffer_averages = np.zeros(parameters.buffers.flat.size * (optimizer.averages is not None), np.float32)
    order = np.random.default_rng(1).permutation(len(images))
    chosen = StepSettings(seed=7, label_smoothing=0.1)
    steps = list(EXECUTORS[name](network, parameters, "cuda").steps(images, labels, order, 4, optimizer, chosen))
    return steps, parameters.flat, optimizer.state, parameters.buffers.flat, optimizer.buffer_averages, optimizer.taken


@optimizers
@pytest.mark.parametrize("as_bytes", [True, False])
def test_a_device_trains_as_the_cpu_does_and_always_to_the_same_bits(small, make, as_bytes, cuda):
    _, images, labels = drawn(small, 10)
    images = (images * 255).astype(np.uint8) if as_bytes else images
    expected = steps_of("fused", small, make, images, labels)
    first = steps_of("graph", small, make, images, labels)
    for name in (*ON_DEVICE, "persistent"):
        for one, other in zip(first, steps_of(name, small, make, images, labels), strict=True):
            np.testing.assert_array_equal(one, other)
    assert [step.samples for step in first[0]] == [step.samples for step in expected[0]] == [4, 4, 2]
    assert first[5] == expected[5] == 3
    for one, other in zip(first[0], expected[0], strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
    for one, other in zip(first[1:5], expected[1:5], strict=True):
        if other.size:
            assert_close(one, other, 8 * len(small.layers))


@pytest.mark.parametrize("name", ON_DEVICE)
def test_a_device_runs_any_number_of_samples(name, small, cuda):
    parameters, images, labels = drawn(small, 3)
    executor, fused = EXECUTORS[name](small, parameters, "cuda"), FusedExecutor(small, parameters)
    assert executor.logits(images[:0]).shape == (0, 3)
    for count in (3, 1, 2):  # more than before, and fewer
        assert_close(executor.logits(images[:count]), fused.logits(images[:count]), len(small.layers))
        assert_close(executor.probabilities(images[:count]), fused.probabilities(images[:count]), len(small.layers))
    labels[1] = 3
    (step,) = executor.steps(images, labels, np.arange(3), 3, Optimizer(parameters.flat.size, 0.1))
    assert np.isnan(step.loss)


@optimizers
def test_steps_are_the_same_bits_for_any_number_of_threads(lenet, make, monkeypatch):
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(numba, "get_num_threads", lambda threads=threads: threads)
        parameters, images, labels = drawn(lenet, 150)
        order = np.random.default_rng(1).permutation(150)
        optimizer = make(parameters.flat.size)
        steps = list(FusedExecutor(lenet, parameters).steps(images, labels, order, 40, optimizer))
        assert [step.samples for step in steps] == [40, 40, 40, 30]
        results.append((steps, parameters.flat.tobytes(), optimizer.state.tobytes()))
    assert results[0] == results[1] == results[2]


@optimizers
def test_steps_are_those_of_ops(lenet, make):
    losses = []
    for executor in (FusedExecutor, lambda network, parameters: OpsExecutor(network, parameters, "cpu")):
        parameters, images, labels = drawn(lenet, 70)
        images = (images * 255).astype(np.uint8)
        optimizer = make(parameters.flat.size)
        steps = executor(lenet, parameters).steps(images, labels, np.arange(70)[::-1], 32, optimizer)
        losses.append([(step.samples, step.loss) for step in steps])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_normalized_steps_are_the_same_bits_for_any_number_of_threads(normalized, monkeypatch):
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(numba, "get_num_threads", lambda threads=threads: threads)
        parameters, images, labels = drawn(normalized, 150)
        executor, optimizer = FusedExecutor(normalized, parameters), Optimizer(parameters.flat.size, 0.1, momentum=0.9)
        steps = list(executor.steps(images, labels, np.arange(150), 70, optimizer, AUGMENTED))
        results.append((steps, parameters.flat.tobytes(), parameters.buffers.flat.tobytes()))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("batch", [1, LANES - 1, LANES + 1, 64, 100])
def test_normalized_steps_are_those_of_ops(normalized, batch):
    """With dropout and augmentation, and a last batch of one sample."""
    found = []
    for executor in (FusedExecutor, lambda network, parameters: OpsExecutor(network, parameters, "cpu")):
        parameters, images, labels = drawn(normalized, batch + 1)
        images = (images * 255).astype(np.uint8)
        steps = executor(normalized, parameters).steps(
            images, labels, np.arange(batch + 1)[::-1], batch, Optimizer(parameters.flat.size, 0.01), AUGMENTED
        )
        found.append(([(step.samples, step.loss) for step in steps], parameters))
    (fused, mine), (ops, expected) = found
    np.testing.assert_allclose(fused, ops, rtol=1e-4)
    np.testing.assert_allclose(mine.flat, expected.flat, atol=1e-5)
    np.testing.assert_allclose(mine.buffers.flat, expected.buffers.flat, rtol=1e-4, atol=1e-6)


def test_gradients_leave_the_running_statistics(normalized):
    parameters, images, labels = drawn(normalized, 20)
    before = parameters.buffers.flat.copy()
    FusedExecutor(normalized, parameters).gradients(images, labels, Parameters.zeros(normalized), AUGMENTED)
    np.testing.assert_array_equal(parameters.buffers.flat, before)


def test_normalized_steps_in_parts_are_the_same(normalized):
    results = []
    for parts in (1, 3):
        parameters, images, labels = drawn(normalized, 60)
        executor, optimizer = FusedExecutor(normalized, parameters), Optimizer(parameters.flat.size, 0.1)
        for part in np.split(np.arange(60), parts):
            list(executor.steps(images, labels, part, 20, optimizer, AUGMENTED))
        results.append((parameters.flat.tobytes(), parameters.buffers.flat.tobytes()))
    assert results[0] == results[1]


def test_bytes_stand_for_0_to_1(lenet):
    parameters, images, _ = drawn(lenet, 21)
    pixels = (images * 255).astype(np.uint8)
    pixels.flags.writeable = False
    executor = FusedExecutor(lenet, parameters)
    whole = np.divide(pixels, 255, dtype=np.float32)
    np.testing.assert_allclose(executor.logits(pixels), executor.logits(whole), rtol=1e-5, atol=1e-6)


def test_probabilities_are_the_softmax_of_the_scores(lenet):
    parameters, images, _ = drawn(lenet, 21)
    executor = FusedExecutor(lenet, parameters)
    powers = np.exp(executor.logits(images).astype(np.float64))
    np.testing.assert_allclose(executor.probabilities(images), powers / powers.sum(1, keepdims=True), rtol=1e-5)


def test_no_images(lenet):
    parameters, images, _ = drawn(lenet, 0)
    assert FusedExecutor(lenet, parameters).logits(images).shape == (0, 3)


def test_an_infinite_weight_over_padding_adds_nothing():
    """Where padding would be multiplied, it makes NaN."""
    network = build("conv 1 3x3 pad=1 | relu | dense 2", (1, 1, 1), 2)
    parameters, images, labels = drawn(network, 3)
    parameters.named["0.weight"][0, 0, 0, 0] = -np.inf
    expected, wanted = Parameters.zeros(network), OpsExecutor(network, parameters, "cpu")
    executor, gradients = FusedExecutor(network, parameters), Parameters.zeros(network)
    loss, scores = wanted.gradients(images, labels, expected)
    assert np.isfinite(scores).all()
    got = executor.gradients(images, labels, gradients)
    assert got[0] == pytest.approx(loss)
    np.testing.assert_allclose(got[1], scores, rtol=1e-5)
    np.testing.assert_allclose(executor.logits(images), scores, rtol=1e-5)


def test_a_label_beyond_the_classes_is_refused_as_ops_refuse_it(lenet):
    parameters, images, labels = drawn(lenet, 5)
    labels[2] = 3
    with pytest.raises(Exception, match="labels"):
        FusedExecutor(lenet, parameters).gradients(images, labels, Parameters.zeros(lenet))


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (("auto", "cpu", ()), "fused"),
        (("auto", "cuda", ()), "persistent"),
        (("auto", "cpu", ("mine.py",)), "ops"),
        (("auto", "cuda", ("mine.py",)), "ops"),
        (("graph", "cuda", ()), "graph"),
        (("ops", "cuda", ()), "ops"),
        (("ops", "cpu", ()), "ops"),
        (("fused", "cpu", ()), "fused"),
    ],
)
def test_which_executor_runs(asked, chosen):
    name, reason = choose(*asked)
    assert name == chosen
    assert reason


@pytest.mark.parametrize(("device", "files"), [("cuda", ()), ("cpu", ("mine.py",))])
def test_fused_is_refused_where_it_cannot_run(device, files):
    with pytest.raises(InputError, match="--executor"):
        choose("fused", device, files)


@pytest.mark.parametrize("name", ON_DEVICE)
@pytest.mark.parametrize(
    ("device", "files", "augmented"), [("cpu", (), False), ("cuda", ("mine.py",), False), ("cuda", (), True)]
)
def test_those_of_a_device_are_refused_where_they_cannot_run(name, device, files, augmented):
    with pytest.raises(InputError, match=f"--executor {name}"):
        choose(name, device, files, augmented=augmented)
    if device == "cuda":
        assert choose("auto", device, files, augmented=augmented)[0] == "ops"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork(run_python):
    code = """
import os, numpy as np, numba
from kernels.augment.strengths import Strengths
from kernels.fused.lanes import LANES
from workbench.network.executor import FusedExecutor
from workbench.network.spec import Parameters, build
numba.set_num_threads(2)
network = build("conv 2 3x3 | relu | dense 3", (1, 6, 6), 3)
executor = FusedExecutor(network, Parameters.initial(network, np.random.default_rng(0)))
images = np.ones((64, 1, 6, 6), np.float32)
before = executor.logits(images)
child = os.fork()
if not child:
    os._exit(0 if np.array_equal(executor.logits(images), before) else 1)
print(os.waitpid(child, 0)[1])
"""
    assert run_python(code, NUMBA_NUM_THREADS="2", NUMBA_ENABLE_CUDASIM="0").strip() == "0"


def test_uncompiled(run_python):
    code = """
import numpy as np
from kernels.augment.strengths import Strengths
from kernels.fused.lanes import LANES
from workbench.network.executor import FusedExecutor, OpsExecutor
from workbench.network.spec import Parameters, build
network = build("conv 2 3x3 pad=1 | relu | maxpool 2 | dense 3", (1, 4, 4), 3)
parameters, gradients = Parameters.initial(network, np.random.default_rng(0)), Parameters.zeros(network)
expected, images = Parameters.zeros(network), np.random.default_rng(1).random((9, 1, 4, 4), dtype=np.float32)
executor, labels = FusedExecutor(network, parameters), np.arange(9) % 3
loss, scores = OpsExecutor(network, parameters, "cpu").gradients(images, labels, expected)
assert abs(executor.gradients(images, labels, gradients)[0] - loss) < 1e-6
assert np.allclose(gradients.flat, expected.flat, rtol=1e-4, atol=1e-6)
assert np.allclose(executor.logits(images[:2]), scores[:2], rtol=1e-5)
"""
    run_python(code, NUMBA_DISABLE_JIT="1", NUMBA_NUM_THREADS="1", NUMBA_ENABLE_CUDASIM="0")
