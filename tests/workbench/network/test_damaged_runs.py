"""A run's folder with damaged, foreign or hostile files: one line that names file and place, never a traceback."""

import json
import os
import shutil
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from tests.damaged import corrupted, damage
from workbench.network import checkpoint
from workbench.network.settings import TrainRequest
from workbench.network.spec import Parameters, build
from workbench.network.train import prepare, run
from workbench.system.errors import InputError

MODEL, RECORD = checkpoint.MODEL, checkpoint.RECORD
quick_fuzz = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("damaged")
    rng = np.random.default_rng(0)
    np.savez(folder / "data.npz", x=rng.integers(0, 256, (20, 5, 5), dtype=np.uint8), y=np.arange(20) % 2)
    prepared = prepare(
        TrainRequest(
            model="conv 2 3x3 | relu | dense 2",
            data=str(folder / "data.npz"),
            epochs=2,
            executor="ops",
            out=folder / "run",
        )
    )
    list(run(prepared, lambda _progress: None))
    prepared.run_folder.release()
    return folder / "run"


@pytest.fixture
def damaged(trained, tmp_path):
    """A copy of the folder, to be damaged."""
    return shutil.copytree(trained, tmp_path / "run")


def refusal(folder):
    with pytest.raises(InputError) as caught:
        checkpoint.load(folder)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def loaded_or_refused(folder, named):
    """Load a run; None if it is refused, as it must be: with the path ``named``."""
    refused = None
    try:
        return checkpoint.load(folder)
    except InputError as error:
        refused = str(error)
    assert str(named) in refused
    return None


def write(folder, record):
    (folder / RECORD).write_text(json.dumps(record))


def changed(folder, path, value):
    """Put a value into the record, at a path of keys."""
    record = json.loads((folder / RECORD).read_text())
    *parents, last = path
    place = record
    for key in parents:
        place = place[key]
    place[last] = value
    write(folder, record)


FAULTS = [
    (["schema"], 2, "$.schema"),
    (["config"], [], "$.config"),
    (["config", "channels"], 2, "$.config.channels"),
    (["config", "channels"], 1.5, "$.config.channels"),
    (["config", "seed"], -1, "$.config.seed"),
    (["config", "seed"], True, "$.config.seed"),
    (["config", "image_size"], [5], "$.config.image_size"),
    (["config", "image_size"], [5, 0], "$.config.image_size[1]"),
    (["config", "image_size"], [5, 10**9], "$.config.image_size[1]"),
    (["config", "image_size", 0], "5", "$.config.image_size[0]"),
    (["config", "classes"], [], "$.config.classes"),
    (["config", "classes"], ["0", 1], "$.config.classes[1]"),
    (["config", "classes"], ["0", "0"], "$.config.classes"),
    (["config", "preparation"], "nothing", "$.config.preparation"),
    (["config", "spec"], "conv 2 3x3 | relu | dense 3", "$.config.spec"),
    (["config", "spec"], "conv 999999999 1x1 | dense 2", "$.config.spec"),
    (["config", "spec"], f"conv {'9' * 5000} 3x3 | dense 2", "$.config.spec"),
    (["config", "spec"], None, "$.config.spec"),
    (["executor"], "other", "$.executor"),
    (["epochs", 0, "test_accuracy"], 2.0, "$.epochs[0].test_accuracy"),
    (["epochs", 0, "epoch"], -1, "$.epochs[0].epoch"),
    (["epochs", 1], {}, "$.epochs[1]"),
]


@pytest.mark.parametrize(("path", "value", "place"), FAULTS)
def test_a_record_that_does_not_match_names_the_place(damaged, path, value, place):
    changed(damaged, path, value)
    message = refusal(damaged)
    assert message.startswith(f"{damaged / RECORD}: damaged: at {place}: ")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"schema": 1, "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "NaN",
        '{"schema": NaN}',
        '{"schema": 1e999}',
        '{"schema": ' + "9" * 5000 + "}",
        "[]",
        "null",
        '"\\ud800"',
        '{"schema": 1',
        "\ufeff{}",
    ],
)
def test_a_record_that_is_no_document(damaged, text):
    (damaged / RECORD).write_text(text, encoding="utf-8")
    assert refusal(damaged).startswith(f"{damaged / RECORD}: damaged")


@pytest.mark.parametrize("content", [b"\xff\xfe", b'{"schema": "\xff"}', b"\0" * 100])
def test_a_record_of_other_bytes(damaged, content):
    (damaged / RECORD).write_bytes(content)
    assert refusal(damaged).startswith(f"{damaged / RECORD}: damaged")


@pytest.mark.parametrize("name", [MODEL, RECORD])
def test_special_files_in_a_run(damaged, name):
    (damaged / name).unlink()
    os.mkfifo(damaged / name)
    assert refusal(damaged).startswith(f"{damaged / name}: a pipe, not a file")
    (damaged / name).unlink()
    (damaged / name).symlink_to("/dev/zero")
    assert refusal(damaged).startswith(f"{damaged / name}: a device, not a file")
    (damaged / name).unlink()
    (damaged / name).mkdir()
    assert refusal(damaged).startswith(f"{damaged / name}: ")


@given(st.data())
@quick_fuzz
def test_no_traceback_for_any_change_of_the_record(trained, tmp_path, data):
    folder = shutil.copytree(trained, tmp_path / "run", dirs_exist_ok=True)
    record = json.loads((folder / RECORD).read_text())
    damage(data.draw, record)
    write(folder, record)
    loaded = loaded_or_refused(folder, folder)
    assert loaded is None or loaded.network.shapes[-1] == (len(loaded.classes),)


@pytest.mark.parametrize("name", [MODEL, RECORD])
@given(st.data())
@quick_fuzz
def test_no_traceback_for_any_changed_bytes(trained, tmp_path, name, data):
    folder = shutil.copytree(trained, tmp_path / "run", dirs_exist_ok=True)
    (folder / name).write_bytes(corrupted(data.draw, (folder / name).read_bytes()))
    loaded = loaded_or_refused(folder, folder / name)
    assert loaded is None or np.isfinite(loaded.parameters.flat).all()


def tensors(folder):
    return {name: values.copy() for name, values in checkpoint.load(folder).parameters.named.items()}


FOREIGN = {
    "half": lambda found: found | {"0.weight": found["0.weight"].astype(np.float16)},
    "double": lambda found: found | {"0.weight": found["0.weight"].astype(np.float64)},
    "integers": lambda found: found | {"0.weight": found["0.weight"].astype(np.int32)},
    "booleans": lambda found: found | {"0.bias": found["0.bias"] > 0},
    "transposed": lambda found: found | {"3.weight": np.ascontiguousarray(found["3.weight"].T)},
    "a scalar": lambda found: found | {"0.bias": np.ones((), np.float32)},
    "empty": lambda found: found | {"0.bias": found["0.bias"][:0]},
    "missing": lambda found: {name: values for name, values in found.items() if name != "0.bias"},
    "more": lambda found: found | {"0.extra": found["0.bias"]},
    "no tensors": lambda _found: {},
}


@pytest.mark.parametrize("fault", FOREIGN)
def test_tensors_of_another_network(damaged, fault):
    (damaged / MODEL).write_bytes(save(FOREIGN[fault](tensors(damaged))))
    message = refusal(damaged)
    assert message.startswith(f"{damaged / MODEL}: ")
    assert "the two files are not from the same run" in message


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F8_E5M2", "U64", "C64", "F4", "nonsense"])
def test_tensors_of_foreign_dtypes(damaged, dtype):
    """As written by other programs; NumPy has no such types."""
    content = (damaged / MODEL).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header["0.bias"]["dtype"] = dtype
    written = json.dumps(header).encode()
    (damaged / MODEL).write_bytes(struct.pack("<Q", len(written)) + written + content[8 + length :])
    assert refusal(damaged).startswith(f"{damaged / MODEL}: ")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_tensors_that_are_not_finite(damaged, value):
    found = tensors(damaged)
    found["3.bias"][1] = value
    (damaged / MODEL).write_bytes(save(found))
    assert "3.bias contains values that are not finite" in refusal(damaged)


def test_a_variance_that_is_negative(damaged):
    changed(damaged, ["config", "spec"], spec := "conv 2 3x3 | batchnorm | relu | dense 2")
    parameters = Parameters.initial(build(spec, (1, 5, 5), 2), np.random.default_rng(0))
    (damaged / MODEL).write_bytes(checkpoint.model_file(parameters, spec))
    np.testing.assert_array_equal(checkpoint.load(damaged).parameters.flat, parameters.flat)
    parameters.buffers.named["1.running_var"][1] = -1e-9
    (damaged / MODEL).write_bytes(checkpoint.model_file(parameters, spec))
    assert refusal(damaged) == f"{damaged / MODEL}: damaged: 1.running_var contains negative variances; train again"


def test_a_header_longer_than_the_file(damaged):
    for length in (2**63, 2**64 - 1, 10**9):
        (damaged / MODEL).write_bytes(struct.pack("<Q", length) + b"{}")
        assert refusal(damaged).startswith(f"{damaged / MODEL}: damaged")
