"""The file, the kernel and the judge are apart: what a file does when it is imported or called ends neither the command nor
its verdict."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from kernels import Implementation
from workbench.checking import calling, judging
from workbench.checking.buffers import LaidOut
from workbench.checking.calling import failure_of
from workbench.checking.calls import Call, Failure, Returned
from workbench.checking.subject import Subject
from workbench.cli import run
from workbench.sampling import Case
from workbench.system import call_record
from workbench.target import trial

RIGHT = """
import numpy as np
from workbench import implements

{before}

@implements("relu")
def mine(x, y):
    {inside}
    y[...] = np.where(x <= 0, x.dtype.type(0), x)
"""


@pytest.fixture
def command(monkeypatch, capsys, tmp_path, warm_children):
    """Run ``workbench check`` in a folder with this source as mine.py; return exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def invoke(source, *arguments, name="check"):
        (tmp_path / "mine.py").write_text(source)
        code = run([name, "mine.py", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return invoke


def written(before="", inside="pass"):
    return RIGHT.format(before=before, inside=inside)


FEW = ("--examples", "5", "--dtype", "float32", "--device", "cpu")


def test_the_command_does_not_import_the_file(command, tmp_path):
    before = f"import os, pathlib\npathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))"
    code, out, _ = command(written(before), *FEW)
    assert code == 0, out
    assert int((tmp_path / "pid").read_text()) != os.getpid()
    imported = {str(getattr(module, "__file__", None)) for module in list(sys.modules.values())}
    assert str(tmp_path / "mine.py") not in imported


IMPORTS = {
    "exit": ("import os; os._exit(0)", "its import ends the process, exit code 0"),
    "abort": ("import os; os.abort()", "its import crashes the process, with SIGABRT"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "its import crashes the process, with SIGSEGV"),
    "alarm": (
        "import signal, time; signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(20)",
        "its import crashes the process, with SIGALRM",
    ),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "generator": ("raise GeneratorExit('odd')", "cannot be imported: GeneratorExit: odd"),
    "base": ("class Odd(BaseException): pass\nraise Odd('odd')", "cannot be imported: Odd: odd"),
    "no text": ("x = 1\0", "mine.py: cannot be imported: SyntaxError: source code"),
    "unprintable": (
        "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd",
        "its import raises",
    ),
    "loop": ("while True: pass", "its import does not end"),
    "sleep": ("import time; time.sleep(600)", "its import does not end"),
}


@pytest.mark.parametrize("name", ["check", "inspect", "bench"])
@pytest.mark.parametrize("fault", IMPORTS)
def test_an_import_that_fails_is_one_line(command, monkeypatch, fault, name):
    if name != "check" and fault in ("alarm", "sleep", "base", "interrupt", "no text", "segfault"):
        pytest.skip("the same import")
    if fault in ("loop", "sleep"):
        monkeypatch.setattr(trial, "IMPORT_SECONDS", 0.5)
    source, words = IMPORTS[fault]
    code, out, err = command(written(source), name=name)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "before",
    [
        "import os; os.chdir('/')",
        "import sys; sys.argv[:] = []",
        "import json; json.dumps = json.loads = None",
        "import sys; sys.stdout = sys.stderr = None",
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "import builtins; builtins.print = None",
    ],
)
def test_what_a_file_changes_is_its_own(command, before, tmp_path):
    code, out, err = command(written(before), *FEW)
    assert code == 0, out + err
    assert Path.cwd() == tmp_path


def test_a_case_whose_process_is_killed_is_run_again(command, tmp_path):
    mark = str(tmp_path / "mark")
    once = f"import os\n    if not os.path.exists({mark!r}): open({mark!r}, 'w').close(); os.kill(os.getpid(), 9)"
    code, out, err = command(written(inside=once), *FEW)
    assert code == 0, out + err
    assert Path(mark).exists()


def test_an_import_that_is_killed_is_made_again(command, tmp_path):
    mark = str(tmp_path / "mark")
    once = f"import os\nif not os.path.exists({mark!r}): open({mark!r}, 'w').close(); os.kill(os.getpid(), 9)"
    code, out, err = command(written(once), *FEW)
    assert code == 0, out + err
    assert (
        "its import crashes the process, with SIGKILL"
        in command(written("import os; os.kill(os.getpid(), 9)"), *FEW)[2]
    )


def test_a_kernel_that_kills_its_process_fails(command):
    code, out, _ = command(written(inside="import os; os.kill(os.getpid(), 9)"), *FEW)
    assert code == 1
    assert "crashes the process, with SIGKILL, 2 times of 2" in out


def test_a_failure_that_needs_earlier_calls_says_so(command):
    source = written("calls = []", "calls.append(0); x = x if len(calls) < 20 else x + 1")
    code, out, _ = command(source, "--examples", "40", "--dtype", "float32", "--device", "cpu")
    assert code == 1
    assert "only after earlier calls, on " in out
    assert "not in a new process: the kernel keeps state" in out


def test_a_missing_package_is_a_remedy(command):
    code, out, err = command(written(inside="import no_such_package_anywhere"), *FEW)
    assert (code, out) == (2, "")
    assert "mine: needs no_such_package_anywhere, which is not installed" in err
    assert "pip install no_such_package_anywhere" in err


def test_a_package_that_numba_needs_is_named():
    failure = failure_of(ImportError("nosuchpackage 0.16+ is required for linear algebra"))
    assert (failure.kind, "needs nosuchpackage, which is not installed" in failure.reason) == ("package", True)
    assert failure_of(ImportError("cannot import name 'x' from 'numpy'", name="numpy")).kind == "exception"


def test_training_imports_a_file_elsewhere_first(monkeypatch, tmp_path, capsys, warm_children):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(written("import os; os._exit(0)"))
    assert run(["train", "--kernels", "mine.py"]) == 2
    assert "mine.py: its import ends the process, exit code 0" in capsys.readouterr().err


def test_a_built_in_kernel_is_told(command):
    code, out, _ = command(written(inside="import kernels; kernels.relu(x)"), *FEW)
    assert code == 0
    assert "mine: calls the built-in relu_cpu" in out
    code, out, _ = command(written("from kernels.ops.relu.cpu import relu_cpu as own", "own(x.copy(), y)"), *FEW)
    assert "mine: calls the built-in relu_cpu" in out


class Scripted:
    """A caller that answers with these results in turn, as if from another process."""

    has_twin = False

    def __init__(self, *answers):
        self.answers, self.calls = list(answers), []

    def call(self, call):
        self.calls.append(call)
        answer = self.answers.pop(0)
        return answer(call) if callable(answer) else answer

    def read_again(self):
        return self.last


def subject(op="relu"):
    return Subject(
        implementation=Implementation(op=op, device="cpu", algorithm="user", target="f.py:mine"), label="cpu"
    )


CASE = Case(op="relu", dtype="float32", shapes={"x": (3, 4)}, options={}, family="normal", seed=3)


def answered(call):
    """What a right kernel would leave."""
    (x,), (y,) = call.inputs, call.outputs
    return Returned(buffers=(x.image.copy(), y.replaced(np.maximum(x.contents(x.image), 0)).image))


def test_the_judge_needs_only_the_bytes():
    caller = Scripted(answered, answered, answered)
    assert judging.judge(subject(), CASE, caller).fault is None
    assert [call.same_memory for call in caller.calls] == [False, False, True]
    assert all(isinstance(each, LaidOut) for call in caller.calls for each in (*call.inputs, *call.outputs))


def test_the_expected_values_are_not_known_before_the_first_call_returns(monkeypatch):
    known = []
    truth = judging._truth
    monkeypatch.setattr(judging, "_truth", lambda *arguments: known.append(1) or truth(*arguments))

    def call(request):
        assert not known
        return answered(request)

    judging.judge(subject(), CASE, Scripted(call, answered, answered))
    assert known


def test_memory_that_ran_out_is_no_verdict_on_large_arrays():
    failed = Returned(failure=Failure(kind="memory", reason="raises MemoryError"))
    large = Case(op="relu", dtype="float32", shapes={"x": (1 << 20,)}, options={}, family="normal", seed=3)
    verdict = judging.judge(subject(), large, Scripted(failed))
    assert (verdict.fault, "not enough memory" in verdict.lacks) == (None, True)
    assert "MemoryError" in judging.judge(subject(), CASE, Scripted(failed)).fault.reason


def test_memory_that_cannot_be_had_for_the_arrays_is_no_verdict(monkeypatch):
    def none(*_arguments, **_options):
        raise MemoryError("Unable to allocate 4.00 GiB")

    monkeypatch.setattr(calling, "place", none)
    here = calling.Here(
        Subject(implementation=Implementation(op="relu", device="cpu", algorithm="a", target=print), label="cpu")
    )
    large = Case(op="relu", dtype="float32", shapes={"x": (1 << 20,)}, options={}, family="normal", seed=3)
    verdict = judging.judge(subject(), large, here)
    assert (verdict.fault, "Unable to allocate 4.00 GiB" in verdict.lacks) == (None, True)
    monkeypatch.setattr(judging, "lay_out", none)
    assert "not enough memory" in judging.judge(subject(), CASE, here).lacks


def test_calls_carry_all_sizes():
    laid = judging.lay_out("x", np.zeros((2, 3), np.float32), "contiguous", "cpu", np.nan)
    assert Call(inputs=(laid,), outputs=(laid, laid), options=()).sizes == (laid.image.size,) * 3


OWN = """
import os
from math import prod
from kernels.declare.op import Input, Op
from kernels.declare.rounding import Exact
from workbench import implements

def same_reference(x, y):
    while {endless}:
        pass
    y[...] = x

def same_shapes(shapes, options):
    if {leaves}:
        os._exit(0)
    return (shapes["x"],)

SAME = Op(
    name="same", summary="x", inputs=(Input(name="x"),), outputs=("y",), output_shapes=same_shapes,
    flops=lambda shapes, options: prod(shapes["x"]), rounding=Exact(), reference=same_reference,
)

@implements(SAME)
def mine(x, y):
    y[...] = x
"""


@pytest.mark.parametrize(
    ("name", "faults", "words"),
    [
        ("check", {"endless": True, "leaves": False}, "the reference of same (same_reference, line 8) does not end"),
        (
            "check",
            {"endless": False, "leaves": True},
            "the output_shapes of same (same_shapes, line 13) ends the process",
        ),
        ("bench", {"endless": True, "leaves": False}, "the reference of same (same_reference, line 8) does not end"),
    ],
)
def test_a_function_of_an_operation_that_does_not_return_is_named(command, monkeypatch, name, faults, words):
    monkeypatch.setattr(call_record, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(call_record, "COMPILE_SECONDS", 2.0)
    given = ("--case", "x=3x4", "--budget", "0.01") if name == "bench" else FEW
    code, out, err = command(OWN.format(**faults), *given, name=name)
    assert (code, out) == (2, "")
    assert f"workbench: mine.py: {words}" in err.splitlines()[-1]
