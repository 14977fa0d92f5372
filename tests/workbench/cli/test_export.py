"""The command export: what it writes and says, and that it writes nothing it has not checked."""

import importlib.util

import numpy as np
import pytest

from workbench.network.checkpoint import MODEL


def without(monkeypatch, place, package):
    """Let a module find one package missing."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(f"{place}.find_spec", lambda name: None if name == package else find_spec(name))


@pytest.fixture
def onnx():
    return pytest.importorskip("onnx")


def test_export(call, trained, onnx, tmp_path):
    pytest.importorskip("onnxruntime")
    target = tmp_path / "blobs.onnx"
    code, out, _ = call("export", trained, "-o", target)
    assert code == 0
    assert "rounding bound" in out.splitlines()[-1]
    assert all(len(line) <= 80 for line in out.replace(str(target), "blobs.onnx").splitlines())
    assert onnx.load(target).graph.output[0].name == "scores"


def test_the_default_file_without_onnxruntime(call, trained, onnx, monkeypatch):
    without(monkeypatch, "workbench.checking.exported", "onnxruntime")
    code, out, _ = call("export", trained)
    assert code == 0
    assert out.splitlines()[-1].startswith("not run: needs onnxruntime; ")
    (trained / "model.onnx").unlink()


def test_a_wrong_model_is_not_written(call, trained, onnx, monkeypatch, tmp_path):
    pytest.importorskip("onnxruntime")
    from workbench.network import onnx_model

    as_they_are = onnx_model._tensors

    def one_is_wrong(network, parameters):
        tensors = dict(as_they_are(network, parameters))
        return tensors | {"0.weight": np.flip(tensors["0.weight"], axis=(2, 3)).copy()}

    monkeypatch.setattr(onnx_model, "_tensors", one_is_wrong)
    code, out, err = call("export", trained, "-o", tmp_path / "wrong.onnx")
    assert (code, out) == (1, "")
    assert "not written: in ONNX Runtime a score has the largest error" in err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_without_onnx(refused, trained, monkeypatch, tmp_path):
    without(monkeypatch, "importlib.util", "onnx")
    refused(["export", trained, "-o", tmp_path / "a.onnx"], "export needs onnx; ", "install")


def test_bad_input(refused, trained, tmp_path):
    refused(["export", tmp_path / "none"], "no such folder")
    refused(["export", trained, "-o", tmp_path / "a.pt"], "name a file that ends with .onnx")
    if importlib.util.find_spec("onnx"):
        refused(["export", trained, "-o", tmp_path / "none" / "a.onnx"], "cannot be written")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / MODEL).write_bytes(b"")
    refused(["export", broken], "no such file")
