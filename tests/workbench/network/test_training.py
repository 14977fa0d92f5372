"""Executors, optimizers, training, runs and their folders."""

import dataclasses
import json
import resource
import shutil
from math import log
from pathlib import Path

import numba
import numpy as np
import pytest

from workbench.datasets import to_unit
from workbench.network import checkpoint
from workbench.network.divergence import Diverged, is_at_chance
from workbench.network.duration import LEAST_STEPS, duration, warning_of
from workbench.network.executor import OpsExecutor
from workbench.network.optimizer import Optimizer
from workbench.network.settings import TrainRequest
from workbench.network.spec import Parameters, build
from workbench.network.train import prepare, run, training
from workbench.system.errors import InputError, VerdictAgainst

FILES = ["checkpoint.safetensors", "metrics.csv", "model.safetensors", "run.json"]
SPEC = "conv 4 3x3 pad=1 | relu | maxpool 2 | conv 4 3x3 groups=2 | relu | avgpool 2 | dense 6 | relu | dense 3"


@pytest.fixture
def stripes(tmp_path):
    """A small data set that is easy to learn: horizontal, vertical and diagonal stripes with noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    rows, cols = np.indices((12, 12))
    patterns = np.stack([rows // 2 % 2, cols // 2 % 2, (rows + cols) // 2 % 2]) * 180
    images = np.clip(patterns[labels] + rng.integers(0, 60, (120, 12, 12)), 0, 255).astype(np.uint8)
    path = tmp_path / "stripes.npz"
    np.savez(path, x=images, y=labels)
    return path


@pytest.fixture
def settings(stripes, tmp_path):
    """TrainRequest of a short run on the stripes, with any of them changed."""

    def make(out="run", **changes):
        short = {
            "model": SPEC,
            "data": str(stripes),
            "epochs": 2,
            "batch_size": 25,
            "executor": "ops",
            "schedule": "constant",
        }
        return TrainRequest(**(short | {"out": tmp_path / out} | changes))

    return make


def torch_twin(torch):
    """The network of SPEC on images 1x12x12, in PyTorch."""
    return torch.nn.Sequential(
        *(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Conv2d(4, 4, 3, groups=2), torch.nn.ReLU(), torch.nn.AvgPool2d(2)),
        *(torch.nn.Flatten(), torch.nn.Linear(16, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)),
    )


def finish(prepared):
    return list(run(prepared, lambda _progress: None))


def test_gradients_are_those_of_the_loss():
    """Central differences of the loss along the gradient, layer by layer, in a network without kinks.

    The loss is about 1, in float32: an error of some 2**-22, divided by the change, which is chosen to be about 0.02.
    """
    network = build("conv 3 3x3 pad=1 | avgpool 2 | conv 4 3x3 | sumpool 2 | dense 5 | dense 3", (1, 12, 12), 3)
    rng = np.random.default_rng(3)
    parameters, gradients = Parameters.initial(network, rng), Parameters.zeros(network)
    executor = OpsExecutor(network, parameters, "cpu")
    images, labels = rng.random((5, 1, 12, 12), dtype=np.float32), np.array([0, 1, 2, 1, 0])
    executor.gradients(images, labels, gradients)

    def loss_at(name, change):
        kept = parameters.named[name].copy()
        parameters.named[name][...] += change
        loss, _ = executor.gradients(images, labels, Parameters.zeros(network))
        parameters.named[name][...] = kept
        return loss

    for name, gradient in gradients.named.items():
        slope = float(np.sum(gradient.astype(float) ** 2))
        step = 0.01 / slope
        difference = loss_at(name, np.float32(step) * gradient) - loss_at(name, -np.float32(step) * gradient)
        assert difference == pytest.approx(2 * step * slope, rel=0.01), name


def test_gradients_agree_with_torch():
    torch = pytest.importorskip("torch")
    network = build(SPEC, (1, 12, 12), 3)
    rng = np.random.default_rng(3)
    parameters, gradients = Parameters.initial(network, rng), Parameters.zeros(network)
    images, labels = rng.random((5, 1, 12, 12), dtype=np.float32), np.array([0, 1, 2, 1, 0])
    loss, _ = OpsExecutor(network, parameters, "cpu").gradients(images, labels, gradients)
    theirs = torch_twin(torch)
    theirs.load_state_dict({name: torch.tensor(values) for name, values in parameters.named.items()})
    expected = torch.nn.functional.cross_entropy(theirs(torch.tensor(images)), torch.tensor(labels))
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    for name, values in theirs.named_parameters():
        np.testing.assert_allclose(gradients.named[name], values.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_executor_runs_on_cuda_as_on_the_cpu(cuda):
    network = build("conv 2 3x3 | relu | maxpool 2 | dense 3", (1, 6, 6), 3)
    parameters = Parameters.initial(network, np.random.default_rng(0))
    images = np.random.default_rng(1).random((3, 1, 6, 6), dtype=np.float32)
    labels = np.array([0, 2, 1])
    found = []
    for device in ("cpu", cuda.name):
        gradients = Parameters.zeros(network)
        loss, scores = OpsExecutor(network, parameters, device).gradients(images, labels, gradients)
        found.append((loss, scores, gradients.flat))
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_sgd_is_the_formula():
    parameters, gradients = np.array([1, 2], np.float32), np.array([0.5, -1], np.float32)
    sgd = Optimizer(2, 0.1, momentum=0.5)
    sgd.update(parameters, gradients)
    np.testing.assert_allclose(parameters, [0.95, 2.1], rtol=1e-6)
    sgd.update(parameters, gradients)  # velocity: 0.75, -1.5
    np.testing.assert_allclose(parameters, [0.875, 2.25], rtol=1e-6)


def test_adam_first_step_is_the_learning_rate_against_the_sign():
    parameters, gradients = np.array([1, 2, 3], np.float32), np.array([0.5, -1e-3, 0], np.float32)
    Optimizer(3, 0.1, "adam").update(parameters, gradients)
    np.testing.assert_allclose(parameters, [0.9, 2.1, 3.0], rtol=1e-5)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["sgd", "nesterov", "adam", "adamw"])
def test_optimizers_agree_with_torch(name, decay):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    parameters = rng.standard_normal(20).astype(np.float32)
    theirs = torch.nn.Parameter(torch.tensor(parameters))
    if name in ("sgd", "nesterov"):
        options = {"momentum": 0.9, "nesterov": name == "nesterov", "weight_decay": decay}
        ours, other = Optimizer(20, 0.05, **options), torch.optim.SGD([theirs], lr=0.05, **options)
    else:
        ours = Optimizer(20, 0.01, name, weight_decay=decay)
        other = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]([theirs], lr=0.01, weight_decay=decay)
    for _ in range(5):
        gradients = rng.standard_normal(20).astype(np.float32)
        ours.update(parameters, gradients)
        theirs.grad = torch.tensor(gradients)
        other.step()
    np.testing.assert_allclose(parameters, theirs.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_averages_forget_the_first_steps_and_then_decay():
    """The formula, with a decay of (1 + t)/(10 + t) until that is above the one asked for."""
    rng = np.random.default_rng(0)
    parameters = rng.standard_normal(5).astype(np.float32)
    optimizer = Optimizer(5, 0.1, ema=0.5)
    optimizer.averages[:] = expected = parameters.copy()
    for step in range(1, 20):
        optimizer.update(parameters, rng.standard_normal(5).astype(np.float32))
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * parameters
        np.testing.assert_allclose(optimizer.averages, expected, rtol=1e-5, atol=1e-6)
    assert Optimizer(5, 0.1).averages is None


both = pytest.mark.parametrize("executor", ["fused", "ops"])


@both
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_learns(settings, executor, optimizer):
    rate = 0.01 if optimizer == "adam" else None
    epochs = finish(prepare(settings(executor=executor, optimizer=optimizer, epochs=24, lr=rate)))
    assert epochs[-1].train_loss < epochs[0].train_loss / 2
    assert epochs[-1].test_accuracy > 0.9


def test_the_record_is_the_contracts(settings):
    prepared = prepare(settings())
    epochs = finish(prepared)
    record = json.loads((prepared.folder / "run.json").read_text())
    assert record["schema"] == 1
    assert set(record) == {
        *("schema", "config", "parameters", "machine", "versions", "executor", "executor_reason"),
        *("first_step_seconds", "model", "stopped", "epochs"),
    }
    assert record["parameters"] == prepared.parameters.flat.size
    assert record["executor"] == "ops"
    assert record["first_step_seconds"] > 0
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2]
    assert set(record["epochs"][0]) == {
        *("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds", "eval_seconds"),
        "learning_rate",
    }
    assert record["model"] == {"epoch": 2, "chosen_by": "last epoch", "averaged": False}
    assert 0 <= record["epochs"][0]["test_accuracy"] <= 1
    assert record["epochs"][1]["test_accuracy"] == epochs[1].test_accuracy
    assert sorted(path.name for path in prepared.folder.iterdir()) == FILES
    lines = (prepared.folder / "metrics.csv").read_text().splitlines()
    assert lines[0] == "epoch,learning_rate,train_loss,train_accuracy,test_loss,test_accuracy"
    assert lines[2].split(",") == [
        *("2", repr(prepared.settings.learning_rate), repr(epochs[1].train_loss), repr(epochs[1].train_accuracy)),
        *(repr(epochs[1].test_loss), repr(epochs[1].test_accuracy)),
    ]


@both
def test_same_seed_same_bits_for_any_number_of_threads(settings, executor):
    models = []
    for out, threads in (("one", 1), ("two", 2), ("again", 2)):
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        try:
            prepared = prepare(settings(out, executor=executor))
            finish(prepared)
        finally:
            numba.set_num_threads(before)
        models.append((prepared.folder / "model.safetensors").read_bytes())
    assert models[0] == models[1] == models[2]
    other = prepare(settings("other", executor=executor, seed=1))
    finish(other)
    assert (other.folder / "model.safetensors").read_bytes() != models[0]


def test_training_on_cuda_is_training_on_the_cpu(settings, cuda):
    model = {"model": "avgpool 4 | dense 3", "epochs": 1}
    (here,) = finish(prepare(settings("cpu", **model)))
    (there,) = finish(prepare(settings("cuda", device=cuda.name, **model)))
    assert there.train_loss == pytest.approx(here.train_loss, rel=1e-4)
    assert there.test_loss == pytest.approx(here.test_loss, rel=1e-4)


@both
def test_every_sample_is_seen_in_every_epoch(settings, executor):
    seen = []
    prepared = prepare(settings(executor=executor, batch_size=7))
    list(run(prepared, lambda progress: seen.append(progress.samples)))
    samples = len(prepared.dataset.train_labels)
    assert samples % 7 != 0
    assert seen.count(samples) == 2  # the last, smaller batch of both epochs
    assert max(seen) == samples


@both
def test_a_loss_that_is_no_number_ends_the_training(settings, executor):
    """What went first is named: with so large a rate the first step makes weights of which the next loss is none."""
    with pytest.raises(
        Diverged, match=r"epoch 1, step \d: the loss is (nan|inf); the gradient of the weight of layer 9"
    ) as one:
        finish(prepare(settings(executor=executor, lr=1e30, epochs=5)))
    assert "at a learning rate of 1e+30" in str(one.value)


class Spoiling:
    """An executor that spoils the parameters after some steps."""

    def __init__(self, executor, taken, spoil):
        self._executor, self._taken, self._spoil = executor, taken, spoil

    def __getattr__(self, name):
        return getattr(self._executor, name)

    def steps(self, images, labels, order, batch, optimizer, settings):
        for first in range(0, len(order), batch):
            yield from self._executor.steps(images, labels, order[first : first + batch], batch, optimizer, settings)
            if optimizer.taken == self._taken:
                self._spoil()


def spoiled(prepared, taken, spoil):
    executor = Spoiling(prepared.training.executor, taken, spoil)
    return dataclasses.replace(prepared, training=dataclasses.replace(prepared.training, executor=executor))


@both
@pytest.mark.parametrize(
    ("name", "layer"), [("0.weight", "weight of layer 1 (conv 4"), ("7.bias", "bias of layer 7 (dense 6)")]
)
def test_the_weight_that_went_first_is_named(settings, executor, name, layer):
    prepared = prepare(settings(executor=executor, batch_size=8, schedule="cosine"))

    def spoil():
        prepared.parameters.named[name].flat[0] = np.nan

    with pytest.raises(Diverged) as caught:
        finish(spoiled(prepared, 17, spoil))
    rate = prepared.training.state.optimizer.rate_after(16)
    assert str(caught.value).startswith("epoch 2, step ")
    assert f"the {layer}" in str(caught.value)
    assert str(caught.value).endswith(f"went first, in step 5, at a learning rate of {rate:g}")


@both
@pytest.mark.parametrize(("factor", "words"), [(30, "far above chance (1.1)"), (1e20, "the loss is")])
def test_a_training_that_diverges_keeps_the_last_good_epoch(settings, executor, factor, words):
    with pytest.raises(VerdictAgainst) as caught, training(settings(executor=executor, epochs=4, lr=0.5)) as prepared:  # noqa: PT012

        def grow():
            prepared.parameters.flat[...] *= np.float32(factor)

        for _ in run(spoiled(prepared, 5, grow), lambda _progress: None):
            kept = prepared.parameters.flat.copy()
    message = str(caught.value)
    assert message.startswith("training diverged: epoch 2")
    assert words in message
    assert f"{prepared.folder} keeps epoch 1" in message
    assert "smaller --lr than 0.5" in message
    loaded = checkpoint.load(prepared.folder)
    np.testing.assert_array_equal(loaded.parameters.flat, kept)
    assert len(loaded.record["epochs"]) == 1


def test_a_loss_that_is_high_at_the_start_and_falls_is_no_divergence(settings):
    prepared = prepare(settings(epochs=1, lr=1e-4))
    prepared.parameters.flat[...] *= 10  # the loss is far above chance, and less at the end
    (epoch,) = finish(prepared)
    assert epoch.train_loss > 4 * log(3)


@pytest.mark.parametrize(
    ("accuracy", "counts", "at_chance"),
    [
        (0.1, (100, 100, 100, 100, 100, 100, 100, 100, 100, 100), True),
        (0.115, (100, 100, 100, 100, 100, 100, 100, 100, 100, 100), True),
        (0.13, (100, 100, 100, 100, 100, 100, 100, 100, 100, 100), False),
        (0.9, (900, 100), True),
        (0.93, (900, 100), False),
        (0.0, (5, 5), True),
        (1.0, (5, 5), False),
    ],
)
def test_what_is_at_chance(accuracy, counts, at_chance):
    labels = np.repeat(np.arange(len(counts)), counts)
    assert is_at_chance(accuracy, labels) == at_chance


@pytest.mark.parametrize(("epochs", "words"), [(1, ("--epochs",)), (200, ("--lr", "--model"))])
def test_a_network_that_has_not_learned_is_warned_of(settings, epochs, words):
    prepared = prepare(settings(epochs=epochs, lr=1e-9))
    last = finish(prepared)[-1]
    steps = epochs * 4
    warning = warning_of(prepared.dataset, last.test_accuracy, last.train_accuracy, steps if epochs == 1 else 5000)
    assert "has not learned" in warning
    for word in words:
        assert word in warning
    assert warning_of(prepared.dataset, 0.95, 0.95, steps) == ""
    assert warning_of(prepared.dataset, last.test_accuracy, 0.95, steps) == ""


@pytest.mark.parametrize(
    ("samples", "expected"),
    [(60_000, (5, 64)), (6_400, (5, 64)), (6_336, (6, 64)), (384, (84, 64)), (64, (500, 64)), (8, (500, 8))],
)
def test_the_default_epochs_follow_the_steps(samples, expected):
    assert duration(None, None, samples) == expected
    epochs, batch = expected
    assert epochs * -(-samples // batch) >= LEAST_STEPS
    assert duration(3, None, samples) == (3, expected[1])
    assert duration(None, samples, samples)[1] == samples


def test_a_batch_larger_than_the_data_is_refused(settings, tmp_path):
    with pytest.raises(InputError, match=r"^--batch-size 97: larger than the 96 training images; use at most 96"):
        prepare(settings(batch_size=97))
    assert not (tmp_path / "run").exists()


@pytest.fixture
def fill_disk(monkeypatch):
    """A function after which the files of an epoch and of later ones are saved as to a full disk: with a largest size."""
    save = checkpoint.save

    def fill(epoch, most_bytes):
        def limited(folder, record, *others):
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            if len(record["epochs"]) >= epoch:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes(folder.path), before[1]))
            try:
                save(folder, record, *others)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)

        monkeypatch.setattr(checkpoint, "save", limited)

    return fill


@pytest.mark.parametrize("one_fits", [False, True])
def test_a_full_disk_keeps_the_last_whole_checkpoint(settings, fill_disk, one_fits):
    fill_disk(3, lambda folder: min(path.stat().st_size for path in folder.iterdir()) + 50 if one_fits else 10)
    with pytest.raises(InputError) as caught, training(settings(epochs=3)) as prepared:  # noqa: PT012
        for _ in run(prepared, lambda _progress: None):
            kept = prepared.parameters.flat.copy()
    message = str(caught.value)
    assert message.startswith(f"epoch 3 is not saved, {prepared.folder} keeps epoch 2: ")
    assert "File too large" in message
    assert sorted(path.name for path in prepared.folder.iterdir()) == FILES
    loaded = checkpoint.load(prepared.folder)
    np.testing.assert_array_equal(loaded.parameters.flat, kept)
    assert len(loaded.record["epochs"]) == 2


def test_a_full_disk_at_the_start_leaves_nothing(settings, fill_disk, tmp_path):
    fill_disk(1, lambda _folder: 10)
    with pytest.raises(InputError, match="no epoch was saved"), training(settings()) as prepared:
        finish(prepared)
    assert not (tmp_path / "run").exists()


def test_a_folder_removed_under_a_training(settings):
    with pytest.raises(InputError) as caught, training(settings(epochs=3)) as prepared:  # noqa: PT012
        for _ in run(prepared, lambda _progress: None):
            shutil.rmtree(prepared.folder)
    assert str(caught.value).startswith(f"{prepared.folder}: the folder was removed while the training wrote into it")
    assert not prepared.folder.exists()


def test_two_trainings_do_not_share_a_folder(settings):
    with (
        training(settings()) as first,
        pytest.raises(InputError, match="another training writes into this folder"),
        training(settings()),
    ):
        pass
    assert not first.folder.exists()
    finish(prepare(settings()))


def test_a_run_is_read_back_as_it_was(settings):
    prepared = prepare(settings())
    finish(prepared)
    loaded = checkpoint.load(prepared.folder)
    np.testing.assert_array_equal(loaded.parameters.flat, prepared.parameters.flat)
    assert loaded.network == prepared.training.network
    assert loaded.classes == ("0", "1", "2")


def test_torch_loads_the_model_as_it_is(settings):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    prepared = prepare(settings(epochs=6))
    finish(prepared)
    theirs = torch_twin(torch)
    theirs.load_state_dict(load_file(prepared.folder / "model.safetensors"))
    images = to_unit(prepared.dataset.test_images)
    with torch.no_grad():
        expected = theirs(torch.tensor(images)).numpy()
    got = prepared.training.executor.logits(images)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(got.argmax(axis=1), expected.argmax(axis=1))


def test_a_second_run_takes_the_next_folder(settings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    first = prepare(TrainRequest(**{**vars(settings()), "out": None})).folder
    second = prepare(TrainRequest(**{**vars(settings()), "out": None})).folder
    assert (first, second) == (Path("runs/custom-stripes-1"), Path("runs/custom-stripes-2"))


def test_a_run_is_not_overwritten(settings):
    prepared = prepare(settings())
    finish(prepared)
    with pytest.raises(InputError, match=r"--out .*run: already contains a run"):
        prepare(settings())


def damage_truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def damage_other_shape(folder):
    record = json.loads((folder / "run.json").read_text())
    record["config"]["spec"] = record["config"]["spec"].replace("dense 6", "dense 7")
    (folder / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_truncate, ("model.safetensors", "damaged", "train again")),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), ("model.safetensors", "damaged")),
        (lambda folder: (folder / "model.safetensors").unlink(), ("model.safetensors", "no such file")),
        (lambda folder: (folder / "run.json").unlink(), ("run.json", "no such file", "workbench train")),
        (lambda folder: (folder / "run.json").write_text("{"), ("run.json", "damaged")),
        (lambda folder: (folder / "run.json").write_text("{}"), ("run.json", "damaged")),
        (lambda folder: (folder / "run.json").write_text('{"schema": 2, "config": {}}'), ("run.json",)),
        (damage_other_shape, ("model.safetensors", "run.json", "not from the same run")),
    ],
)
def test_a_damaged_run_names_file_and_fault(settings, damage, words):
    prepared = prepare(settings())
    finish(prepared)
    damage(prepared.folder)
    with pytest.raises(InputError) as caught:
        checkpoint.load(prepared.folder)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message


def test_a_missing_run_says_so(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        checkpoint.load(tmp_path / "nowhere")
