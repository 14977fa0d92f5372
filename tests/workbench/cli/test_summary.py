"""The command summary: what it counts, what it measures, and that it fits a terminal."""

import json

import pytest

EVERYTHING = (
    "conv 6 3x3 pad=1 groups=3 stride=2 | batchnorm | relu | sumpool 2 | dropout 0.5 | dense 7 | relu | dense 4"
)


def described(call, *arguments):
    code, out, _ = call("summary", *arguments, "--json", "-")
    assert code == 0
    return json.loads(out)


def test_lenet_is_counted_as_by_hand(call):
    found = described(call, "--no-times")
    counts = {row["number"]: (row["parameters"], row["multiply_adds"]) for row in found["layers"] if row["parameters"]}
    assert counts == {
        0: (6 * 25 + 6, 6 * 28 * 28 * 25),
        3: (16 * 6 * 25 + 16, 16 * 10 * 10 * 6 * 25),
        7: (400 * 120 + 120, 400 * 120),
        9: (120 * 84 + 84, 120 * 84),
        11: (84 * 10 + 10, 84 * 10),
    }
    assert found["total"] == {
        "parameters": 61_706,
        "multiply_adds": 416_520,
        "activation_bytes": 4 * (2 * 4704 + 1176 + 2 * 1600 + 400 + 400 + 2 * 120 + 2 * 84 + 10),
        "parameter_bytes": 4 * 61_706,
    }
    assert found["layers"][2]["output_shape"] == [6, 14, 14]
    assert [row["place"] for row in found["layers"]] == [1, 2, 3, 4, 5, 6, None, 7, 8, 9, 10, 11]
    assert found["step"] is None


def test_every_kind_of_layer(call):
    found = described(call, "--no-times", "--model", EVERYTHING, "--channels", "rgb", "--image-size", "9x8")
    rows = {row["layer"].split()[0]: row for row in found["layers"][:7]}
    assert rows["conv"]["multiply_adds"] == 6 * 5 * 4 * 9
    assert rows["batchnorm"]["output_shape"] == [6, 5, 4]
    assert (rows["batchnorm"]["parameters"], rows["batchnorm"]["parameter_bytes"]) == (12, 4 * 24)
    assert rows["batchnorm"]["multiply_adds"] == 6 * 5 * 4
    assert [rows[name]["multiply_adds"] for name in ("relu", "sumpool", "dropout", "flatten")] == [0] * 4


def test_a_run_and_its_times(call, trained):
    code, out, _ = call("summary", trained, "--batch-size", "8", "--json", trained / "summary.json")
    assert code == 0
    found = json.loads((trained / "summary.json").read_text())
    (trained / "summary.json").unlink()
    assert found["step"]["batch_size"] == 8
    rows = found["layers"]
    for row in rows:
        measured = row["forward_ms"] > 0 and row["backward_ms"] > 0
        assert measured == (row["layer"] != "flatten")
    times = sum(row["forward_ms"] + row["backward_ms"] for row in rows)
    assert times + found["step"]["loss_ms"] == pytest.approx(found["step"]["ms"])
    assert sum(row["share_of_step"] for row in rows) == pytest.approx(times / found["step"]["ms"])
    lines = out.splitlines()
    assert len(lines) == 1 + 1 + len(rows) + 1 + 3
    for row, line in zip(rows, lines[2:], strict=False):
        assert line.split()[0] == str(row["place"] or "flatten")  # as show --layer counts
    assert all(len(line) <= 80 for line in lines)


def test_long_layers_fit_a_terminal(call):
    code, out, _ = call("summary", "--no-times", "--model", EVERYTHING, "--channels", "rgb", "--image-size", "224")
    assert code == 0
    assert all(len(line) <= 80 for line in out.splitlines())


def test_bad_input(refused, trained, tmp_path):
    refused(["summary", tmp_path / "none"], "no such folder")
    refused(["summary", trained, "--model", "lenet5"], "leave out one or the other")
    refused(["summary", "--model", "lenet6"], "neither a preset", "nor a layer spec")
    refused(["summary", "--model", "conv 4 3x3"], "layer 1 (conv 4 3x3): gives 4x26x26", "dense K")
    refused(["summary", "--model", "dense 10 | conv 4 3x3"], "layer 2 (conv 4 3x3)")
    refused(["summary", "--model", "dense 999999 | dense 10", "--batch-size", "999999999"], "GiB")
