"""Batch normalization and dropout in a network: gradients, running statistics, inference, files."""

import numpy as np
import pytest
from safetensors.numpy import save_file

import kernels
from kernels.compile.philox import DROPOUT, derived_seed
from workbench.network.executor import OpsExecutor, StepSettings
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Parameters, build
from workbench.oracle.network import references

SPEC = "conv 3 3x3 | batchnorm | relu | avgpool 2 | dropout 0.25 | dense 6 | batchnorm | dropout 0.5 | dense 3"
SHAPE, CLASSES = (1, 8, 8), 3
SEEDED = StepSettings(seed=7)


@pytest.fixture
def network():
    return build(SPEC, SHAPE, CLASSES)


@pytest.fixture
def batch():
    rng = np.random.default_rng(5)
    return rng.random((6, *SHAPE)), np.array([0, 1, 2, 1, 0, 2])


def drawn(network):
    parameters = Parameters.initial(network, np.random.default_rng(3))
    for name in ("1.weight", "1.bias", "7.weight", "7.bias"):
        parameters.named[name] += np.random.default_rng(4).random(parameters.named[name].shape, np.float32)
    return parameters


def test_gradients_are_central_differences_of_the_loss(network, batch):
    """In float64 with the references: every parameter, dropped elements and the statistics of the batch included.

    Steps of 1e-5: an error of about 1e-10 by curvature and 1e-11 by rounding. A ReLU may change its side in few of them.
    """
    parameters = drawn(network).in_float64(network)
    gradients, unused = (Parameters.zeros(network).in_float64(network) for _ in range(2))
    executor = OpsExecutor(network, parameters, "cpu", references())
    images, labels = batch
    executor.gradients(images, labels, gradients, SEEDED)
    chosen = np.random.default_rng(1).permutation(parameters.flat.size)[:60]
    norms = [name for name in network.parameter_shapes if name.split(".")[0] in ("1", "7")]
    offsets = {
        name: (values.ctypes.data - parameters.flat.ctypes.data) // 8 for name, values in parameters.named.items()
    }
    chosen = np.union1d(chosen, [offsets[name] + i for name in norms for i in range(parameters.named[name].size)])
    differences = np.empty(len(chosen))
    for place, index in enumerate(chosen):
        losses = []
        for step in (1e-5, -1e-5):
            kept = parameters.flat[index]
            parameters.flat[index] += step
            losses.append(executor.gradients(images, labels, unused, SEEDED)[0])
            parameters.flat[index] = kept
        differences[place] = (losses[0] - losses[1]) / 2e-5
    assert np.count_nonzero(np.abs(differences) > 1e-4) > 30
    np.testing.assert_allclose(gradients.flat[chosen], differences, rtol=1e-5, atol=1e-8)


def test_float32_agrees_with_float64(network, batch):
    parameters, images = drawn(network), batch[0].astype(np.float32)
    got, expected = Parameters.zeros(network), Parameters.zeros(network).in_float64(network)
    loss, _ = OpsExecutor(network, parameters, "cpu").gradients(images, batch[1], got, SEEDED)
    oracle = OpsExecutor(network, parameters.in_float64(network), "cpu", references())
    wanted, _ = oracle.gradients(images.astype(np.float64), batch[1], expected, SEEDED)
    assert loss == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(got.flat, expected.flat, rtol=1e-3, atol=1e-5)


def test_gradients_leave_the_running_statistics_and_steps_do_not(network, batch):
    images, labels = batch[0].astype(np.float32), batch[1]
    parameters = drawn(network)
    executor = OpsExecutor(network, parameters, "cpu")
    before = parameters.buffers.flat.copy()
    executor.gradients(images, labels, Parameters.zeros(network), SEEDED)
    np.testing.assert_array_equal(parameters.buffers.flat, before)
    first = kernels.conv2d(images, parameters.named["0.weight"], parameters.named["0.bias"]).astype(np.float64)
    list(executor.steps(images, labels, np.arange(6), 6, Optimizer(parameters.flat.size, 0.1), SEEDED))
    moved = parameters.buffers.named
    np.testing.assert_allclose(moved["1.running_mean"], 0.1 * first.mean((0, 2, 3)), rtol=1e-5)
    unbiased = first.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(moved["1.running_var"], 0.9 + 0.1 * unbiased, rtol=1e-5)
    assert (moved["7.running_mean"] != 0).any()


def test_a_batch_of_one_value_for_each_channel_leaves_the_running_statistics():
    network = build("dense 4 | batchnorm | dense 3", (1, 2, 2), 3)
    parameters = Parameters.initial(network, np.random.default_rng(0))
    before = parameters.buffers.flat.copy()
    optimizer = Optimizer(parameters.flat.size, 0.1)
    steps = list(
        OpsExecutor(network, parameters, "cpu").steps(
            np.ones((1, 1, 2, 2), np.float32), np.array([1]), np.arange(1), 4, optimizer
        )
    )
    assert np.isfinite(steps[0].loss)
    np.testing.assert_array_equal(parameters.buffers.flat, before)


def test_inference_normalizes_by_the_running_statistics_and_drops_nothing(network, batch):
    images, parameters = batch[0].astype(np.float32), drawn(network)
    parameters.buffers.named["1.running_mean"][:] = 0.3
    parameters.buffers.named["1.running_var"][:] = 2.0
    executor = OpsExecutor(network, parameters, "cpu")
    scores = executor.logits(images)
    np.testing.assert_allclose(executor.logits(images[:2]), scores[:2], rtol=1e-5)  # other samples do not matter
    named, x = parameters.named, kernels.conv2d(images, parameters.named["0.weight"], parameters.named["0.bias"])
    weight, bias = (named[f"1.{name}"].reshape(1, -1, 1, 1) for name in ("weight", "bias"))
    x = np.maximum((x - 0.3) / np.sqrt(2 + 1e-5) * weight + bias, 0)
    x = x.reshape(6, 3, 3, 2, 3, 2).mean((3, 5)).reshape(6, -1)
    x = (x @ named["6.weight"].T + named["6.bias"]) / np.sqrt(1 + 1e-5) * named["7.weight"] + named["7.bias"]
    np.testing.assert_allclose(scores, x @ named["9.weight"].T + named["9.bias"], rtol=1e-4, atol=1e-5)


def test_every_step_and_layer_drops_other_elements():
    seeds = {
        derived_seed(seed, step, layer, DROPOUT) for seed in (0, 1, 2**40) for step in range(9) for layer in (4, 8)
    }
    assert len(seeds) == 3 * 9 * 2
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_training_is_the_same_in_parts_and_another_for_another_seed(network, batch):
    images, labels = batch[0].astype(np.float32), batch[1]
    order, results = np.arange(6).repeat(4).reshape(6, 4).T.reshape(-1), []
    for seed, parts in ((7, 1), (7, 2), (8, 1)):
        parameters = drawn(network)
        executor, optimizer = OpsExecutor(network, parameters, "cpu"), Optimizer(parameters.flat.size, 0.1)
        for part in np.split(order, parts):
            list(executor.steps(images, labels, part, 6, optimizer, StepSettings(seed=seed)))
        results.append((parameters.flat.tobytes(), parameters.buffers.flat.tobytes()))
    assert results[0] == results[1]
    assert results[0] != results[2]


def twin(torch):
    """The network in PyTorch, with the dropouts switched off: other elements are dropped there."""
    layers = torch.nn
    return layers.Sequential(
        layers.Conv2d(1, 3, 3),
        layers.BatchNorm2d(3),
        layers.ReLU(),
        layers.AvgPool2d(2),
        layers.Dropout(0.0),
        layers.Flatten(),
        layers.Linear(27, 6),
        layers.BatchNorm1d(6),
        layers.Dropout(0.0),
        layers.Linear(6, 3),
    )


def test_torch_loads_the_file_and_takes_the_same_step(batch, tmp_path):
    torch = pytest.importorskip("torch")
    network = build(SPEC.replace("0.25", "0").replace("0.5", "0"), SHAPE, CLASSES)
    parameters, gradients = drawn(network), Parameters.zeros(network)
    rng = np.random.default_rng(8)
    parameters.buffers.flat[:] += rng.random(parameters.buffers.flat.size, np.float32)
    save_file(parameters.tensors, tmp_path / "model.safetensors")
    theirs = twin(torch)
    load_file = pytest.importorskip("safetensors.torch").load_file
    theirs.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    images, labels = batch[0].astype(np.float32), batch[1]
    executor = OpsExecutor(network, parameters, "cpu")
    scores = theirs.eval()(torch.tensor(images)).detach().numpy()
    np.testing.assert_allclose(executor.logits(images), scores, rtol=1e-4, atol=1e-6)

    loss = torch.nn.functional.cross_entropy(theirs.train()(torch.tensor(images)), torch.tensor(labels))
    loss.backward()
    found, _ = executor.gradients(images, labels, gradients)
    assert found == pytest.approx(float(loss.detach()), rel=1e-5)
    for name, values in theirs.named_parameters():
        np.testing.assert_allclose(gradients.named[name], values.grad.numpy(), rtol=1e-3, atol=1e-5, err_msg=name)
    list(executor.steps(images, labels, np.arange(6), 6, Optimizer(parameters.flat.size, 0.0)))
    for name, values in parameters.buffers.named.items():
        np.testing.assert_allclose(values, theirs.state_dict()[name].numpy(), rtol=1e-5, err_msg=name)
