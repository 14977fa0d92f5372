"""Training with users' kernels beside the built-in ones: right kernels never leave what rounding explains, wrong ones do."""

import json

import numpy as np
import pytest

from kernels.call.registry import built_in_only
from tests.workbench.network.test_resume import content, without_times
from workbench.beside.clock import StoppableClock
from workbench.beside.comparison import Comparison
from workbench.network import checkpoint
from workbench.network.divergence import Diverged
from workbench.network.resume import read_resumed, resume
from workbench.network.settings import TrainRequest
from workbench.network.train import prepare, run
from workbench.target.command_device import CPU, CUDA
from workbench.target.resolve import Target
from workbench.target.substitute import Substitutes

FORWARD = """
import numpy as np
from workbench import implements

@implements("conv2d")
def my_conv(x, w, b, padding, y):
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    y[...] = b[:, None, None]
    for p in reversed(range(w.shape[2])):
        for q in reversed(range(w.shape[3])):
            part = padded[:, :, p : p + y.shape[2], q : q + y.shape[3]]
            y += np.einsum("ncij,oc->noij", part, w[:, :, p, q])
    {fault}
"""
"""Products are added in another order than by the built-in kernels."""

BACKWARD = """
import numpy as np
from workbench import implements

@implements("conv2d_backward")
def my_backward(dy, x, w, padding, dx, dw, db):
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    reached = np.zeros_like(padded)
    db[...] = dy.sum(axis=(0, 2, 3))
    for p in range(w.shape[2]):
        for q in range(w.shape[3]):
            part = slice(p, p + dy.shape[2]), slice(q, q + dy.shape[3])
            dw[:, :, p, q] = np.einsum("noij,ncij->oc", dy, padded[:, :, *part])
            reached[:, :, *part] += np.einsum("noij,oc->ncij", dy, w[:, :, p, q])
    (top, _), (left, _) = padding
    dx[...] = reached[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    {fault}
"""

BORDER = "y[:, :, 0, 0] = 0"
LAST_BATCH = 8
"""The size of the last batch of an epoch."""

SPEC = "conv 2 3x3 pad=1 | relu | maxpool 2 | dense 3"
DEEP = "conv 2 3x3 pad=1 | relu | conv 2 3x3 pad=1 | relu | dense 3"
PLAIN = {"model": SPEC, "epochs": 2, "batch_size": 16}
RICH = {
    "model": "conv 2 3x3 pad=1 | batchnorm | relu | maxpool 2 | dense 6 | relu | dropout 0.2 | dense 3",
    "epochs": 4,
    "batch_size": 16,
    "weight_decay": 1e-3,
    "warmup": 2,
    "ema": 0.9,
    "label_smoothing": 0.1,
    "augment": "shift=1",
    "validation": 0.2,
    "patience": 1,
    "checkpoint_every": 2,
}


@pytest.fixture
def beside(tmp_path):
    """Train beside the built-in kernels, with this source in the file of the kernels; return run.json's content."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 3
    images = (rng.integers(0, 120, (40, 8, 8)) + 60 * labels[:, None, None] * (np.arange(8) < 4)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x=images, y=labels, x_test=images[:10], y_test=labels[:10])

    def train(source, out="run", on_step=lambda _step: None, again=None, **settings):
        (tmp_path / "mine.py").write_text(source)
        mine = str(tmp_path / "mine.py")
        if again is None:
            request = TrainRequest(data=str(tmp_path / "data.npz"), kernels=(mine,), out=tmp_path / out, **settings)
            prepared = prepare(request)
        else:
            prepared = resume(read_resumed(again, {}))
        try:
            comparison = Comparison(prepared, Substitutes((Target(text=mine),), CPU))
            list(run(comparison.prepared, on_step, comparison))
        finally:
            prepared.run_folder.release()
        record = json.loads((prepared.folder / "run.json").read_text())
        assert checkpoint.read_record(prepared.folder)["beside"] == record["beside"]
        return record

    return train


def errors(record, name):
    """All errors of outputs or of gradients of the user's run, in step 1 and at the end."""
    moments = record["beside"]["first"], record["beside"]["last"]
    return [float(layer[name]) for moment in moments for layer in moment["yours"]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("settings", "optimizer"),
    [
        pytest.param(PLAIN, {}, id="plain"),
        pytest.param(RICH, {"optimizer": "adamw", "schedule": "cosine"}, id="adamw"),
        pytest.param(RICH, {"nesterov": True, "schedule": "step"}, id="nesterov"),
    ],
)
def test_right_kernels_never_leave_what_rounding_explains(beside, settings, optimizer, seed):
    record = beside(FORWARD.format(fault="") + BACKWARD.format(fault=""), seed=seed, **settings, **optimizer)
    found, epochs = record["beside"], record["epochs"]
    assert found["left"] is None
    assert found["diverged"] is None
    steps = len(epochs) * (3 if settings is PLAIN else 2)
    assert found["compared_steps"] == steps
    assert 0 < found["worst_share"] <= 1
    assert (
        found["weights_difference"] > 0
    )  # 1e-3 with adamw, for which a gradient of 0 but for rounding counts as any other
    for moment, step in (("first", 1), ("last", steps)):
        assert found[moment]["step"] == step
        for run_of in ("yours", "built_in"):
            assert all(layer[name] <= 1 for layer in found[moment][run_of] for name in ("output", "gradient"))
    assert [epoch["epoch"] for epoch in found["epochs"]] == [epoch["epoch"] for epoch in epochs]


def test_the_built_in_run_is_that_of_the_built_in_kernels(beside, tmp_path):
    record = beside(FORWARD.format(fault="y += 1"), **PLAIN)
    request = TrainRequest(data=str(tmp_path / "data.npz"), executor="ops", out=tmp_path / "alone", **PLAIN)
    prepared = prepare(request)
    with built_in_only():
        list(run(prepared, lambda _step: None))
    prepared.run_folder.release()
    assert without_times(record["beside"]["epochs"]) == without_times(prepared.record["epochs"])
    assert "beside" not in prepared.record


@pytest.mark.parametrize(
    ("source", "model", "step", "layer", "result"),
    [
        pytest.param(FORWARD.format(fault=BORDER), SPEC, 1, "layer 1 (conv 2 3x3 pad=1)", "y", id="a border pixel"),
        pytest.param(FORWARD.format(fault="y[-1] *= 1.0001"), SPEC, 1, "layer 1 (conv 2 3x3 pad=1)", "y", id="small"),
        pytest.param(
            FORWARD.format(fault=f"y *= 1 + 1e-3 * (len(x) == {LAST_BATCH})"),
            *(SPEC, 3, "layer 1 (conv 2 3x3 pad=1)", "y"),
            id="only in the last batch",
        ),
        pytest.param(
            BACKWARD.format(fault="dw[0, 0, 1, 1] *= 1.001"), SPEC, 1, "layer 1 (conv 2 3x3 pad=1)", "dw", id="dw"
        ),
        pytest.param(
            BACKWARD.format(fault="dx *= 1.001"), DEEP, 1, "layer 3 (conv 2 3x3 pad=1)", "dx", id="dx that is used"
        ),
        pytest.param(
            FORWARD.format(fault="x += np.float32(0.001)"),
            *(SPEC, 1, "layer 1 (conv 2 3x3 pad=1)", "it changes its input x"),
            id="an input",
        ),
    ],
)
def test_a_wrong_kernel_is_reported_where_it_begins(beside, source, model, step, layer, result):
    left = beside(source, **{**PLAIN, "model": model})["beside"]["left"]
    assert (left["step"], left["layer"], left["result"]) == (step, layer, result)
    assert float(left["share_of_bound"]) > 1


def test_a_wrong_result_that_nothing_uses_changes_no_weight(beside):
    record = beside(BACKWARD.format(fault="dx[...] = 7"), **PLAIN)
    assert record["beside"]["left"] is None
    assert record["beside"]["weights_difference"] < 1e-3
    assert max(errors(record, "gradient")) > 1


def test_a_run_that_was_ended_continues_to_the_same_comparison(beside, tmp_path):
    class End(Exception):  # noqa: N818 - no error
        pass

    source = FORWARD.format(fault=f"y[0, 0, 0, 0] += 1e-3 * (len(x) == {LAST_BATCH})")
    settings = {**RICH, "validation": 0.0, "patience": None}
    beside(source, "whole", **settings)
    expected = content(tmp_path / "whole")
    for moments in ([4], [5, 9], [7, 8, 5]):  # steps of both runs, which take turns by epochs of three
        out = tmp_path / f"ended-{len(moments)}"
        again = None
        for moment in moments:
            seen = []

            def end(step, seen=seen, moment=moment):
                seen.append(step)
                if len(seen) == moment:
                    raise End

            with pytest.raises(End):
                beside(source, out.name, end, again, **settings)
            again = out
        beside(source, again=out)
        assert content(out) == expected
    assert json.loads((out / "run.json").read_text())["beside"]["left"]["step"] == 3


def test_divergence_is_not_without_a_comparison(beside, tmp_path):
    source = FORWARD.format(fault=f"y[0] = np.nan if len(x) == {LAST_BATCH} else y[0]")
    request = TrainRequest(data=str(tmp_path / "data.npz"), kernels=(str(tmp_path / "mine.py"),), **PLAIN)
    with pytest.raises(Diverged):
        beside(source, **PLAIN)
    prepared = prepare(TrainRequest(**{**vars(request), "out": tmp_path / "again"}))
    comparison = Comparison(prepared, Substitutes((Target(text=request.kernels[0]),), CPU))
    with pytest.raises(Diverged):
        list(run(comparison.prepared, lambda _step: None, comparison))
    prepared.run_folder.release()
    assert prepared.record["beside"]["left"]["step"] == 3
    assert prepared.record["beside"]["left"]["share_of_bound"] == "inf"
    assert len(prepared.record["beside"]["epochs"]) == 1


CUDA_RELU = """
from numba import cuda
from workbench import implements

@implements("relu", grid=lambda y: -(-y.size // 32), block=32)
@cuda.jit
def my_relu(x, y):
    i = cuda.grid(1)
    if i < y.size:
        place = i // y[0].size, i % y[0].size // y[0, 0].size, i % y[0, 0].size // y.shape[3], i % y.shape[3]
        y[place] = max(x[place], 0) + {fault}
"""


@pytest.mark.usefixtures("in_the_simulator")
@pytest.mark.parametrize("fault", [0, 1])
def test_on_a_device(tmp_path, fault):
    images = np.random.default_rng(0).random((6, 4, 4), np.float32)
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(6) % 2, x_test=images[:2], y_test=[0, 1])
    (tmp_path / "mine.py").write_text(CUDA_RELU.format(fault=fault))
    mine = str(tmp_path / "mine.py")
    settings = {"model": "conv 1 3x3 | relu | dense 2", "epochs": 1, "batch_size": 3, "device": "cuda"}
    request = TrainRequest(data=str(tmp_path / "data.npz"), kernels=(mine,), out=tmp_path / "run", **settings)
    prepared = prepare(request)
    comparison = Comparison(prepared, Substitutes((Target(text=mine),), CUDA))
    list(run(comparison.prepared, lambda _step: None, comparison))
    prepared.run_folder.release()
    found = prepared.record["beside"]
    assert found["compared_steps"] == (1 if fault else 2)
    assert (found["left"] is not None) == fault


def test_watching_does_not_count_as_training(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("workbench.beside.clock.time.perf_counter", lambda: now[0])
    clock = StoppableClock()
    for seconds in (1, 2):
        now[0] += seconds
        with clock.stopped():
            now[0] += 10
            with clock.stopped():
                now[0] += 100
            assert clock() == sum(range(seconds + 1))
    assert clock() == 3
