"""Users' kernels, checked from the command line and from a test suite: each gets the right verdict.

The kernels are in ``user_kernels/``, as a user would write them. A comment ``# fault: NAME`` there marks the line that the
report on kernel NAME must give.
"""

import re
from importlib.metadata import version

import numpy as np
import pytest

from tests.workbench.target.user import KERNELS, command, fault_line, replay_command

# Right kernels of every style


def test_right_kernels_pass(check):
    done = check("right.py", "--examples", "12")
    assert done.code == 0, done.out
    assert {row["implementation"]: row["status"] for row in done.rows} == dict.fromkeys(
        (
            *("serial", "parallel", "returning", "double_accumulator", "helped", "bias_gradient", "by_four"),
            *("elementwise", "without_options"),
        ),
        "pass",
    )
    assert {row["examples"] for row in done.rows} == {12}
    assert "9 pass" in done.out
    notes = {row["implementation"]: row["notes"] for row in done.rows if row["notes"]}
    assert notes == {
        "bias_gradient": ["computes db alone: nothing else is judged"],
        "without_options": ["takes no stride, padding, dilation, groups: checked at the default"],
    }
    for name, (note,) in notes.items():
        assert f"{name}: {note}" in done.out


def test_signatures_say_what_is_accepted(check):
    """Other dtypes are skipped with the reason, other layouts are noted; neither is a failure."""
    done = check("signatures.py", "--examples", "20", dtype="all")
    assert done.code == 0, done.out
    for row in done.rows:
        if row["dtype"] == "float32":
            assert (row["status"], row["examples"]) == ("pass", 20)
        else:
            assert (row["status"], row["examples"]) == ("skipped", 0)
            assert row["reason"].startswith("its signatures do not take float64 arrays (")
            assert f"{row['implementation']}, float64 on cpu skipped: {row['reason']}" in done.out
    assert "3 pass, 3 skipped" in done.out
    notes = {row["implementation"]: row["notes"] for row in done.rows if row["dtype"] == "float32"}
    assert notes["rows"] == notes["elements"] == []
    (refused,) = notes["contiguous"]
    assert re.fullmatch(r"arrays that are (\w+(-only)?, )+\S+ are not accepted: checked on contiguous ones", refused)
    assert {"step", "negative", "transposed"} <= set(re.findall(r"[\w-]+", refused))
    assert "unaligned" not in refused


def test_fastmath_gives_up_nan_rules_where_the_operation_states_none(check):
    done = check("fast.py", "--examples", "40")
    assert done.statuses() == {
        ("fast", "float32"): "pass",
        ("fast_and_reordered", "float32"): "pass",
        ("fast_and_wrong", "float32"): "fail",
        ("loses_nan", "float32"): "fail",
    }
    rows = {row["implementation"]: row for row in done.rows}
    assert rows["fast"]["reason"] == "NaN and infinities not judged: fastmath assumes that there are none"
    assert "special" not in rows["fast"]["families"]
    assert "fast, float32 on cpu: pass, NaN and infinities not judged: fastmath assumes that there are none" in done.out
    assert "1 pass, 1 pass with NaN and infinities not judged, 2 fail" in done.out
    assert rows["fast_and_reordered"]["reason"] == ""
    assert "times its error bound" in rows["fast_and_wrong"]["reason"]
    assert "must equal the reference" in rows["loses_nan"]["reason"]


def test_cuda_kernels_in_the_simulator(check):
    done = check("gpu.py", "--device", "sim", "--examples", "6")
    assert [(row["implementation"], row["device"], row["status"]) for row in done.rows] == [
        ("shared_tiles", "sim", "pass"),
        ("launches", "sim", "pass"),
        ("loses_a_term", "sim", "fail"),
        ("reads_beyond", "sim", "fail"),
    ]
    assert "times its error bound" in done.rows[2]["reason"]
    assert "out-of-bounds: " in done.rows[3]["reason"]
    line = fault_line("gpu.py", "reads_beyond")
    assert line in done.rows[3]["counterexample"]["details"]


# Wrong kernels

WRONG = {
    "races": ("race: iterations 0 and 1 of the prange", "total[0]"),
    "writes_beyond": ("writes outside y", "y[0, 1] is outside y, of shape (1, 1)"),
    "reads_beyond": ("is NaN", "x[0, 1] is outside x, of shape (1, 1)"),
    "raises": ("raises ValueError: too many elements",),
    "gives_wrong_shape": ("returns y of shape (1, 1); needs (1,)",),
    "gives_wrong_dtype": ("returns y of dtype float64; needs float32; a literal such as 0 or 0.5 widens it",),
    "gives_nothing": ("returns None; needs y",),
    "gives_its_input": ("returns y in the memory of its input x",),
    "changes_its_input": ("changes its input x",),
    "does_not_compile": ("does not compile: Unknown attribute 'no_such_attribute'",),
    "remembers": ("other data in the same memory", "a stale cache"),
    "wrong_from_17_on": ("y[16] must equal the reference",),
    "forgets_the_last_column": ("times its error bound away from the reference",),
}


SHRINKS_LESS = tuple(map(int, version("hypothesis").split(".")[:2])) < (6, 170)
"""Whether Hypothesis ends with a larger case of one kernel: the version of constraints.txt finds a smaller one."""


def test_wrong_kernels_fail_for_the_right_reason(check):
    done = check("wrong.py", "--examples", "30")
    assert done.code == 1
    assert {row["implementation"]: row["status"] for row in done.rows} == dict.fromkeys(WRONG, "fail")
    assert "13 fail" in done.out
    for row in done.rows:
        name, found = row["implementation"], row["counterexample"]
        for words in WRONG[name]:
            assert words in row["reason"], name
        if f"# fault: {name}\n" in (KERNELS / "wrong.py").read_text():
            assert fault_line("wrong.py", name) in row["reason"]
        least = {"races": 2, "raises": 5 + SHRINKS_LESS, "wrong_from_17_on": 17}.get(name, 1)
        assert max(size for shape in found["shapes"].values() for size in shape) == least, "the smallest such case"
        assert found["index"] is None or name in ("reads_beyond", "wrong_from_17_on", "forgets_the_last_column")
        assert found["replay"] in done.out
    seventeen = next(row["counterexample"] for row in done.rows if row["implementation"] == "wrong_from_17_on")
    assert (seventeen["index"], seventeen["got"], seventeen["bound"]) == (["y", 16], 0.0, 0.0)
    assert re.search(r"(samples|elements).* \[\.+#+\]", seventeen["where"]), "none of the first ones"


KINDS = {
    "copies_of_columns": "fail",
    "copies_of_rows": "pass",
    "byte_index": "fail",
    "short_index": "fail",
    "carried_largest": "fail",
    "multiplies_padding": "pass",
}


@pytest.mark.long
def test_faults_that_few_calls_show(check):
    done = check("kinds.py")
    assert {row["implementation"]: row["status"] for row in done.rows} == KINDS, done.out
    found = {row["implementation"]: row for row in done.rows}
    assert found["copies_of_columns"]["counterexample"]["layout"] == "fortran"
    assert "inputs are fortran in memory" in found["copies_of_columns"]["counterexample"]["reach"]
    assert found["byte_index"]["counterexample"]["shapes"]["x"][1] == 257
    assert np.prod(found["short_index"]["counterexample"]["shapes"]["x"]) > 32768
    assert "race: largest is carried between the iterations of the prange" in found["carried_largest"]["reason"]
    assert fault_line("kinds.py", "carried_largest") in found["carried_largest"]["reason"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("segfaults", ("crashes the process, with SIGSEGV", "y[17592186044416] is outside y")),
        ("aborts", ("crashes the process, with SIGABRT",)),
        ("exits", ("ends the process, exit code 0",)),
        ("never_ends", ("does not end: no result after 0.5 s",)),
    ],
)
def test_what_takes_the_process_along_is_a_verdict(check, name, words):
    done = check(
        f"crashing.py:{name}", "--op", "relu", "--examples", "30", "--timeout", "0.5" if name == "never_ends" else "10"
    )
    assert done.row["status"] == "fail"
    for each in words:
        assert each in done.row["reason"]
    assert done.row["counterexample"]["shapes"] == {"x": [1]}
    if name == "segfaults":
        assert fault_line("crashing.py", name) in done.row["reason"]


def test_lower_precision_is_judged_by_what_is_declared(check):
    kernel = ("half.py:dense_half_of_small", "--op", "dense", "--examples", "60")
    undeclared, declared = check(*kernel), check(*kernel, "--accumulate", "float16")
    assert undeclared.row["status"] == "fail"
    assert "times its error bound" in undeclared.row["reason"]
    assert declared.row["status"] == "pass"
    assert declared.row["notes"] == ["judged as computing in float16, as it declares"]
    assert "dense_half_of_small: judged as computing in float16, as it declares" in declared.out


def test_inputs_beyond_the_declared_precision_may_overflow(check):
    done = check("half.py:dense_half", "--op", "dense", "--accumulate", "float16", "--examples", "60")
    assert done.row["status"] == "pass", done.out


# Several devices


def test_a_divergence_is_named(check):
    done = check("diverging.py", "--device", "all", "--examples", "10")
    statuses = {(row["implementation"], row["device"]): row["status"] for row in done.rows}
    assert statuses == {
        ("overflows", "cpu"): "fail",
        ("overflows", "python"): "pass",
        ("right", "cpu"): "pass",
        ("right", "python"): "pass",
    }
    assert "overflows, float32: right in Python, wrong compiled" in done.out
    assert "right, float32:" not in done.out


def test_all_devices_give_a_matrix(check):
    done = check("gpu.py:shared_tiles", "--device", "all", "--examples", "3")
    assert {row["device"]: row["status"] for row in done.rows} == {"sim": "pass", "cuda": "skipped"}
    (absent,) = [row["reason"] for row in done.rows if row["device"] == "cuda"]
    assert f"cuda skipped: {absent}" in done.out
    assert "driver" in absent
    heading = next(line for line in done.out.splitlines() if line.startswith("operation"))
    assert heading.split() == ["operation", "kernel", "dtype", "cuda", "sim"]
    assert "1 pass, 1 skipped" in done.out


# Operations of the user's own


def test_own_operations(check):
    done = check("own.py", "--examples", "6")
    assert [(row["op"], row["implementation"], row["device"], row["status"]) for row in done.rows] == [
        ("leaky_relu", "leaky", "cpu", "pass"),
        ("leaky_relu", "leaky_default", "cpu", "pass"),
        ("moving_sum", "moving", "cpu", "pass"),
        ("neighbours", "either_side", "cpu", "pass"),
        ("leaky_relu", "leaky_cuda", "sim", "pass"),
    ]
    assert done.rows[1]["notes"] == ["takes no slope: checked at the default"]
    assert not any("plain Python" in note for row in done.rows for note in row["notes"])
    declared = {row["op"]: row["status"] for row in done.declarations}
    assert declared == {"leaky_relu": "pass", "moving_sum": "pass", "neighbours": "pass"}


def test_loops_that_are_not_compiled_are_told(check, tmp_path):
    text = (
        "from numba import njit",
        "from workbench import implements",
        "@njit",
        "def above(v):",
        "    return max(v, 0)",
    )
    (tmp_path / "mine.py").write_text(
        "\n".join(text)
        + """
def slow(x, y):
    for i in range(x.size):
        y.flat[i] = x.flat[i] if x.flat[i] > 0 or x.flat[i] != x.flat[i] else 0
def calls(x, y):
    for i in range(x.size):
        y.flat[i] = above(x.flat[i]) if x.flat[i] == x.flat[i] else x.flat[i]
for each in (slow, njit(slow), calls):
    implements("relu")(each)
"""
    )
    done = check("mine.py", "--examples", "5", cwd=tmp_path)
    told = [[note for note in row["notes"] if "plain Python" in note] for row in done.rows]
    assert told == [["loops in plain Python, which Numba does not compile without @njit"], [], []]


def test_own_operations_in_plain_python(check):
    """What made either_side keeps no body: there is nothing to run."""
    done = check("own.py", "--device", "python", "--examples", "20")
    passed = dict.fromkeys(("leaky", "leaky_default", "moving"), ("python", "pass", 20))
    found = {row["implementation"]: (row["device"], row["status"], row["examples"]) for row in done.rows}
    assert found == passed | {"either_side": ("python", "skipped", 0)}


def test_a_wrong_kernel_of_an_own_operation(check, tmp_path):
    """Its replay works too: the token is of an operation that only the file knows."""
    source = (KERNELS / "own.py").read_text()
    (tmp_path / "mine.py").write_text(source.replace("x[i : i + width].sum()", "x[i : i + width - 1].sum()"))
    done = check("mine.py:moving", "--examples", "5", cwd=tmp_path)
    assert done.row["status"] == "fail"
    assert {row["status"] for row in done.declarations} == {"pass"}
    again = check(*replay_command(done.out), cwd=tmp_path)
    assert again.row["reason"] == done.row["reason"]


def test_a_wrong_declaration_fails(check, tmp_path):
    source = (KERNELS / "own.py").read_text()
    (tmp_path / "mine.py").write_text(source.replace('(options["width"],)', "(0,)"))
    done = check("mine.py:moving", "--examples", "5", cwd=tmp_path)
    declared = {row["op"]: row for row in done.declarations}
    assert declared["moving_sum"]["status"] == "fail"
    assert (done.row["status"], done.row["examples"]) == ("skipped", 0)  # nothing is judged by it
    assert "declaration of its operation fails" in done.row["reason"]


def test_a_number_option_rounds(check, tmp_path):
    """The declaration states the roundings of a product with the slope; integers need no special treatment."""
    source = (KERNELS / "own.py").read_text()
    (tmp_path / "mine.py").write_text(source.replace(", divides=True", ""))
    done = check("mine.py:leaky", "--examples", "30", cwd=tmp_path)
    assert done.row["status"] == "pass", done.out


def test_a_file_beside_may_have_the_name_of_a_standard_module(check, tmp_path):
    (tmp_path / "queue.py").write_text("from numpy import where\n\n\ndef relu(x):\n    return where(x <= 0, 0, x)\n")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    done = command("../queue.py:relu", "--examples", "3", "--dtype", "float32", cwd=folder)
    assert done.code == 0, done.err
