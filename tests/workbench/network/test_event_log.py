"""The event files of ``train --tensorboard``: their content, and that a continued training continues the same stream."""

import importlib.util
import struct

import numpy as np
import pytest

from workbench.network.event_log import FILES, TAGS
from workbench.network.resume import read_resumed, resume
from workbench.network.settings import TrainRequest
from workbench.network.train import prepare, run
from workbench.system.errors import InputError

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
record_writer = pytest.importorskip("tensorboardX.record_writer")


@pytest.fixture
def request_of(tmp_path):
    """A function that makes settings of a short training."""
    path = tmp_path / "data.npz"
    labels = np.arange(60) % 3
    np.savez(path, x=np.random.default_rng(0).integers(0, 200, (60, 4, 4), dtype=np.uint8), y=labels)

    def make(out="run", **changes):
        short = {"model": "avgpool 2 | dense 3", "epochs": 4, "batch_size": 16, "executor": "ops", "tensorboard": True}
        return TrainRequest(**(short | {"data": str(path), "out": tmp_path / out} | changes))

    return make


def train(prepared, epochs=None):
    """Train some epochs, or to the end; return the record."""
    steps = run(prepared, lambda _progress: None)
    for number, _ in enumerate(steps, 1):
        if number == epochs:
            break
    steps.close()
    prepared.run_folder.release()
    return prepared.record


def events_of(path):
    """Yield the events of a file: each with its length before it, and checksums of both (the TFRecord format)."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        header, (check,) = content[at : at + 8], struct.unpack("<I", content[at + 8 : at + 12])
        assert record_writer.masked_crc32c(header) == check
        (size,) = struct.unpack("<Q", header)
        data = content[at + 12 : at + 12 + size]
        assert struct.unpack("<I", content[at + 12 + size : at + 16 + size]) == (record_writer.masked_crc32c(data),)
        yield event_pb2.Event.FromString(data)
        at += 16 + size


def stream_of(folder):
    """What TensorBoard shows of a folder: name -> the values by step, after the marks that make earlier ones void."""
    found = {}
    for path in sorted(folder.glob(FILES)):
        events = list(events_of(path))
        assert events[0].file_version == "brain.Event:2"
        for event in events[1:]:
            if event.session_log.status == event_pb2.SessionLog.START:
                found = {tag: [pair for pair in values if pair[0] < event.step] for tag, values in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def expected(record):
    epochs = record["epochs"]
    return {
        tag: [(epoch["epoch"], np.float32(epoch[name])) for epoch in epochs]
        for name, tag in TAGS.items()
        if name in epochs[0]
    }


@pytest.mark.parametrize("changes", [{}, {"validation": 0.2}], ids=["plain", "validation"])
def test_the_stream_has_every_value_of_every_epoch(request_of, changes):
    prepared = prepare(request_of(**changes))
    record = train(prepared)
    assert len(record["epochs"]) == 4
    assert record["config"]["tensorboard"] is True
    stream = stream_of(prepared.folder)
    assert stream == expected(record)
    assert {"loss/train", "accuracy/test", "learning_rate"} <= set(stream)
    assert ("loss/validation" in stream) == bool(changes)


def test_a_continued_training_continues_the_stream(request_of):
    prepared = prepare(request_of())
    train(prepared, epochs=2)
    assert len(stream_of(prepared.folder)["loss/train"]) == 2
    record = train(resume(read_resumed(prepared.folder, {})))
    assert len(list(prepared.folder.glob(FILES))) == 2
    assert stream_of(prepared.folder) == expected(record)


def test_an_epoch_that_was_not_saved_is_not_there_twice(request_of, monkeypatch):
    """A training that is killed after its event and before its state repeats the epoch."""

    class KilledError(BaseException):
        pass

    def kill(prepared, epoch):
        if epoch == 3:
            raise KilledError
        save(prepared, epoch)

    prepared = prepare(request_of())
    from workbench.network import train as module

    save = module._save_epoch
    monkeypatch.setattr(module, "_save_epoch", kill)
    with pytest.raises(KilledError):
        train(prepared)
    monkeypatch.undo()
    prepared.run_folder.release()
    assert len(stream_of(prepared.folder)["loss/train"]) == 3
    record = train(resume(read_resumed(prepared.folder, {})))
    assert len(record["epochs"]) == 4
    assert stream_of(prepared.folder) == expected(record)


def test_a_stream_that_begins_later_has_all_epochs(request_of):
    prepared = prepare(request_of(tensorboard=False))
    train(prepared, epochs=2)
    assert not list(prepared.folder.glob(FILES))
    record = train(resume(read_resumed(prepared.folder, {"tensorboard": True})))
    assert stream_of(prepared.folder) == expected(record)
    assert len(record["epochs"]) == 4


def test_without_the_library_it_says_what_to_install(request_of, monkeypatch, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "workbench.network.event_log.find_spec", lambda name: None if name == "tensorboardX" else find(name)
    )
    with pytest.raises(InputError, match=r"^--tensorboard needs tensorboardX; install it with: .*tensorboardX>="):
        prepare(request_of())
    assert not (tmp_path / "run").exists()
    prepare(request_of(tensorboard=False)).run_folder.release()


def test_an_event_file_that_cannot_be_written_is_one_line_and_keeps_what_was_saved(request_of, monkeypatch):
    prepared = prepare(request_of())
    train(prepared, epochs=2)
    continued = resume(read_resumed(prepared.folder, {}))

    write = record_writer.RecordWriter.write

    def full(writer, data):
        if event_pb2.Event.FromString(data).step:  # the first event of a file has none
            raise OSError(28, "No space left on device")
        write(writer, data)

    monkeypatch.setattr(record_writer.RecordWriter, "write", full)
    with pytest.raises(InputError) as caught:
        train(continued)
    continued.run_folder.release()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "the event file cannot be written (No space left on device)" in message
    assert f"{prepared.folder} keeps epoch 2" in message
    monkeypatch.undo()
    record = train(resume(read_resumed(prepared.folder, {"tensorboard": False})))
    assert len(record["epochs"]) == 4
