"""Files, kernels and options that ``workbench check`` refuses: one line, exit code 2."""

import sys

import pytest

from tests.workbench.target.user import KERNELS, Checked, environment
from workbench.cli import run
from workbench.sampling import Case

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
        ("CUDA kernel without a launch", '@implements("relu", grid=lambda y: -(-y.size // 128), block=128)'),
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
def refused(monkeypatch, capsys, warm_children, warm_workbench):
    """Run a command that must be refused and return its message; in this process, unless it needs another device."""

    def run_refused(*arguments, cwd=KERNELS):
        words = ["check", *map(str, arguments)]
        if {"sim", "cuda", "python"} & set(arguments):
            warm = warm_workbench(words, cwd, environment())
            done = Checked(warm.returncode, warm.stdout, warm.stderr)
        else:
            monkeypatch.chdir(cwd)
            done = Checked(run(words), *capsys.readouterr())
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
    "syntax": ("def relu(x)\n    pass\n", ("workbench: mine.py:1: cannot be imported: SyntaxError: expected ':'\n",)),
    "exception": ("\nraise RuntimeError('on purpose\\nand more')\n", ("mine.py:2", "RuntimeError: on purpose")),
    "missing module": ("import no_such_module_anywhere\n", ("mine.py:1", "no_such_module_anywhere")),
    "exit": ("import sys\nsys.exit(3)\n", ("mine.py:2", "SystemExit: 3")),
    "bytes": (b"\xff\xfe", ("mine.py", "SyntaxError")),
    "another encoding in a comment": (
        "x = 1\ny = 2\n# gr\xfc\xdfe\n".encode("latin-1"),
        ("mine.py: line 3 is not in utf-8 (byte 0xfc)", "save the file as UTF-8"),
    ),
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
