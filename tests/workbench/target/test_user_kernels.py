"""Users' kernels, checked from the command line and from a test suite: each gets the right verdict.

The kernels are in ``user_kernels/``, as a user would write them. A comment ``# fault: NAME`` there marks the line that the
report on kernel NAME must give.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kernels import OPS
from workbench.cli import run
from workbench.sampling import Case

KERNELS = Path(__file__).parents[2] / "user_kernels"


@dataclass(frozen=True)
class Checked:
    """What a command gave."""

    code: int
    out: str
    err: str
    rows: tuple = ()
    declarations: tuple = ()
    """The results on operations that the file declares; ``rows`` are those on its kernels."""

    @property
    def row(self):
        """The result on the only kernel."""
        (row,) = self.rows
        return row

    def statuses(self):
        return {(row["implementation"], row["dtype"]): row["status"] for row in self.rows}


def environment():
    """The environment of a user without a GPU: nothing set, and no driver to be found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_ENABLE", "KERNELS_"))}
    return kept | {"NUMBA_CUDA_DRIVER": os.devnull, "NUMBA_NUM_THREADS": "2", "COLUMNS": "200"}


def command(*arguments, cwd=KERNELS):
    """Run ``workbench check`` in a process of its own."""
    words = [sys.executable, "-m", "workbench", "check", *map(str, arguments)]
    done = subprocess.run(words, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Checked(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def check(tmp_path, warm_workbench):
    """Run ``workbench check`` on float32 and read its results; it must have come to a verdict."""

    def run(*arguments, dtype="float32", cwd=KERNELS):
        target = tmp_path / "results.json"
        words = [*map(str, arguments), "--dtype", dtype, "--json", str(target)]
        warm = warm_workbench(["check", *words], cwd, environment())
        assert "Traceback" not in warm.stderr, warm.stderr
        done = Checked(warm.returncode, warm.stdout, warm.stderr)
        assert done.code in (0, 1), done.err
        rows = json.loads(target.read_text())["results"]
        assert done.code == any(row["status"] == "fail" for row in rows)
        for row in rows:
            assert (
                row["status"] != "fail" or f"{row['implementation']} on {row['device']}, {row['dtype']}: " in done.out
            )
        declared = tuple(row for row in rows if row["implementation"] == "declaration")
        return Checked(done.code, done.out, done.err, tuple(row for row in rows if row not in declared), declared)

    return run


def fault_line(file, name):
    """The place that a fault is marked at, as reports give it."""
    lines = (KERNELS / file).read_text().splitlines()
    (line,) = [number for number, line in enumerate(lines, 1) if line.endswith(f"# fault: {name}")]
    return f"{file}:{line}"


def replay_command(out):
    """The arguments of the first replay command in a report."""
    line = next(line for line in out.splitlines() if line.strip().startswith("replay "))
    words = shlex.split(line)
    assert words[:3] == ["replay", "workbench", "check"]
    return words[3:]


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
        least = {"races": 2, "raises": 5, "wrong_from_17_on": 17}.get(name, 1)
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
        ("never_ends", ("does not end: no result after 2 s",)),
    ],
)
def test_what_takes_the_process_along_is_a_verdict(check, name, words):
    done = check(
        f"crashing.py:{name}", "--op", "relu", "--examples", "30", "--timeout", "2" if name == "never_ends" else "10"
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


def test_a_kernel_without_a_body_is_skipped_in_plain_python(check):
    done = check("own.py", "--device", "python", "--examples", "10")
    statuses = {row["implementation"]: row["status"] for row in done.rows}
    assert statuses == {"leaky": "pass", "leaky_default": "pass", "moving": "pass", "either_side": "skipped"}


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
    declared = {row["op"]: row["status"] for row in done.declarations}
    assert declared == {"leaky_relu": "pass", "moving_sum": "pass", "neighbours": "pass"}


@pytest.mark.parametrize("name", ["leaky", "moving"])
def test_own_operations_in_plain_python(check, name):
    done = check(f"own.py:{name}", "--device", "python", "--examples", "20")
    assert (done.row["device"], done.row["status"], done.row["examples"]) == ("python", "pass", 20)


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


# From the failure to green


def test_from_failure_to_replay_to_green(check, tmp_path):
    kernel = tmp_path / "my_dense.py"
    kernel.write_text((KERNELS / "broken.py").read_text())
    failed = check("my_dense.py:my_dense", "--op", "dense", "--examples", "40", cwd=tmp_path)
    assert failed.row["status"] == "fail"
    arguments = replay_command(failed.out)
    assert arguments[:5] == ["my_dense.py:my_dense", "--op", "dense", "--device", "cpu"]
    again = check(*arguments, cwd=tmp_path)
    for same in ("status", "reason"):
        assert again.row[same] == failed.row[same]
    of_other_cases = {"where", "reach"}
    for name in failed.row["counterexample"].keys() - of_other_cases:
        assert again.row["counterexample"][name] == failed.row["counterexample"][name]
    kernel.write_text(kernel.read_text().replace("range(x.shape[0] - 1)", "range(x.shape[0])"))
    green = check(*arguments, cwd=tmp_path)
    assert (green.code, green.row["status"], green.row["examples"]) == (0, "pass", 1)


def test_the_same_seed_finds_the_same_case(check):
    kernel = ("wrong.py:forgets_the_last_column", "--examples", "10", "--seed", "7")
    assert check(*kernel).row == check(*kernel).row


@pytest.mark.parametrize("target", [("renamed.py",), ("renamed.py:zeros",), ("renamed.py:doubled", "--op", "relu")])
def test_replay_of_a_kernel_that_goes_by_another_name(check, target):
    failed = check(*target, "--examples", "10")
    again = command(*replay_command(failed.out))
    assert again.code == 1, again.err


def test_the_failing_arrays_are_saved(check, tmp_path):
    path = tmp_path / "failure.npz"
    failed = check("wrong.py:forgets_the_last_column", "--examples", "20", "--save", path)
    assert str(path) in failed.err
    with np.load(path) as saved:
        arrays = dict(saved)
    token = failed.row["counterexample"]["replay"]
    assert (str(arrays["op"]), str(arrays["token"]), str(arrays["reason"])) == ("dense", token, failed.row["reason"])
    assert json.loads(str(arrays["options"])) == {}
    for name, values in Case.from_token(token).arrays().items():
        np.testing.assert_array_equal(arrays[name], values)
        assert arrays[name].dtype == np.float32
    expected = np.full_like(arrays["expected_y"], np.nan)
    OPS["dense"].reference(*(arrays[name].astype(np.float64) for name in ("x", "w", "b")), expected)
    np.testing.assert_allclose(arrays["expected_y"], expected, rtol=1e-12)
    assert np.any(np.abs(arrays["got_y"] - arrays["expected_y"]) > arrays["bound_y"])


def test_what_a_kernel_prints_is_seen_in_a_replay(check, tmp_path):
    (tmp_path / "talks.py").write_text("def relu(x, y):\n    print('I see', x.shape)\n    y[...] = 1\n")
    failed = check("talks.py:relu", "--examples", "5", cwd=tmp_path)
    assert "I see" not in failed.out + failed.err
    assert "I see (1,)" in check(*replay_command(failed.out), cwd=tmp_path).err


# From a test suite

SUITE = """
import numpy as np
import pytest
from numba import njit

from workbench.testing import assert_matches_reference


def kernel_above(threshold):
    @njit
    def rectify(x, y):
        for i in range(x.size):
            y.flat[i] = x.flat[i] if not x.flat[i] <= threshold else 0

    return rectify


def test_right():
    assert_matches_reference(kernel_above(0), op="relu", dtype="float32", examples=20)


def test_right_in_plain_python():
    assert_matches_reference(kernel_above(0), op="relu", device="python", dtype="float64", examples=5)


def test_wrong():
    assert_matches_reference(kernel_above(0.25), op="relu", dtype="float32", examples=40)


def test_wrong_again():
    with pytest.raises(AssertionError) as caught:
        assert_matches_reference(kernel_above(0.25), op="relu", dtype="float32", examples=40)
    text = str(caught.value)
    token = text.split("replay=")[1].split("'")[1]
    with pytest.raises(AssertionError) as again:
        assert_matches_reference(kernel_above(0.25), op="relu", replay=token)
    assert str(again.value).splitlines()[0] == text.splitlines()[0]
    assert_matches_reference(kernel_above(0), op="relu", replay=token)


def test_returning():
    assert_matches_reference(lambda x: np.where(x <= 0, x.dtype.type(0), x), op="relu", examples=10)


def test_not_accepted():
    @njit("void(float32[::1], float32[::1])")
    def flat(x, y):
        y[:] = x

    with pytest.raises(AssertionError, match="nothing was checked: its signatures do not take float64"):
        assert_matches_reference(flat, op="relu", dtype="float64", examples=20)
"""


def test_a_users_own_test_suite(tmp_path):
    (tmp_path / "test_mine.py").write_text(SUITE)
    words = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "--color=no", "test_mine.py"]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 5 passed" in done.stdout
    for words in (
        "FAILED test_mine.py::test_wrong - AssertionError: rectify on cpu, float32: y[",
        "must equal the reference",
        "the smallest failing case found, after ",
        "shapes    x (1,)",
        "values    ",
        "bound 0.0",
        "replay    assert_matches_reference(..., replay='",
    ):
        assert words in done.stdout


# Bad input: one line, exit code 2

REFUSED = {
    "unknown operation": (("rellu",), ("'rellu'", "did you mean relu?")),
    "unknown --op": (("refused.py:my_relu", "--op", "rellu"), ("'rellu'", "did you mean relu?")),
    "no such file": (("refuse.py:my_relu", "--op", "relu"), ("refuse.py: no such file", "did you mean refused.py?")),
    "a folder": ((".", "--op", "relu"), (".",)),
    "no such name": (("refused.py:my_rellu", "--op", "relu"), ("has no my_rellu", "did you mean my_relu?")),
    "a number": (("refused.py:LIMIT", "--op", "relu"), ("LIMIT is a int, not a function",)),
    "a class": (("refused.py:Relu", "--op", "relu"), ("Relu is a type, not a function",)),
    "an object": (("refused.py:relu_object", "--op", "relu"), ("relu_object is a Relu, not a function",)),
    "a module": (("refused.py:np", "--op", "relu"), ("np is a module, not a function",)),
    "misspelt parameter": (
        ("refused.py:misspelt", "--op", "conv2d"),
        ("misspelt takes strid, unknown to conv2d", "did you mean stride?"),
    ),
    "strange parameter": (("refused.py:strange", "--op", "relu"), ("strange takes alpha, unknown to relu", "x, y")),
    "input not taken": (("refused.py:without_weights", "--op", "dense"), ("takes no w, an input of dense",)),
    "needed option": (("refused.py:without_kernel_size", "--op", "max_pool2d"), ("takes no kernel_size",)),
    "*args": (("refused.py:any_arguments", "--op", "relu"), ("takes *arguments, which binds to no name",)),
    "own parameter first": (("refused.py:own_first", "--op", "relu"), ("takes alpha before x",)),
    "no launch": (
        ("refused.py:without_launch", "--op", "relu", "--device", "sim"),
        ("CUDA kernel without a launch", '@implements("relu", device="cuda", grid=..., block=...)'),
    ),
    "CUDA kernel that returns": (("refused.py:returning", "--op", "relu"), ("cannot return; add y",)),
    "for the CPU": (("refused.py:my_relu", "--op", "relu", "--device", "sim"), ("not for sim", "--device cpu")),
    "for the GPU": (("gpu.py:launches", "--device", "cpu"), ("not for cpu", "--device cuda or sim")),
    "no GPU": (("gpu.py:shared_tiles", "--device", "cuda"), ("--device cuda", "driver")),
    "no operation given": (("refused.py:my_relu",), ("which operation", "--op OP")),
    "nothing decorated": (("refused.py", "--op", "relu"), ("no kernel is decorated with @implements", "my_relu")),
    "--op without a file": (("relu", "--op", "relu"), ("--op", "FILE.py:NAME")),
    "--accumulate without a file": (("relu", "--accumulate", "float16"), ("--accumulate", "FILE.py:NAME")),
    "bad token": (("wrong.py:raises", "--replay", "abcdef"), ("--replay", "not a token")),
    "--accumulate": (("half.py:dense_half", "--op", "dense", "--accumulate", "float61"), ("did you mean float16?",)),
}


@pytest.fixture
def refused(monkeypatch, capsys, warm_children):
    """Run a command that must be refused and return its message; in this process, unless it needs another device."""

    def run_refused(*arguments, cwd=KERNELS):
        if {"sim", "cuda", "python"} & set(arguments):
            done = command(*arguments, cwd=cwd)
        else:
            monkeypatch.chdir(cwd)
            code = run(["check", *map(str, arguments)])
            done = Checked(code, *capsys.readouterr())
        assert (done.code, done.out) == (2, "")
        assert len(done.err.splitlines()) == 1, done.err
        assert done.err.startswith("workbench")
        return done.err

    monkeypatch.setattr(sys, "path", list(sys.path))
    return run_refused


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_one_line(case, refused):
    arguments, words = REFUSED[case]
    line = refused(*arguments)
    for word in words:
        assert word in line


def test_a_decorator_in_the_wrong_order(tmp_path, refused):
    imports = "from numba import njit\nfrom workbench import implements\n"
    source = f"{imports}\n@njit\n@implements('relu')\ndef f(x):\n    return x\n"
    (tmp_path / "mine.py").write_text(source)
    assert "mine.py: f: @implements stands below its compiler's decorator; put it above" in refused(
        "mine.py", cwd=tmp_path
    )


def test_a_token_of_another_operation(refused):
    token = Case(op="relu", dtype="float32", shapes={"x": (2,)}, options={}, family="normal", seed=1).token
    line = refused("wrong.py:forgets_the_last_column", "--replay", token)
    assert "the token is of relu, not of dense" in line


IMPORTS = {
    "syntax": ("def relu(x:\n    pass\n", ("mine.py:1", "SyntaxError")),
    "exception": ("\nraise RuntimeError('on purpose\\nand more')\n", ("mine.py:2", "RuntimeError: on purpose")),
    "missing module": ("import no_such_module_anywhere\n", ("mine.py:1", "no_such_module_anywhere")),
    "exit": ("import sys\nsys.exit(3)\n", ("mine.py:2", "SystemExit: 3")),
    "bytes": (b"\xff\xfe", ("mine.py", "SyntaxError")),
    "unknown operation": (
        "from workbench import implements\n@implements('reluu')\ndef f(x, y): ...\n",
        ("mine.py", "'reluu'", "did you mean relu?"),
    ),
    "unknown parameter": (
        "from workbench import implements\n@implements('relu')\ndef f(x, yy): ...\n",
        ("mine.py", "f takes yy", "did you mean y?"),
    ),
    "precision": (
        "from workbench import implements\n@implements('relu', accumulate='float61')\ndef f(x, y): ...\n",
        ("mine.py", "'float61'"),
    ),
    "wrong device": (
        "from numba import njit\nfrom workbench import implements\n"
        "@implements('relu', device='cuda')\n@njit\ndef f(x, y): ...\n",
        ("mine.py", "f is compiled for cpu, not for cuda"),
    ),
    "no launch": (
        "from numba import cuda\nfrom workbench import implements\n@implements('relu')\n@cuda.jit\ndef f(x, y): ...\n",
        ("mine.py", "f is a CUDA kernel without a launch"),
    ),
    "a launch that binds to nothing": (
        "from numba import cuda\nfrom workbench import implements\n"
        "@implements('relu', grid=lambda z: z.size, block=1)\n@cuda.jit\ndef f(x, y): ...\n",
        ("mine.py", "grid takes z", "x, y"),
    ),
}


@pytest.mark.parametrize(
    ("source", "words"),
    [pytest.param(*given, id=name) for name, given in IMPORTS.items()],
)
def test_a_file_that_cannot_be_imported(tmp_path, source, words, refused):
    (tmp_path / "mine.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    line = refused("mine.py", "--examples", "3", cwd=tmp_path)
    for word in words:
        assert word in line


def test_a_file_beside_may_have_the_name_of_a_standard_module(check, tmp_path):
    (tmp_path / "queue.py").write_text(
        "from numpy import where\n\n\ndef relu(x):\n    return where(x <= 0, 0 * x, x)\n"
    )
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    done = command("../queue.py:relu", "--examples", "3", "--dtype", "float32", cwd=folder)
    assert done.code == 0, done.err
