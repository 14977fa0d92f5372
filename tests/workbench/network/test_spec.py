"""The layer spec, shapes and parameters."""

import numpy as np
import pytest

from workbench.network.presets import PRESETS, layer_spec, layers_of
from workbench.network.spec import Parameters, build, parse
from workbench.system.errors import InputError

LENET5 = layer_spec("lenet5", 10)


def test_lenet5_is_the_contracts():
    network = build(LENET5, (1, 28, 28), 10)
    assert Parameters.zeros(network).flat.size == 61_706
    assert network.shapes[1:4] == ((6, 28, 28), (6, 28, 28), (6, 14, 14))
    assert network.shapes[-1] == (10,)
    assert [layer.number for layer in network.layers if layer.outputs] == [
        0,
        3,
        7,
        9,
        11,
    ]  # as torch.nn.Sequential counts


def test_flatten_is_implied_once():
    implied = parse("conv 2 3x3 | dense 5 | relu | dense 3")
    written = parse("conv 2 3x3 | flatten | dense 5 | relu | dense 3")
    assert [layer.op for layer in implied] == ["conv2d", "flatten", "dense", "relu", "dense"]
    assert [layer.op for layer in written] == [layer.op for layer in implied]


def test_options_reach_the_operation():
    conv, pool, *_ = parse("conv 4 3x5 stride=2x1 pad=1x2 dilation=1 groups=2 | avgpool 3x2 stride=1 pad=1 | dense 2")
    assert conv.kernel == (3, 5)
    assert conv.options == {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 1), "groups": 2}
    assert pool.op == "avg_pool2d"
    assert pool.options == {"kernel_size": (3, 2), "stride": (1, 1), "padding": (1, 1)}


@pytest.mark.parametrize("model", PRESETS)
@pytest.mark.parametrize(("channels", "classes"), [(1, 10), (3, 4)])
def test_presets_follow_the_data(model, channels, classes):
    network = build(layer_spec(model, classes), (channels, 28, 28), classes)
    assert network.parameter_shapes["0.weight"] == (6, channels, 5, 5)
    assert network.shapes[-1] == (classes,)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("conv 6 5x5 || dense 10", ("layer 2 is empty",)),
        ("", ("layer 1 is empty",)),
        ("convo 6 5x5 | dense 10", ("layer 1 (convo 6 5x5)", "unknown layer 'convo'; did you mean conv?")),
        ("softmax | dense 10", ("layer 1 (softmax)", "unknown layer 'softmax'; must be one of conv, relu")),
        ("conv 6 | dense 10", ("layer 1 (conv 6)", "conv O KHxKW")),
        ("conv six 5x5 | dense 10", ("layer 1", "conv O KHxKW")),
        ("conv 6 0x5 | dense 10", ("layer 1", "conv O KHxKW")),
        ("conv 6 5x5x5 | dense 10", ("layer 1", "conv O KHxKW")),
        ("batchnorm 3 | dense 10", ("layer 1 (batchnorm 3)", "the form is: batchnorm")),
        ("dropout | dense 10", ("layer 1 (dropout)", "the form is: dropout P")),
        ("dropout half | dense 10", ("layer 1 (dropout half)", "the form is: dropout P")),
        ("dropout -0.1 | dense 10", ("layer 1 (dropout -0.1)", "the form is: dropout P")),
        ("dropout 1 | dense 10", ("layer 1 (dropout 1)", "P must be below 1")),
        ("dropout 50 | dense 10", ("layer 1 (dropout 50)", "P must be below 1")),
        ("relu 3 | dense 10", ("layer 1 (relu 3)", "the form is: relu")),
        ("conv 6 5x5 color=2 | dense 10", ("layer 1", "unknown option 'color'", "stride, pad, dilation, groups")),
        ("dense 10 pad=2", ("layer 1", "unknown option 'pad'", "takes none")),
        ("conv 6 5x5 pad=1 pad=2 | dense 10", ("layer 1", "pad is given twice")),
        ("conv 6 5x5 pad=-1 | dense 10", ("layer 1", "conv O KHxKW")),
        ("conv 6 5x5 stride=0 | dense 10", ("layer 1", "input is 1x28x28", "stride", "at least 1")),
        ("maxpool 2 | conv 6 15x15 | dense 10", ("layer 2 (conv 6 15x15)", "input is 1x14x14", "height 14", "15")),
        ("conv 6 3x3 groups=2 | dense 10", ("layer 1", "input is 1x28x28", "groups 2 must divide")),
        ("dense 10 | conv 6 3x3 | dense 10", ("layer 2 (conv 6 3x3)", "input is 10", "needs 4")),
        ("conv 6 3x3 | dense 12", ("layer 2 (dense 12)", "gives 12", "10 classes", "dense 10")),
        ("conv 6 3x3", ("layer 1 (conv 6 3x3)", "gives 6x26x26", "10 classes")),
        ("dense 5 | relu 3 | dense 10", ("layer 2 (relu 3)",)),
        ("flatten | relu || dense 10", ("layer 3 is empty",)),
        ("dense 5 | relu | dense 12", ("layer 3 (dense 12)", "gives 12")),
        (f"dense {'9' * 5000} | dense 10", ("layer 1 (dense 999", "5,000 digits")),
        (f"conv 6 {'1' * 4301}x3 | dense 10", ("layer 1 (conv 6 111", "4,301 digits")),
        (f"maxpool 2 stride={'1' * 4301} | dense 10", ("layer 1 (maxpool 2 stride=111", "4,301 digits")),
        ("conv 999999999 1x1 | dense 10", ("layer 1 (conv 999999999 1x1)", "values for each sample")),
        ("relu | dense 999999999 | dense 10", ("layer 2 (dense 999999999)", "784,999,999,215 parameters", "at most")),
        ("dense 99999 | dense 99999 | dense 10", ("layer 2 (dense 99999)", "parameters, at most")),
        ("conv 1 1x1 pad=999999999 | dense 10", ("layer 1 (conv 1 1x1 pad=999999999)", "values for each sample")),
    ],
)
def test_a_wrong_spec_names_layer_and_shape(spec, words):
    with pytest.raises(InputError) as caught:
        build(spec, (1, 28, 28), 10)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message


def test_a_wrong_preset_lists_the_presets():
    with pytest.raises(InputError, match=r"lenet6.*lenet5, lenet-article"):
        layers_of("lenet6")


def test_parameters_are_views_of_one_vector_within_the_initial_range():
    network = build(LENET5, (1, 28, 28), 10)
    parameters = Parameters.initial(network, np.random.default_rng(1))
    assert parameters.flat.dtype == np.float32
    for name, values in parameters.named.items():
        fan_in = np.prod(parameters.named[name.partition(".")[0] + ".weight"].shape[1:])
        assert np.shares_memory(values, parameters.flat)
        assert np.abs(values).max() <= 1 / np.sqrt(fan_in)
        assert np.abs(values).max() > 0.5 / np.sqrt(fan_in)  # the range is used
    same = Parameters.initial(network, np.random.default_rng(1))
    np.testing.assert_array_equal(parameters.flat, same.flat)


def test_batch_normalization_has_parameters_and_buffers():
    network = build("conv 4 3x3 | batchnorm | relu | dropout .25 | dense 5 | batchnorm | dense 3", (1, 6, 6), 3)
    assert [layer.op for layer in network.layers[1:4]] == ["batch_norm", "relu", "dropout"]
    assert network.layers[3].options == {"p": 0.25}
    assert network.parameter_shapes["1.weight"] == network.parameter_shapes["1.bias"] == (4,)
    assert network.buffer_shapes == {
        "1.running_mean": (4,),
        "1.running_var": (4,),
        "6.running_mean": (5,),
        "6.running_var": (5,),
    }
    parameters = Parameters.initial(network, np.random.default_rng(0))
    assert (parameters.named["1.weight"] == 1).all()
    assert (parameters.named["1.bias"] == 0).all()
    assert parameters.flat.size == 40 + 8 + (64 * 5 + 5) + 10 + 18
    np.testing.assert_array_equal(parameters.buffers.flat, [0] * 4 + [1] * 4 + [0] * 5 + [1] * 5)
    assert set(parameters.tensors) == {*network.parameter_shapes, *network.buffer_shapes}
