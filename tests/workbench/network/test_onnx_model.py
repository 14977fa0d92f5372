"""A trained network in ONNX Runtime and in PyTorch: the same predictions, and scores that differ by rounding alone."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from workbench.cli import run as workbench
from workbench.datasets import load, to_unit
from workbench.network import checkpoint
from workbench.network.checkpoint import TrainedRun
from workbench.network.executor import FusedExecutor
from workbench.network.spec import FORMS, Parameters, build
from workbench.oracle.scores import exact_scores

FEW = 32
"""Test images whose exact scores are computed."""

REFERENCE = Path(__file__).parents[3] / "docs" / "reference.md"

SPECS = {
    "conv": "conv 4 3x2 stride=2x1 pad=1x2 dilation=1x2 groups=2 | relu | dense 3",
    "same": "conv 4 2x4 pad=same | conv 6 1x1 pad=valid | dense 3",
    "maxpool": "conv 4 3x3 | maxpool 3 stride=2 pad=1 | dense 3",
    "avgpool": "avgpool 3x2 stride=2x3 pad=1 | relu | dense 3",
    "sumpool": "conv 4 3x3 | sumpool 3x2 stride=2 pad=2x1 | flatten | dense 3",
    "flatten": "flatten | dense 8 | relu | dense 3",
    "batchnorm": "conv 4 3x3 | batchnorm | relu | dense 8 | batchnorm | dense 3",
    "dropout": "conv 4 3x3 | dropout 0.3 | dense 3 | dropout 0.5",
}


def a_run(network, parameters, classes="abc"):
    config = {"spec": network.spec, "classes": list(classes), "preparation": "resize"}
    return TrainedRun(folder=Path("run"), record={"config": config}, network=network, parameters=parameters)


def in_onnx_runtime(model, images):
    """Return scores and probabilities, as ONNX Runtime computes them."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["scores", "probabilities"], {"images": images})


@pytest.fixture(scope="module")
def exported():
    pytest.importorskip("onnx")
    from workbench.network.onnx_model import onnx_model

    return onnx_model


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_every_layer(spec, exported):
    rng = np.random.default_rng(0)
    network = build(spec, (2, 11, 10), 3)
    parameters = Parameters.initial(network, rng)
    parameters.flat[:] += rng.standard_normal(parameters.flat.size).astype(np.float32) / 8
    parameters.buffers.flat[:] += rng.random(parameters.buffers.flat.size, dtype=np.float32)
    model = exported(a_run(network, parameters))
    for samples in (1, 5):
        images = rng.random((samples, 2, 11, 10), dtype=np.float32)
        scores, probabilities = in_onnx_runtime(model, images)
        exact = exact_scores(network, parameters, images)
        assert 0 < exact.bounds.max() < 0.01
        assert exact.share(scores) <= 1
        assert exact.share(scores + np.float32(0.01)) > 1
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        np.testing.assert_allclose(probabilities, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5)


def test_every_layer_is_tested():
    assert {words.split()[0] for spec in SPECS.values() for words in spec.split("|")} >= FORMS.keys()


def test_metadata(exported):
    import onnx

    network = build("dense 3", (1, 2, 2), 3)
    model = onnx.load_from_string(exported(a_run(network, Parameters.zeros(network), ("dog", "Käse", "2"))))
    found = {each.key: each.value for each in model.metadata_props}
    assert json.loads(found["classes"]) == ["dog", "Käse", "2"]
    assert (found["preparation"], found["spec"]) == ("resize", "dense 3")
    (batch, *shape) = model.graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param == "N"
    assert [side.dim_value for side in shape] == [1, 2, 2]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A LeNet trained on MNIST for an epoch: the folder, all test images, the scores, and the exact ones of some."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert workbench(["train", "--epochs", "1", "--out", str(folder)]) == 0
    run, images = checkpoint.load(folder), to_unit(load("mnist").test_images)
    scores = FusedExecutor(run.network, run.parameters).logits(images)
    exact = exact_scores(run.network, run.parameters, images[:FEW])
    return folder, images, scores, exact


def agree(found, digits):
    """The scores of all test images: the same predictions, and no error beyond the bounds."""
    _, images, scores, exact = digits
    assert len(found) == len(images) == 10_000
    np.testing.assert_array_equal(found.argmax(axis=1), scores.argmax(axis=1))
    assert max(exact.share(found[:FEW]), exact.share(scores[:FEW])) <= 1
    assert np.abs(found - scores).max() <= 2 * exact.bounds.max() < 0.01


def test_onnx_runtime_on_all_test_images(exported, digits):
    folder, images, *_ = digits
    found, _ = in_onnx_runtime(exported(checkpoint.load(folder)), images)
    agree(found, digits)


def test_pytorch_on_all_test_images(digits, monkeypatch, tmp_path):
    """By the lines of the reference, as they stand there."""
    torch = pytest.importorskip("torch")
    folder, images, *_ = digits
    (snippet,) = (
        code for code in re.findall(r"```python\n(.*?)```", REFERENCE.read_text(), re.S) if "load_file" in code
    )
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "lenet5-mnist-1").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    names = {"images": torch.from_numpy(images)}
    exec(snippet, names)
    agree(names["scores"].detach().numpy(), digits)
