"""The values of every layer for one image, compared with the executor, and their gradients with central differences."""

import dataclasses

import numpy as np
import pytest

from workbench.network.activations import activations
from workbench.network.executor import OpsExecutor
from workbench.network.spec import Parameters, build

EVERY_LAYER = (
    "conv 4 3x3 pad=1 groups=2 | relu | avgpool 2 | conv 3 2x2 stride=2 dilation=1 | sumpool 2 stride=1 | relu | "
    "maxpool 2 stride=1 | dense 7 | relu | dense 5"
)
SIZE = (2, 14, 12)


def drawn(spec, size=SIZE, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    network = build(spec, size, classes)
    parameters = Parameters.initial(network, rng)
    for name, values in parameters.tensors.items():  # as after a training
        if name not in parameters.named or values.ndim == 1:
            values[...] = rng.uniform(0.5, 1.5, values.shape)
    return network, parameters, rng.random(size, dtype=np.float32)


SPECS = [
    EVERY_LAYER,
    "dense 5",
    "conv 3 3x3 | batchnorm | relu | dropout 0.4 | dense 6 | batchnorm | relu | dense 5",
]


@pytest.mark.parametrize("spec", SPECS)
def test_values_are_those_of_the_executor(spec):
    network, parameters, image = drawn(spec)
    seen = activations(network, parameters, image)
    executor = OpsExecutor(network, parameters, "cpu")
    np.testing.assert_array_equal(seen.values[0], image)
    assert [values.shape for values in seen.values] == list(network.shapes)
    np.testing.assert_array_equal(seen.scores, executor.logits(image[np.newaxis])[0])
    np.testing.assert_array_equal(seen.probabilities, executor.probabilities(image[np.newaxis])[0])
    np.testing.assert_allclose(seen.probabilities.sum(), 1, rtol=1e-6)


def rerun(network, parameters, values, start, target):
    """The score of a class if the input of layer ``start`` had these values."""
    rest = dataclasses.replace(network, layers=network.layers[start:], shapes=network.shapes[start:])
    return activations(rest, parameters, values).scores[target]


@pytest.mark.parametrize("spec", SPECS)
def test_gradients_are_central_differences(spec):
    network, parameters, image = drawn(spec, seed=3)
    wide = parameters.in_float64(network)
    seen = activations(network, wide, image.astype(np.float64))
    rng = np.random.default_rng(1)
    gradients = seen.gradients(2)
    assert [each.shape for each in gradients] == [each.shape for each in seen.values]
    for place, (values, gradient) in enumerate(zip(seen.values[:-1], gradients, strict=False)):
        for flat in rng.choice(values.size, min(values.size, 12), replace=False):
            index = np.unravel_index(flat, values.shape)
            step = 1e-6
            up, down = values.copy(), values.copy()
            up[index] += step
            down[index] -= step
            scores = [rerun(network, wide, each, place, 2) for each in (up, down)]
            assert gradient[index] == pytest.approx((scores[0] - scores[1]) / (2 * step), rel=1e-4, abs=1e-7), (
                network.layers[place].name,
                index,
            )
    np.testing.assert_array_equal(gradients[-1], np.eye(5)[2])


def test_bytes_stand_for_0_to_1():
    network, parameters, image = drawn(EVERY_LAYER)
    pixels = np.rint(image * 255).astype(np.uint8)
    seen = activations(network, parameters, pixels)
    np.testing.assert_array_equal(seen.values[0], pixels / np.float32(255))
