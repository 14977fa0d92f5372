"""``workbench bench`` and ``workbench roofline`` from the command line; the measured values are not tested."""

import copy
import csv
import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import kernels
from tests.warm_children import patches
from tests.workbench.benching.limits import PEAKS, fix
from workbench.benching import bench_table, case_list, comparing
from workbench.benching.calibrating import break_even
from workbench.benching.rows import AGAINST
from workbench.cases import parse_case
from workbench.cli import run

WHOLE = Path(__file__).parents[2] / "user_kernels" / "whole.py"

KERNELS = """
import os, threading, time
from pathlib import Path

import numpy as np
from workbench import implements

def rectify(x, y):
    np.maximum(x, 0, out=y)

@implements("relu")
def right(x, y):
    rectify(x, y)

@implements("relu")
def wrong(x, y):
    y[...] = x

@implements("relu")
def wrong_later(x, y, seen=[0]):
    seen[0] += 1
    rectify(x, y)
    if seen[0] > 60:
        y[0] = 1

@implements("dense_backward")
def bias_gradient(dy, x, w, db):
    db[...] = dy.sum(axis=0)

@implements("relu")
def slow(x, y):
    rectify(x, y)
    time.sleep(0.02)

@implements("relu")
def crashing(x, y):
    os.kill(os.getpid(), 11)

@implements("relu")
def raising(x, y):
    raise ValueError("no")

@implements("relu")
def hungry(x, y):
    raise MemoryError("Unable to allocate 3 EiB")

@implements("relu")
def remembers(x, y, seen=[None]):
    values = x.tobytes()
    if seen[0] != values:
        seen[0] = values
        time.sleep(0.01)
    rectify(x, y)

@implements("relu")
def unless_empty(x, y, seen=[0]):
    seen[0] += 1
    if seen[0] < 60 or np.isnan(y).any():
        rectify(x, y)

@implements("relu")
def changes_the_clock(x, y):
    from kernels.memory import devices
    type(devices.CPU).time = lambda self, work: 1e-6 if work() is None else 1e-6
    time.sleep(0.001)
    rectify(x, y)

@implements("relu")
def afterwards(x, y):
    threading.Timer(0.2, rectify, (x.copy(), y)).start()

@implements("relu")
def reads_on(x, y):
    rectify(x, y)
    if x.ndim == 1 and x.size:
        y[0] = max(x[x.size], y[0])

@implements("conv2d")
def never_padded(x, w, b, y):
    y[...] = 0

@implements("relu")
def endless(x, y, seen=[0]):
    seen[0] += 1
    rectify(x, y)
    while seen[0] > 60:
        time.sleep(1)
"""

OWN = """
from math import prod
import numpy as np
from kernels.declare.op import Input, Op
from kernels.declare.rounding import Exact, Sum
from workbench import implements

def double_reference(x, y):
    for i in range(x.size):
        y.flat[i] = 2 * x.flat[i]

DOUBLE = Op(
    name="double", summary="twice x", inputs=(Input(name="x"),), outputs=("y",),
    output_shapes=lambda shapes, _options: (shapes["x"],), flops=lambda shapes, _options: prod(shapes["x"]),
    rounding=Sum(roundings=lambda _shapes, _options: (1,), magnitudes=("x",)), reference=double_reference,
)

@implements(DOUBLE)
def doubled(x, y):
    np.multiply(x, 2, out=y)

def positive_reference(x, y):
    for i in range(x.size):
        y.flat[i] = x.flat[i] if x.flat[i] > 0 else np.nan

def positive_or_zero(x, y):
    for i in range(x.size):
        y.flat[i] = x.flat[i] if x.flat[i] > 0 else 0

POSITIVE = Op(
    name="positive", summary="x where it is above 0, else NaN or 0", inputs=(Input(name="x"),), outputs=("y",),
    output_shapes=DOUBLE.output_shapes, flops=DOUBLE.flops, rounding=Exact(), reference=positive_reference,
    alternatives=(positive_or_zero,),
)

@implements(POSITIVE)
def nan_elsewhere(x, y):
    y[...] = np.where(x > 0, x, np.nan)

@implements(POSITIVE)
def zero_elsewhere(x, y):
    y[...] = np.where(x > 0, x, 0)

@implements(POSITIVE)
def one_elsewhere(x, y):
    y[...] = np.where(x > 0, x, 1)
"""
"""Operations of the user's own."""

PARTS = """
from workbench import implements

@implements("dense_backward")
def product(dy, x, dw):
    dw[...] = dy.T @ x

@implements("dense_backward")
def twice(dy, x, dw):
    product(dy, x, dw)
    product(dy, x, dw)
"""


def prepare(patch, fork_server):
    """Fix the machine's limits, also for the process of operations of the user's own, and start processes as forks."""
    patch.setattr("workbench.benching.document.measure_peaks", lambda _on_part: PEAKS)
    for each in patches(fork_server, fix):
        patch.setattr(*each)


@pytest.fixture
def call(monkeypatch, capsys, tmp_path, fork_server):
    """Run a command in a folder with ``mine.py`` and fixed machine limits; return exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    prepare(monkeypatch, fork_server)
    (tmp_path / "mine.py").write_text(KERNELS)
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "parts.py").write_text(PARTS)

    def invoke(*arguments):
        code = run([str(word) for word in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return invoke


@pytest.fixture
def bench(call, tmp_path):
    """Run ``workbench bench`` quickly; return exit code, output and document."""

    def invoke(*arguments):
        target = tmp_path / "bench.json"
        code, out, err = call("bench", *arguments, "--budget", 0.05, "--json", target)
        assert code in (0, 1), err
        return code, out, json.loads(target.read_text())

    return invoke


def test_it_verifies_and_times(bench):
    code, out, document = bench("dense", "--case", "lenet-f6")
    assert code == 0
    assert set(document) == {
        *("schema", "command", "when", "machine", "confidence", "peaks", "controls", "rows", "skipped", "compared"),
        *("gpu_state", "used_by_others", "predicted"),
    }
    (row,) = document["rows"]
    assert (row["op"], row["case"], row["implementation"], row["verified"]) == ("dense", "lenet-f6", "dense_cpu", True)
    assert row["min_ms"] <= row["p20_ms"] <= row["median_ms"] <= row["p80_ms"]
    assert row["gflops"] == pytest.approx(2 * 64 * 120 * 84 / row["median_ms"] / 1e6)
    assert row["flops_per_byte"] == pytest.approx(row["gflops"] / row["gbps"])
    assert row["bound_by"] == "compute"
    assert row["share_of_peak"] == pytest.approx(row["gflops"] / 200)
    assert row["cold_ms"] > 0
    assert row["dispatch_us"] > 0
    assert row["compile_ms"] > 0 or row["cache_load_ms"] >= 0
    assert row["repeats"] > 0
    (control,) = document["controls"]
    assert (control["case"], control["implementation"]) == ("lenet-f6", "dense_cpu")
    assert "lenet-f6" in out
    assert "noise: 1 A/A control" in out


def test_backward_and_both_precisions(bench):
    code, _, document = bench("--case", "lenet-out", "--dtype", "all", "softmax", "softmax_backward")
    assert code == 0
    assert [(row["op"], row["dtype"], row["implementation"]) for row in document["rows"]] == [
        (op, dtype, f"{op}_cpu") for op in ("softmax", "softmax_backward") for dtype in ("float32", "float64")
    ]


def test_batches_and_shapes(bench):
    _, _, document = bench("relu", "--case", "lenet-r1", "--batch", "1,3")
    assert [(row["case"], row["shapes"]["x"][0]) for row in document["rows"]] == [
        ("lenet-r1-b1", 1),
        ("lenet-r1-b3", 3),
    ]
    _, _, document = bench("relu", "--case", "x=2x3x4x5")
    assert [row["shapes"] for row in document["rows"]] == [{"x": [2, 3, 4, 5]}]


def test_a_pattern_of_names(bench):
    _, _, document = bench("dense", "--case", "lenet-f[67]")
    assert [row["case"] for row in document["rows"]] == ["lenet-f6", "lenet-f7"]


def test_networks(bench):
    code, _, document = bench("--case", "lenet-train", "--batch", "2")
    assert code == 0
    assert [(row["op"], row["case"], row["implementation"]) for row in document["rows"]] == [
        ("network", "lenet-train-b2", f"workbench {executor}") for executor in ("fused", "ops")
    ]
    assert all(row["gflops"] > 0 and row["median_ms"] > 0 for row in document["rows"])


def test_a_peer_stands_beside_the_baseline(bench):
    code, _, document = bench("dense", "--case", "lenet-f6", "--against", "numpy")
    assert code == 0
    ours, theirs = document["rows"]
    assert (ours["baseline"], theirs["baseline"]) == (None, "dense_cpu")
    assert theirs["implementation"].startswith("numpy")
    assert theirs["verdict"] in ("faster", "slower", "tie", "unsure")
    assert theirs["verified"]


def test_a_users_kernel_beside_the_built_in_one(of_all):
    _, _, rows, _ = of_all
    assert next(iter(rows)) == "relu_cpu"
    assert rows["slow"]["median_ms"] > 20
    assert (rows["slow"]["baseline"], rows["slow"]["ratio"] > 10) == ("relu_cpu", True)


def test_a_users_kernel_alone_and_against_another(bench):
    _, _, document = bench("mine.py:right", "--case", "relu-4k", "--against", "mine.py:slow")
    assert [row["implementation"] for row in document["rows"]] == ["right", "slow"]


@pytest.fixture(scope="module")
def of_all(tmp_path_factory, fork_server):
    """All kernels for relu of ``mine.py`` on one case: the exit code, the output, the rows of the JSON, the CSV."""
    folder = tmp_path_factory.mktemp("all")
    (folder / "mine.py").write_text(KERNELS)
    words = ("bench", "mine.py", "--op", "relu", "--case", "relu-4k", "--budget", "0.05")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
        patch.chdir(folder)
        prepare(patch, fork_server)
        patch.setattr("workbench.benching.contestant.LEAST_CALL_SECONDS", 4.0)
        code = run([*words, "--json", "rows.json", "--csv", "rows.csv"])
    rows = json.loads((folder / "rows.json").read_text())["rows"]
    return code, out.getvalue(), {row["implementation"]: row for row in rows}, (folder / "rows.csv").read_text()


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("wrong", "wrong", "is wrong on relu-4k, not timed: y["),
        ("wrong_later", "wrong", "after timing"),
        ("crashing", "crashed", "crashes on relu-4k, not timed: crashes the process, with SIGSEGV"),
        ("raising", "failed", "fails on relu-4k, not timed: raises ValueError: no"),
        ("endless", "too slow", "is too slow on relu-4k, not timed: a call takes more than 4 s; raise --budget"),
        ("hungry", "out of memory", "has too little memory on relu-4k, not timed: raises MemoryError"),
        ("remembers", "wrong", "it remembers results"),
        ("unless_empty", "wrong", "after timing"),
        ("afterwards", "wrong", "is wrong on relu-4k, not timed: "),
        ("reads_on", "wrong", "is wrong on relu-4k, not timed: x["),
        ("changes_the_clock", "wrong", "it changes the clock"),
    ],
)
def test_what_is_not_right_is_listed_and_never_timed(of_all, name, status, words):
    code, out, rows, _ = of_all
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.startswith(f"{name} ") and "not timed" in line]
    assert words in line
    assert (rows[name]["status"], rows[name]["verified"], rows[name]["median_ms"]) == (status, False, None)
    for right in ("relu_cpu", "right", "slow"):
        assert rows[right]["verified"]
        assert rows[right]["median_ms"] > 0


def test_what_cannot_be_timed_is_no_verdict_against_a_kernel(bench):
    """Neither too little memory nor too slow is wrong; that wrong is, ``of_all`` shows."""
    code, _, _ = bench("mine.py:hungry", "--case", "x=2x3")
    assert code == 0
    assert AGAINST == ("wrong", "failed", "crashed")


def test_csv_has_the_rows_of_the_json(of_all):
    _, _, rows, text = of_all
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["implementation"] for line in lines] == list(rows)
    for line in lines:
        row = rows[line["implementation"]]
        assert line["status"] == row["status"]
        assert (line["median_ms"] == "") == (row["median_ms"] is None)
        assert json.loads(line["shapes"]) == row["shapes"]


def test_a_kernel_for_some_of_the_outputs(bench):
    """As in ``check``, outputs that a kernel does not compute are not judged."""
    code, _, document = bench("mine.py:bias_gradient", "--case", "lenet-f6")
    assert code == 0
    whole, alone = document["rows"]
    assert (whole["computes"], alone["computes"]) == (None, ["db"])
    assert alone["gflops"] * alone["median_ms"] == pytest.approx(64 * 84 / 1e6)
    assert alone["gbps"] * alone["median_ms"] == pytest.approx((64 * 84 + 84) * 4 / 1e6)
    assert (alone["baseline"], alone["verdict"]) == (None, None)


def test_a_kernel_for_some_of_the_outputs_is_compared_with_its_like(bench):
    """The baseline is the first contestant that computes the same; the table names it."""
    arguments = ("--case", "lenet-f6", "--op", "dense_backward")
    code, out, document = bench("parts.py:product", *arguments, "--against", "builtin,parts.py:twice")
    assert code == 0
    rows = {row["implementation"]: row for row in document["rows"]}
    assert rows["product"]["computes"] == rows["twice"]["computes"] == ["dw"]
    others = {row["baseline"] for row in rows.values() if row["computes"] != ["dw"]}
    assert rows["twice"]["baseline"] == "product"
    assert "product" not in others
    assert "product (dw)" in out
    assert ", against product" in out


def test_a_kernel_that_a_case_is_not_for(bench):
    """The reason is named; built-in kernels that are not for the case are not mentioned."""
    _, out, document = bench("mine.py:never_padded", "--case", "lenet-c1")
    assert document["skipped"] == {
        "never_padded on conv2d lenet-c1": "it takes no stride, padding, dilation, groups, and the case has other values "
        "than the default"
    }
    assert "conv2d_depthwise_cpu" not in out


def test_one_shape_for_several_operations(bench):
    _, _, document = bench("relu", "relu_backward", "--case", "x=2x3x4x5")
    assert [(row["op"], row["shapes"]["x"]) for row in document["rows"]] == [
        ("relu", [2, 3, 4, 5]),
        ("relu_backward", [2, 3, 4, 5]),
    ]


def test_the_cases_are_listed(call):
    code, out, _ = call(
        "bench", "conv2d", "conv2d_backward", "--case", "x=1x3x8x8 w=4x3x3x3 padding=1x0 stride=2", "--list"
    )
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["operation", "conv2d", "conv2d_backward"]
    assert "x=1x3x8x8 w=4x3x3x3 b=4" in lines[1]
    assert "stride=2 padding=1x0" in lines[1]
    code, out, _ = call("ops", "dense")
    assert code == 0
    assert "few-samples" in out
    assert "lenet-f6" in out
    assert "conv2d" not in out


@pytest.mark.parametrize("op", kernels.OPS)
def test_a_listed_case_can_be_given_as_shapes(op):
    """The inputs and options of the list are those of the case, unless --case cannot say them."""
    for case, (_, _, inputs, options, *_) in zip(
        case_list.unbatched(op), case_list.lines(case_list.unbatched(op)), strict=True
    ):
        again = parse_case(kernels.OPS[op], f"{inputs} {options}".strip())
        assert (again.shapes, again.options) == (case.shapes, case.options)


def test_markdown(call, tmp_path):
    code, out, _ = call("bench", "relu", "--case", "x=2x3", "--budget", 0.01, "--markdown", "table.md")
    assert code == 0
    assert "relu_cpu" in out
    header, _, line = (tmp_path / "table.md").read_text().splitlines()
    assert header.startswith("| operation | case |")
    assert "relu_cpu" in line


def test_progress_without_a_terminal(call):
    _, _, err = call("bench", "relu", "--case", "relu-4k", "--budget", 0.01, "--json", "-")
    assert re.search(r"^\[1/1\] relu relu-4k float32: relu_cpu [\d.]+ .?s$", err, re.MULTILINE)


def test_a_busy_machine_is_told(call, monkeypatch):
    monkeypatch.setattr("workbench.system.machine.used_by_others", lambda: 0.63)
    _, out, err = call("bench", "relu", "--case", "x=2x3", "--budget", 0.01, "--json", "-")
    assert "other processes use 63% of the processor" in err
    assert json.loads(out)["used_by_others"] == 0.63


def test_an_operation_of_the_users_own(bench):
    code, out, document = bench("own.py:doubled", "--case", "x=10x10", "--against", "builtin,numpy")
    assert code == 0
    assert [row["implementation"] for row in document["rows"]] == ["doubled"]
    assert len(document["controls"]) == 1
    assert "builtin on double x=10x10 skipped: does not know double" in out


def test_an_operation_whose_output_is_of_integers(bench):
    code, _, document = bench(str(WHOLE), "--op", "argmax", "--case", "x=50x40", "--dtype", "float32")
    assert code == 1
    statuses = {row["implementation"]: row["status"] for row in document["rows"]}
    assert statuses == {"first_of_largest": "timed", "last_of_largest": "wrong"}


def test_an_operation_that_leaves_a_choice(bench):
    code, _, document = bench("own.py", "--op", "positive", "--case", "x=10x10")
    assert code == 1
    statuses = {row["implementation"]: row["status"] for row in document["rows"]}
    assert statuses == {"nan_elsewhere": "timed", "zero_elsewhere": "timed", "one_elsewhere": "wrong"}


def test_kernels_of_one_name(bench, tmp_path):
    (tmp_path / "yours.py").write_text(KERNELS)
    _, _, document = bench("mine.py:right", "--case", "relu-4k", "--against", "yours.py:right")
    assert [row["implementation"] for row in document["rows"]] == ["right", "yours.py:right"]


def test_the_report_is_written(call, tmp_path):
    code, _, err = call("bench", "relu", "--case", "relu-4k", "--budget", 0.05, "--html", "report.html")
    assert code == 0
    assert "report.html" in err
    assert "relu-4k" in (tmp_path / "report.html").read_text()


# Comparing


@pytest.fixture(scope="module")
def report(tmp_path_factory, fork_server):
    """A report, as another run wrote it."""
    target = tmp_path_factory.mktemp("old") / "bench.json"
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch, fork_server)
        assert run(["bench", "relu", "--case", "relu-1m", "--budget", "0.05", "--json", str(target)]) == 0
    return json.loads(target.read_text())


@pytest.fixture
def timed(report):
    return copy.deepcopy(report)


def faster_then(document, factor):
    old = copy.deepcopy(document)
    for row in old["rows"]:
        for name in ("median_ms", "ci_low_ms", "ci_high_ms"):
            row[name] = None if row[name] is None else row[name] / factor
    return old


def with_interval(document, share):
    sure = copy.deepcopy(document)
    for row in sure["rows"]:
        row |= {"ci_low_ms": row["median_ms"] * (1 - share), "ci_high_ms": row["median_ms"] * (1 + share)}
    for control in sure["controls"]:
        control["noise"] = 0.01
    return sure


@pytest.mark.parametrize(
    ("factor", "share", "expected"),
    [(1.5, 0.01, "slower"), (0.6, 0.01, "faster"), (1.0, 0.01, "same"), (1.5, 0.4, "unsure"), (1.1, 0.3, "unsure")],
)
def test_verdicts_between_runs(timed, factor, share, expected):
    new = with_interval(timed, share)
    (found,) = comparing.compare(faster_then(new, factor), new)
    assert found.verdict == expected
    assert found.ratio == pytest.approx(factor)


def test_drift_of_the_machines_limits_is_no_difference(timed):
    new = with_interval(timed, 0.01)
    old = faster_then(new, 1.3)
    old["peaks"]["cpu"]["gbps"] = {level: 1.5 * value for level, value in new["peaks"]["cpu"]["gbps"].items()}
    old["peaks"]["cpu"]["launch_ms"] /= 1.5
    (found,) = comparing.compare(old, new)
    assert found.verdict == "unsure"


def test_slower_than_before_is_a_verdict_against(call, timed, tmp_path):
    (tmp_path / "old.json").write_text(json.dumps(with_interval(faster_then(timed, 50), 0.01)))
    code, out, _ = call("bench", "relu", "--case", "relu-1m", "--budget", 0.5, "--compare", "old.json")
    assert code == 1
    assert "compared: 1 slower" in out


def test_another_machine_is_refused(call, timed, tmp_path):
    timed["machine"]["cpu"] = "another"
    (tmp_path / "old.json").write_text(json.dumps(timed))
    code, _, err = call("bench", "relu", "--case", "relu-1m", "--budget", 0.05, "--compare", "old.json")
    assert code == 2
    assert "cpu was another" in err


# Bad input: one line, exit code 2, before anything is measured


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["relu", "dense", "--case", "x=2x3"], ["w of dense is missing"]),
        (["relu", "--json", "-", "--csv", "-"], ["takes one of"]),
        (["--case", "lenet-c4"], ["unknown case 'lenet-c4'", "did you mean lenet-"]),
        (["relu", "--case", "lenet-c1"], ["relu has no such case", "lenet-r1"]),
        (["conv2d", "--case", "lenet-c3-b0"], ["unknown case"]),
        (["--case", "lenet-train-b0"], ["unknown case"]),
        (["--case", f"lenet-train-b{'9' * 4301}"], ["unknown case"]),
        (["--case", "lenet-infer-b60001"], ["--batch 60001", "use at most 60000"]),
        (["--case", "lenet-train", "--batch", "999999999"], ["--batch 999999999", "use at most 60000"]),
        (["relu", "--batch", "999999999"], ["--batch 999999999", "GiB"]),
        (["relu", "--batch", "9" * 4301], ["--batch", "1,16,64,256"]),
        (["relu", "--batch", "٣"], ["--batch", "1,16,64,256"]),
        (["rellu"], ["unknown operation 'rellu'", "relu"]),
        (["conv2d", "--case", "x=1x2x3"], ["x=1x2x3"]),
        (["--case", "x=1x2x3x4"], ["name the operations"]),
        (["relu", "--against", "pytorch"], ["unknown peer 'pytorch'", "torch"]),
        (["relu", "--against", "torch,,numpy"], ["--against"]),
        (["relu", "--against", "nowhere.py:f"], ["nowhere.py: no such file"]),
        (["relu", "--batch", "1,a"], ["--batch", "1,16,64,256"]),
        (["relu", "--batch", "0"], ["--batch"]),
        (["relu", "--threads", "1000"], ["--threads 1000", "at most"]),
        (["relu", "--budget", "nan"], ["--budget"]),
        (["relu", "--compare", "nowhere.json"], ["--compare nowhere.json", "cannot be read"]),
        (["relu", "--compare", "mine.py"], ["--compare mine.py", "is not a report"]),
        (["relu", "--html", "no/such/report.html"], ["--html", "cannot be written"]),
        (["relu", "--device", "cuda"], ["--device cuda"]),
        (["mine.py:right", "--case", "lenet-c3"], ["relu has no such case"]),
        (["--calibrate"], ["--calibrate", "GPU"]),
    ],
)
def test_misuse(call, arguments, words):
    code, out, err = call("bench", *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert all(word in err for word in words), err


def test_a_peer_that_is_not_installed(call, monkeypatch):
    monkeypatch.setattr("workbench.peers.find_spec", lambda _name: None)
    code, _, err = call("bench", "relu", "--against", "torch")
    assert code == 2
    assert "--against torch: needs torch; " in err
    assert " -m pip install 'torch>=" in err


# The limits


def test_limits_of_a_case():
    assert PEAKS.least_ms(200_000_000, 500, "float32") == (1.0, "compute")
    assert PEAKS.least_ms(100_000_000, 500, "float64") == (1.0, "compute")
    assert PEAKS.least_ms(0, 0, "float32") == (0.0005, "launch")
    moved, bound_by = PEAKS.least_ms(0, 1_000_000, "float32")
    assert bound_by == "memory"
    in_caches = 1000 / 400e6 + 10_000 / 200e6 + 100_000 / 40e6
    assert moved == pytest.approx(in_caches + 889_000 / 20e6)


@pytest.mark.long
def test_the_roofline_is_measured_and_drawn(tmp_path):
    """In a process of its own: it is the machine that is measured."""
    pytest.importorskip("matplotlib", reason="draws with matplotlib")
    target, picture = tmp_path / "roof.json", tmp_path / "roof.png"
    command = [sys.executable, "-m", "workbench", "roofline", "relu", "--case", "relu-4k", "--json", str(target)]
    done = subprocess.run([*command, "--out", str(picture)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peaks = json.loads(target.read_text())["peaks"]["cpu"]
    assert min(*peaks["gbps"].values(), *peaks["gflops"].values(), peaks["clock_ghz"]) > 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "by hand, one core:" in done.stdout


def test_roofline_misuse(call):
    code, _, err = call("roofline", "relu", "--out", "roof.jpg")
    assert code == 2
    assert "roof.jpg" in err
    assert len(err.splitlines()) == 1


def test_the_limits_of_a_gpu_in_the_simulator():
    """The kernels that measure them run; what they measure there means nothing."""
    script = """
from kernels.memory.devices import get_device
from workbench.roofline.gpu import measure_gbps, measure_gflops, measure_launch_ms
device = get_device("cuda")
import workbench.roofline.gpu as gpu
gpu.BLOCK, gpu.REPEATS = 2, 1
assert measure_gflops(device, 1, 3, "float32") > 0
assert measure_gbps(device, 1, 256, 1) > 0
assert measure_launch_ms(device) > 0
"""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Break-even


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(100, 1.0, 5.0), (400, 4.0, 5.0), (1600, 16.0, 6.0)], 800),
        ([(1600, 16.0, 6.0), (100, 1.0, 5.0)], 400),
        ([(100, 9.0, 5.0), (400, 9.0, 5.0)], 50),
        ([(100, 1.0, 5.0), (400, 2.0, 5.0)], 4000),
    ],
)
def test_break_even(points, expected):
    assert break_even(points) == expected


def test_a_calibration_is_stored_where_it_is_read(monkeypatch, tmp_path):
    from kernels.call import breakeven
    from workbench.benching import calibrating

    monkeypatch.setattr(breakeven, "calibration_file", lambda: tmp_path / "deep" / "break_even.json")
    monkeypatch.setattr(calibrating, "calibration_file", breakeven.calibration_file)
    calibrating.store({"relu": 123})
    calibrating.store({"dense": 45})
    assert breakeven.break_even_flops("relu") == (123, "calibrated")
    assert breakeven.break_even_flops("dense") == (45, "calibrated")


# Text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "-"),
        (0.0123, "12.3 µs"),
        (0.9999, "1 ms"),
        (1.5, "1.5 ms"),
        (123.4, "123 ms"),
        (2500.0, "2.5 s"),
        (0.0001, "0.1 µs"),
    ],
)
def test_times_have_their_unit(value, expected):
    assert bench_table.milliseconds(value) == expected


@pytest.mark.parametrize(
    ("low", "words"),
    [(0.7, "relu relu-4k float32: relu_cpu took 0.78 times as long as itself"), (0.0, "larger --budget")],
)
def test_a_case_without_a_noise_floor_is_told(low, words):
    place = {"op": "relu", "case": "relu-4k", "dtype": "float32"}
    control = place | {"implementation": "relu_cpu", "ratio": 0.78, "low": low, "noise": None}
    (line,) = bench_table.inconclusive([control], [place | {"ratio": None}, place | {"ratio": 0.4}])
    assert words in line
    assert bench_table.inconclusive([control], [place | {"ratio": None}]) == []  # nothing is compared
    assert bench_table.inconclusive([control | {"noise": 0.1}], [place | {"ratio": 0.4}]) == []
