"""What the page is told of a network, and of a picture."""

import numpy as np
import pytest

import kernels
from workbench.demo.sight import facts, require_small, see
from workbench.network.checkpoint import TrainedRun
from workbench.network.executor import OpsExecutor
from workbench.network.spec import build
from workbench.system.errors import InputError


def floats(data):
    return np.frombuffer(data, "<f4")


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 256, (3, 15, 13), dtype=np.uint8)


def test_the_values_are_those_of_the_network(odd, image):
    sight = see(odd, image)
    assert [floats(each).size for each in sight.values] == [np.prod(shape) for shape in odd.network.shapes]
    assert np.array_equal(floats(sight.values[0]), image.ravel() / np.float32(255))
    scores = OpsExecutor(odd.network, odd.parameters, "cpu").logits(image[np.newaxis])
    assert np.array_equal(floats(sight.values[-1]), scores[0])
    assert np.array_equal(floats(sight.probabilities), kernels.softmax(scores)[0])
    assert sight.best == scores[0].argmax()


def test_the_facts_say_how_each_layer_is_computed(odd):
    told = facts(odd)
    assert [layer.op for layer in told.layers][:4] == ["conv2d", "batch_norm", "relu", "avg_pool2d"]
    first = told.layers[0]
    assert first.options == {"stride": (2, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 2), "groups": 1}
    assert first.shape == odd.network.shapes[1]
    assert np.array_equal(floats(first.tensors["weight"].data), odd.parameters.tensors["0.weight"].ravel())
    assert told.layers[4].options["padding"] == ((1, 1), (1, 1))  # same
    assert told.accuracy is None


def test_the_connections_are_the_strongest_and_add_up(odd, image):
    sight = see(odd, image)
    assert set(sight.connections) == {8, 11}
    for number, found in sight.connections.items():
        weight, bias = (odd.parameters.tensors[f"{number}.{name}"] for name in ("weight", "bias"))
        x, y = floats(sight.values[number]), floats(sight.values[number + 1])
        inputs = np.frombuffer(found.inputs, "<i4").reshape(len(weight), found.count)
        weights, products = (floats(each).reshape(inputs.shape) for each in (found.weights, found.products))
        every = weight * x
        assert np.array_equal(weights, np.take_along_axis(weight, inputs, axis=1))
        assert np.array_equal(products, weights * x[inputs])
        assert np.array_equal(np.abs(products), -np.sort(-np.abs(every), axis=1)[:, : found.count])
        total = products.sum(axis=1, dtype=np.float64) + floats(found.others) + bias
        bound = x.size * 2.0**-23 * (np.abs(every).sum(axis=1) + np.abs(bias))
        assert (np.abs(total - y) <= bound).all()


def test_a_network_too_large_to_draw_is_refused(odd):
    network = build("dense 10", (3, 512, 512), 10)
    large = TrainedRun(folder=odd.folder, record=odd.record, network=network, parameters=odd.parameters)
    with pytest.raises(InputError, match=r"odd: 9,437,204 parameters and values are too many .* at most 4,194,304;"):
        require_small(large)
    require_small(odd)
