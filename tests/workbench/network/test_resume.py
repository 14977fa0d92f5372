"""A training that was ended continues to the very bits of one that was not; nothing that was saved is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from workbench.network import checkpoint
from workbench.network.resume import read_resumed, resume
from workbench.network.run_folder import RunFolder
from workbench.network.settings import TrainRequest
from workbench.network.train import prepare, run, training
from workbench.network.training_state import CHECKPOINT
from workbench.system.errors import InputError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

KILLS = 20
TIMES = {"first_step_seconds", "seconds", "eval_seconds"}
"""What differs in run.json between two trainings that are the same."""

SPEC = "conv 3 3x3 | batchnorm | relu | maxpool 2 | dense 8 | relu | dropout 0.2 | dense 3"
SETTINGS = {
    **{"model": SPEC, "epochs": 25, "batch_size": 16, "seed": 1, "schedule": "cosine", "warmup": 5, "ema": 0.9},
    **{
        "validation": 0.2,
        "weight_decay": 1e-3,
        "nesterov": True,
        "label_smoothing": 0.1,
        "augment": "shift=1",
        "checkpoint_every": 3,
    },
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("resume") / "data.npz"
    labels = np.arange(300) % 3
    images = rng.integers(0, 120, (300, 8, 8)) + 60 * labels[:, None, None] * (np.arange(8) < 4)
    np.savez(path, x=images.astype(np.uint8), y=labels)
    return path


def options(settings):
    for name, value in settings.items():
        option = f"--{name.replace('_', '-')}"
        yield from [option] if value is True else [option, str(value)]


class Forking:
    """Runs command lines that can be killed."""

    def __init__(self, folder, *arguments):
        self._err = folder / "err"
        command = [sys.executable, Path(__file__).with_name("forking.py"), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while self._process.stdout.readline() not in ("ready\n", ""):
            pass

    def __call__(self, *arguments, end_by=None, when=lambda: True):
        """Run the command line, and send a signal when a condition holds; return exit code, output and seconds."""
        request = {"arguments": list(map(str, arguments)), "err": str(self._err)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        pid, start, ended = int(self._process.stdout.readline()), time.perf_counter(), []
        waiting = threading.Thread(target=lambda: ended.append(int(self._process.stdout.readline())))
        waiting.start()
        try:
            while end_by is not None and waiting.is_alive():
                if when():
                    os.kill(pid, end_by)
                    break
                waiting.join(0.001)
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        waiting.join()
        return ended[0], self._err.read_text(), time.perf_counter() - start

    def close(self):
        with self._process as process:  # closes the pipes, and waits
            process.stdin.close()


@pytest.fixture(scope="module")
def workbench(data, tmp_path_factory):
    """The command line, run in a process that has compiled everything."""
    folder = tmp_path_factory.mktemp("forking")
    forking = Forking(folder, "train", "--data", str(data), *options(SETTINGS), "--out", str(folder / "first"))
    yield forking
    forking.close()


def without_times(value):
    if isinstance(value, dict):
        return {name: without_times(each) for name, each in value.items() if name not in TIMES}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def content(folder):
    """The files of a run; of run.json all but the times."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
    found["run.json"] = without_times(json.loads(found["run.json"]))
    return found


def saved_steps(folder):
    """The steps of the checkpoint in a folder; 0 without one."""
    path = folder / CHECKPOINT
    if not path.exists():
        return 0
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    return json.loads(header["__metadata__"]["training"][32:])["steps"]


@pytest.mark.long
def test_killed_at_random_moments_it_ends_with_the_same_files(workbench, data, tmp_path):
    fresh = ["train", "--data", data, *options(SETTINGS), "--out"]
    *_, seconds = workbench(*fresh, tmp_path / "whole")
    expected = content(tmp_path / "whole")
    assert set(expected) >= {"model.safetensors", "run.json", "metrics.csv", CHECKPOINT}
    rng, kills, number, steps = np.random.default_rng(0), 0, 0, 0
    folder = tmp_path / "run-0"
    resumed = 0
    while kills < KILLS or number == 0:
        arguments = ["train", "--resume", folder] if (folder / "run.json").exists() else [*fresh, folder]
        resumed += arguments[1] == "--resume"
        moment = time.perf_counter() + rng.uniform(0, seconds)
        late = kills >= KILLS
        code, err, _ = workbench(
            *arguments, end_by=None if late else signal.SIGKILL, when=lambda m=moment: time.perf_counter() > m
        )
        assert code in (0, 2, -signal.SIGKILL), err
        assert saved_steps(folder) >= steps  # nothing that was saved is lost
        steps = saved_steps(folder)
        if code == -signal.SIGKILL:
            kills += 1
            continue
        assert code == 0 or "the training is finished" in err, err  # it was killed after its last checkpoint
        if not (folder / "curve.png").exists():
            assert workbench("show", folder)[0] == 0
        assert content(folder) == expected
        number, steps = number + 1, 0
        folder = tmp_path / f"run-{number}"
    assert resumed > KILLS // 4


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_continue(workbench, data, tmp_path, number, code):
    folder = tmp_path / "my run"
    settings = SETTINGS | {"epochs": 3000, "checkpoint_every": 100}
    got, out, _ = workbench(
        *("train", "--data", data, *options(settings), "--out", folder),
        end_by=number,
        when=lambda: saved_steps(folder) > 0,
    )
    assert got == code
    steps = saved_steps(folder)
    step, epoch = steps % 12 or 12, -(-steps // 12)
    lines = out.splitlines()
    places = (f"epoch {epoch}, step {step} of 12", f"epoch {epoch + 1}, step 0 of 12")
    assert any(
        f"saved {place}; continue with: workbench train --resume '{folder}'" in line
        for line in lines
        for place in places
    )
    assert lines[-1] == {130: "workbench: interrupted", 143: "workbench: ended by SIGTERM"}[code]
    got, out, _ = workbench(
        *("train", "--resume", folder), end_by=signal.SIGINT, when=lambda: saved_steps(folder) > steps
    )
    assert got == 130
    assert "continuing in epoch" in out
    assert saved_steps(folder) > steps


@pytest.fixture
def request_of(data, tmp_path):
    """A function that makes settings of a short training by the op-by-op executor, which compiles little."""

    def make(out="run", **changes):
        short = {
            "model": "avgpool 4 | dense 3",
            "epochs": 4,
            "batch_size": 16,
            "executor": "ops",
            "schedule": "constant",
        }
        return TrainRequest(**(short | {"data": str(data), "out": tmp_path / out} | changes))

    return make


def finish(prepared):
    epochs = list(run(prepared, lambda _progress: None))
    prepared.run_folder.release()
    return epochs


class StoppedError(Exception):
    pass


def stop_after(prepared, steps):
    """Train until some steps of the training are done, as a signal would end it."""

    def count(_progress):
        if prepared.training.state.optimizer.taken >= steps:
            raise StoppedError

    with pytest.raises(StoppedError):
        list(run(prepared, count))
    prepared.run_folder.release()


def continued(folder, **given):
    return finish(resume(read_resumed(folder, given)))


NORMALIZED = {"model": "conv 3 3x3 | batchnorm | relu | maxpool 2 | dropout 0.3 | dense 3", "ema": 0.9}
CHANGES = [
    {},
    {"optimizer": "adamw", "ema": 0.9, "weight_decay": 0.1, "schedule": "one-cycle"},
    {"validation": 0.3},
    {**NORMALIZED, "augment": "shift=1,rotate=9,elastic=0.5"},
]


@pytest.mark.parametrize("changes", CHANGES, ids=["plain", "adamw", "validation", "drawn"])
@pytest.mark.parametrize("every", [1, 7])
def test_it_continues_to_the_same_bits(request_of, changes, every):
    """The number of steps between checkpoints is in run.json, and changes nothing else."""
    finish(prepare(request_of("whole", checkpoint_every=every, **changes)))
    prepared = prepare(request_of("cut", checkpoint_every=every, **changes))
    stop_after(prepared, 23)
    assert 0 < saved_steps(prepared.folder) <= 23
    continued(prepared.folder)
    assert content(prepared.folder) == content(prepared.folder.with_name("whole"))


def test_more_epochs_of_a_constant_rate_are_those_of_a_longer_training(request_of):
    finish(prepare(request_of("long", epochs=6)))
    folder = finish_folder(request_of("short"))
    assert [epoch.epoch for epoch in continued(folder, epochs=6)] == [5, 6]
    assert content(folder) == content(folder.with_name("long"))


def finish_folder(request):
    prepared = prepare(request)
    finish(prepared)
    return prepared.folder


def refused(folder, *words, **given):
    """Refuse to continue in one line, and leave everything as it is."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else None
    with pytest.raises(InputError) as caught, training(read_resumed(folder, given), resume):
        pass
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message
    if before is not None:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        RunFolder.reopen(folder).release()  # it is not locked either


def test_what_cannot_be_continued(request_of, tmp_path):
    refused(tmp_path / "nowhere", "nowhere: no such folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "run.json: no such file")
    folder = finish_folder(request_of())
    refused(folder, "the training is finished, after 4 epochs", "--epochs 5 continues it")
    refused(folder, "the training is finished", epochs=2)
    refused(folder, "--lr: a run continues with its own settings", lr=0.1)
    folder = finish_folder(request_of("cosine", schedule="cosine"))
    refused(folder, "--epochs 9: its learning rates, cosine, are laid out for 4 epochs", "new run", epochs=9)
    folder = finish_folder(request_of("patient", validation=0.2, patience=1, lr=1e-9))
    refused(folder, "the training is finished, stopped by --patience")


@pytest.fixture
def ended(request_of):
    """The folder of a training that was ended within an epoch."""
    prepared = prepare(request_of(checkpoint_every=5))
    stop_after(prepared, 23)
    return prepared.folder


def test_a_folder_in_use_is_refused(ended):
    held = RunFolder.reopen(ended)
    with pytest.raises(InputError, match=r"--resume .*: another training writes into this folder; wait for its end"):
        resume(read_resumed(ended, {}))
    held.release()
    continued(ended)


def changed_header(path, change):
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = change(raw[8 : 8 + size].decode())
    header += " " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + raw[8 + size :])


FAULTS = {
    "missing": (lambda path: path.unlink(), ("no such file", "nothing to continue from")),
    "empty": (lambda path: path.write_bytes(b""), ("damaged",)),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-7]), ("damaged",)),
    "another value": (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x7f"), ("does not match its digest",)),
    "another step": (
        lambda path: changed_header(path, lambda text: text.replace('\\"steps\\":20', '\\"steps\\":21')),
        ("does not match its digest",),
    ),
    "foreign": (
        lambda path: path.write_bytes((path.with_name("model.safetensors")).read_bytes()),
        ("not a checkpoint of 'workbench train'",),
    ),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), ("cannot be read",)),
}


@pytest.mark.parametrize(("damage", "words"), FAULTS.values(), ids=FAULTS)
def test_a_checkpoint_that_cannot_be_used(ended, damage, words):
    damage(ended / CHECKPOINT)
    with pytest.raises(InputError) as caught:
        resume(read_resumed(ended, {}))
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert str(ended / CHECKPOINT) in message
    for word in words:
        assert word in message


def test_a_checkpoint_of_another_version(ended, monkeypatch):
    monkeypatch.setattr("workbench.network.training_state.FORMAT", 2)
    refused(ended, CHECKPOINT, "of another version of this program; train again")


def test_a_checkpoint_of_another_network_or_data_set(request_of, ended, data, tmp_path):
    other = prepare(request_of("other", model="avgpool 2 | dense 3", checkpoint_every=5))
    stop_after(other, 23)
    mine = (ended / CHECKPOINT).read_bytes()
    (ended / CHECKPOINT).write_bytes((other.folder / CHECKPOINT).read_bytes())
    refused(ended, CHECKPOINT, "parameters: ", "not from the same run")
    (ended / CHECKPOINT).write_bytes(mine)
    record = json.loads((ended / "run.json").read_text())
    with np.load(data) as arrays:
        np.savez(tmp_path / "changed.npz", x=arrays["x"], y=np.roll(arrays["y"], 1))
    record["config"]["data"] = str(tmp_path / "changed.npz")
    (ended / "run.json").write_text(json.dumps(record))
    refused(ended, CHECKPOINT, "the data set is no longer the one")


def test_any_damage_is_refused_or_changes_nothing(ended):
    """A damaged checkpoint is never continued from."""
    path = ended / CHECKPOINT
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        place = int(rng.integers(len(whole)))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ int(rng.integers(1, 256))]) + whole[place + 1 :])
        with pytest.raises(InputError) as caught:
            resume(read_resumed(ended, {}))
        assert CHECKPOINT in str(caught.value)
    path.write_bytes(whole)
    continued(ended)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(request_of):
    """Of the first files, the record comes before the checkpoint."""
    folder = finish_folder(request_of("whole"))
    record = json.loads((folder / "run.json").read_text())
    begun = folder.with_name("begun")
    begun.mkdir()
    (begun / "run.json").write_text(json.dumps(record | {"epochs": [], "model": None}))
    continued(begun)
    assert content(begun) == content(folder)


def test_a_missing_best_model_is_noticed(request_of):
    prepared = prepare(request_of(validation=0.2, checkpoint_every=5))
    stop_after(prepared, 30)
    (prepared.folder / "model.safetensors").unlink()
    refused(prepared.folder, "model.safetensors: no such file")


def test_a_run_json_repeats_the_run(request_of):
    from workbench.network.settings import read_request

    folder = finish_folder(request_of(validation=0.2, schedule="cosine", ema=0.5))
    again = folder.with_name("again")
    finish(prepare(read_request(folder / "run.json", {"out": again})))
    assert content(again) == content(folder)
    assert checkpoint.load(again).record["model"]["chosen_by"] == "validation accuracy"


@pytest.mark.parametrize("executor", ["ops", "fused"])
def test_buffers_are_averaged_like_weights(request_of, executor):
    """The model has the average of the running statistics, which changes more slowly than they do."""
    prepared = prepare(request_of(**(NORMALIZED | {"executor": executor})))
    finish(prepared)
    kept = checkpoint.load(prepared.folder).parameters.tensors["1.running_mean"]
    optimizer, buffers = prepared.training.state.optimizer, prepared.parameters.buffers
    np.testing.assert_array_equal(kept, optimizer.buffer_averages[:3])
    assert not np.array_equal(kept, buffers.named["1.running_mean"])
    np.testing.assert_allclose(kept, buffers.named["1.running_mean"], rtol=0.2)
