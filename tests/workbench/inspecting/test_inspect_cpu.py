"""Inspecting CPU kernels: planted slow-downs are found on their lines, for every processor; good twins have no findings."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from kernels import implementations
from tests.restored_registry import restored_registry
from workbench.cli import run
from workbench.inspecting.cpu.addresses import accesses
from workbench.inspecting.cpu.assembly import parse, split_operands
from workbench.inspecting.cpu.calls import plain_name
from workbench.inspecting.cpu.compiled_code import compile_with_lines
from workbench.inspecting.cpu.cpu_inspection import read_loops
from workbench.inspecting.cpu.debug_lines import Place, with_numbered_columns
from workbench.inspecting.cpu.kernels import InspectedKernel, of_user, own_types, subjects
from workbench.inspecting.cpu.loops import find_loops
from workbench.inspecting.cpu.numba_advice import loose_signature, warned
from workbench.target.decorator import make_kernel
from workbench.target.file import load_file
from workbench.target.resolve import Target

SLOW = Path(__file__).parents[2] / "slow_kernels" / "cpu.py"
SOURCE = SLOW.read_text().splitlines()
NAMES = re.findall(r"^def ((?:slow|good)_\w+)", SLOW.read_text(), flags=re.MULTILINE)

BITS = {"avx2": 256, "baseline": 128}
"""Of the widest registers that code for a processor uses, by what ``--codegen`` says."""

VARIATIONS = (
    "_in_parallel",
    "_in_memory",
    "_literal",
    "ufunc",
    "gather",
    "integer_division",
    "threads",
    "_prange",
    "_with_exit",
    "_of_doubles",
    "_called_function",
)


def is_variation(name):
    """Return whether a kernel varies a slow-down that another one has too."""
    return name.endswith(VARIATIONS)


def inspect(target, left_out=()):
    """Return what is found in the kernels of a target, by name."""
    found = {}
    with restored_registry():
        chosen = list(subjects(Target(text=str(target)), "float32"))
    for subject in chosen:
        if subject.name not in left_out:
            loops, outer = read_loops(compile_with_lines(subject.function, subject.arguments), "float32")
            found[subject.name] = {
                "findings": sorted(
                    {(one.line, one.kind) for loop in loops for one in loop.findings}
                    | {(one.line, one.kind) for one in outer}
                ),
                "bits": max((loop.loop.bits for loop in loops), default=0),
                "loops": len(loops),
            }
    return found


QUICK = ("relu", "relu_backward", "max_pool2d", "softmax_backward")
"""Operations whose kernels compile in some seconds."""


@pytest.fixture(scope="module")
def inspected(request):
    """What is found in every kernel, but in variations only for this machine."""
    for_another = request.config.getoption("codegen") in BITS
    return inspect(SLOW, [name for name in NAMES if for_another and is_variation(name)])


@pytest.fixture(scope="module")
def built_in():
    """What is found in built-in kernels."""
    return {name: found for op in QUICK for name, found in inspect(op).items()}


def planted(name):
    """The lines of a kernel that are marked as slow, each with its kinds."""
    first = next(number for number, line in enumerate(SOURCE, 1) if line.startswith(f"def {name}("))
    found = []
    for number, line in enumerate(SOURCE[first:], first + 1):
        if re.match(r"\S", line):
            break
        found += [(number, kind) for mark in re.findall(r"# slow: (.*)", line) for kind in mark.split()]
    return sorted(found)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_finds_what_is_planted_and_nothing_else(inspected, name):
    if name not in inspected:
        pytest.skip("varies a slow-down that another kernel has too")
    assert inspected[name]["findings"] == planted(name)
    assert bool(planted(name)) == name.startswith("slow_")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("good_")])
def test_the_good_twin_computes_the_same(name):
    kernels = {kernel.name: kernel for kernel in load_file(str(SLOW)).kernels}
    good, slow = kernels[name], kernels[name.replace("good_", "slow_")]
    rng = np.random.default_rng(0)
    sizes = {"N": 6, "K": 7, "M": 12}
    arrays = [
        rng.uniform(0.5, 1, [sizes.get(symbol.upper(), 5) for symbol in item.axes or ("N", "K")]).astype(np.float32)
        for item in good.op.inputs
    ]
    results = []
    for kernel in (good, slow):
        body = getattr(kernel.function, "py_func", None) or kernel.function.__wrapped__
        if body.__code__.co_argcount == len(arrays):
            results.append(np.vectorize(body)(*arrays))
            continue
        shape = good.op.output_shapes(
            {item.name: array.shape for item, array in zip(good.op.inputs, arrays, strict=True)}, {}
        )
        results.append(np.zeros(shape[0], np.float32))
        body(*arrays, results[-1])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)


def test_the_good_twins_are_as_wide_as_the_processor(inspected, request):
    bits = inspected["good_division"]["bits"]
    expected = BITS.get(request.config.getoption("codegen"))
    assert bits >= 128 if expected is None else bits == expected


def test_built_in_kernels_can_be_inspected(built_in):
    there = {each.name for name in QUICK for each in implementations(name) if each.device == "cpu"}
    assert there == built_in.keys()
    assert all(found["loops"] for found in built_in.values())


def test_built_in_kernels_handle_no_objects_and_need_no_bounds(built_in):
    kinds = {kind for found in built_in.values() for _, kind in found["findings"]}
    assert not kinds & {"object", "bounds-check", "zero-check", "float64", "refcount", "allocation"}


KERNEL = """
from numba import njit
from workbench import implements


@implements("dense")
@njit
def mine(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = 0.0
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total + b[m]
"""
LINE = 13


@pytest.fixture
def call(capfd, tmp_path, monkeypatch, warm_children):
    """Run the command in a folder with one kernel; return exit code, standard output and standard error."""
    (tmp_path / "mine.py").write_text(KERNEL)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        code = run(["inspect", *map(str, arguments)])
        out, err = capfd.readouterr()
        return code, out, err

    return invoke


def test_the_report_names_line_cause_and_remedy(call, tmp_path):
    """Names may have any letters."""
    file = tmp_path / "ü" / "küche.py"
    file.parent.mkdir()
    file.write_text(KERNEL.replace("mine", "größe"), encoding="utf-8")
    code, out, err = call("ü/küche.py:größe", "--asm", "--source", "--json", "report.json")
    assert (code, err) == (0, "")
    head, columns, row, *rest = out.splitlines()
    assert head.startswith("dense  größe  float32  on ")
    assert head.endswith("(ü/küche.py)")
    assert columns.split()[:3] == ["loop", "depth", "SIMD"]
    assert row.split()[:4] == ["lines", f"{LINE - 1}-{LINE}", "3", "scalar"]
    sentence = (
        f"line {LINE}: float64: accumulates in float64 because 0.0 (line {LINE - 2}) is a double; write np.float32(0)"
    )
    assert any(sentence in line for line in rest)
    assert any(re.fullmatch(rf" +{LINE} +total \+= x\[n, k\] \* w\[m, k\]", line) for line in rest)
    assert any("addsd" in line for line in rest)
    assert f"    ; line {LINE}" in rest
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["schema"] == 1
    (report,) = document["reports"]
    kernel = {"device": "cpu", "op": "dense", "implementation": "größe", "dtype": "float32"}
    assert kernel.items() <= report.items()
    assert {(one["kind"], one["line"]) for one in report["findings"]} == {("float64", LINE), ("reduction", LINE)}
    (loop,) = report["loops"]
    assert loop["simd_bits"] == 0
    assert loop["scalar_float_instructions"] == loop["float_instructions"] > 0
    assert {each["line"] for each in loop["assembly"]} >= {LINE}
    assert report["notes"] == []  # so the code is the same as without line tables


def test_float64_arrays_may_be_added_up_in_float64(call):
    _, out, _ = call("mine.py", "--dtype", "float64", "--json", "-")
    (report,) = json.loads(out)["reports"]
    assert {one["kind"] for one in report["findings"]} == {"reduction"}


def test_parallel_loops_are_told(call, tmp_path):
    (tmp_path / "wide.py").write_text(
        "from numba import njit, prange\n\n\n@njit(parallel=True)\ndef relu(x, y):\n"
        "    source, target = x.reshape(x.size), y.reshape(x.size)\n    for i in prange(x.size):\n"
        "        for _ in prange(1):\n            target[i] = max(source[i], 0)\n"
    )
    code, out, _ = call("wide.py:relu")
    assert code == 0
    assert "relu: the prange on line 7 is parallel" in out
    assert "relu: the prange on line 8 stays serial, inside the prange on line 7" in out


DOTS = """
import numpy as np
from numba import njit
from workbench import implements


@implements("dense")
@njit
def copying(x, w, b):
    backwards = x[:, ::-1]
    return backwards @ w[:, ::-1].T + b  # slow: copy


@implements("dense")
@njit
def ordered(x, w, b):
    return np.dot(x, w.T) + b


@implements("dense")
@njit(parallel=True)
def put_in_place_of_dot(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            y[n, m] = np.dot(x[n], w[m]) + b[m]  # slow: allocation float64 reduction threads
"""


def test_matrix_products_copy_what_is_not_contiguous(tmp_path):
    pytest.importorskip("scipy", reason="Numba's matrix products need SciPy's BLAS")
    file = tmp_path / "dots.py"
    file.write_text(DOTS)
    found = {name: each["findings"] for name, each in inspect(file).items()}
    assert found["copying"] == [(11, "copy")]
    assert found["ordered"] == []
    marked = next(line for line in DOTS.splitlines() if line.endswith("threads")).partition("# slow: ")[2].split()
    assert found["put_in_place_of_dot"] == [(25, kind) for kind in marked]


def test_a_warning_of_numba_is_a_finding_with_its_place():
    texts = [
        'This takes\nlong.\n\nFile "mine.py", line 7:\ndef f(x):\n    ^\n',
        "'@' is faster on contiguous arrays, called on (array(float32, 1d, A), array(float32, 1d, C))",
        'no transformation for parallel execution was possible.\n\nFile "mine.py", line 3:\n',
    ]
    other, nothing = warned(texts)
    assert (other.kind, other.line, other.what) == ("numba-warning", 7, "This takes long.")
    assert (nothing.kind, nothing.file, nothing.line) == ("not-parallel", "mine.py", 3)
    left = 'due to there being more than one entry to or exit from the loop\n\nFile "mine.py", line 4:\n'
    assert [each.line for each in warned([left, texts[2]])] == [4]  # the second follows from it


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("expf", "expf"),
        ("_ZN4mine6helperB2v1B4abc5ArrayIfE", "helper"),
        ("_ZN5numba2np8arrayobj19impl_np_concatenate12_3clocals_3e4implB3v12", "impl_np_concatenate"),
    ],
)
def test_called_functions_have_their_python_names(symbol, name):
    assert plain_name(symbol) == name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dens",), "unknown operation 'dens'; did you mean dense?"),
        (("none.py",), "none.py: no such file"),
        (("mine.py:your",), "mine.py: has no your; it has mine"),
        (("mine.py", "--cc", "80"), "--cc: is for CUDA kernels"),
        (("relu", "--op", "relu"), "--op: is for a kernel of yours"),
        (
            ("bad.py:relu",),
            "relu: does not compile: Unknown attribute 'nothing' of type array( ... "
            "(bad.py:6); see workbench check bad.py:relu",
        ),
        (("plain.py:relu",), "relu: is plain Python"),
        (("gpu.py:relu", "--device", "cpu"), "gpu.py:relu: has no kernel for cpu"),
        ((), "Missing argument"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(call, tmp_path, arguments, words):
    head = "from numba import cuda, njit\nfrom workbench import implements\n\n"
    (tmp_path / "bad.py").write_text(head + "@njit\ndef relu(x, y):\n    y[0] = x.nothing\n")
    (tmp_path / "plain.py").write_text("def relu(x, y):\n    y[...] = x\n")
    (tmp_path / "gpu.py").write_text(
        head + "@implements('relu', grid=1, block=1)\n@cuda.jit\ndef relu(x, y):\n    y[0] = x[0]\n"
    )
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert all(part in err for part in words.split(" ... "))


def test_of_a_file_what_cannot_be_read_is_left_out(call, tmp_path):
    (tmp_path / "mixed.py").write_text(
        "import numpy as np\nfrom numba import njit\nfrom workbench import implements\n\n"
        "@implements('relu')\ndef plain(x):\n    return np.maximum(x, 0)\n\n"
        "@implements('relu')\n@njit\ndef compiled(x, y):\n    for i in range(x.size):\n        y.flat[i] = x.flat[i]\n"
    )
    code, out, err = call("mixed.py")
    assert (code, err) == (0, "")
    assert out.startswith("relu  compiled  float32")
    assert out.endswith("\n\nplain: is plain Python and is not compiled; decorate it with @njit\n")


def test_operands_are_split_outside_of_parentheses_and_quotes():
    assert split_operands("(%rax,%rcx,4), %xmm0, %xmm1 {%k1}") == ("(%rax,%rcx,4)", "%xmm0", "%xmm1 {%k1}")
    assert split_operands('$".const.a, (b", %rsi') == ('$".const.a, (b"', "%rsi")


NESTED = """
	.type	f,@function
f:
	xorl	%eax, %eax
.LBB0_1:
	xorl	%ecx, %ecx
.LBB0_2:
	.loc	1 7 5
	vmovss	(%rsi,%rcx,4), %xmm0
	vmovss	%xmm0, (%rdi,%rdx)
	addq	%r8, %rdx
	incq	%rcx
	cmpq	%r9, %rcx
	jne	.LBB0_2
	incq	%rax
	cmpq	%r10, %rax
	jne	.LBB0_1
	retq
	.size	f, .-f
"""


def test_loops_are_found_nested_with_their_strides():
    (function,) = parse(NESTED, {5: (Place("a.py", 7),)})
    outer, inner = sorted(find_loops(function), key=lambda loop: loop.depth)
    assert (outer.depth, inner.depth, outer.height) == (1, 2, 2)
    assert inner.outer is outer
    load, store = accesses(inner)
    assert (load.change.step, load.change.runtime, load.store, load.width) == (4, False, False, 4)
    assert (store.change.runtime, store.store) == (True, True)
    assert load.instruction.chain == (Place("a.py", 7),)


def test_what_is_inlined_into_a_wrapper_keeps_its_lines():
    ir = (
        "define void @wrapper() {\n  ret void, !dbg !4\n}\n\n"
        '!1 = !DIFile(filename: "a.py", directory: "/b")\n'
        '!2 = distinct !DISubprogram(name: "f", linkageName: "g", scope: !1, file: !1, line: 1, unit: !0)\n'
        '!3 = distinct !DISubprogram(name: "h", scope: !1, file: !1, line: 9, unit: !0)\n'
        "!4 = !DILocation(line: 9, column: 1, scope: !3, inlinedAt: !5)\n"
        "!5 = distinct !DILocation(line: 3, column: 1, scope: !2)\n"
    )
    numbered, chains = with_numbered_columns(ir)
    number = int(re.search(r"ret void, !dbg !(\d+)", numbered)[1])
    assert chains[number] == (Place("/b/a.py", 9), Place("/b/a.py", 3))
    assert re.search(r"^define void @wrapper\(\) !dbg !\d+ \{", numbered)


@pytest.fixture(scope="module")
def signed():
    """A kernel with explicit signatures."""

    @njit(["void(float64[:, :], float64[:, ::1])", "void(float32[:, ::1], float32[:, ::1])"])
    def signed(x, y):
        y[0, 0] = x[0, 0]

    return signed


@pytest.mark.parametrize(
    ("dtype", "chosen"), [(np.float64, 0), (np.float32, 1), pytest.param(np.int8, 0, id="none of them")]
)
def test_a_kernel_is_compiled_for_its_own_signature(signed, dtype, chosen):
    arrays = (np.zeros((2, 2), dtype), np.zeros((2, 2), dtype))
    assert own_types(signed, arrays) == signed.nopython_signatures[chosen].args
    assert own_types(njit(signed.py_func), arrays) is None


def test_a_signature_that_leaves_the_layout_open_is_found(signed):
    found = [
        list(loose_signature(InspectedKernel("", "", "signed", signed, "float64", (), each.args)))
        for each in signed.nopython_signatures
    ]
    assert found[1] == []
    assert found[0][0].kind == "layout"
    assert "takes x in any layout, float64[:, :]:" in found[0][0].what
    assert "float64[:, ::1]" in found[0][0].remedy


def test_a_kernel_is_inspected_in_a_precision_and_a_call_that_it_is_for(signed):
    def wide(x, y):
        y[...] = x

    kernel = make_kernel(wide, "max_pool2d", device=None, dtypes="float64", when={"kernel_size": 1, "C": 3})
    inspected = of_user(kernel, "", "float32")
    assert isinstance(inspected, InspectedKernel)
    assert inspected.dtype == "float64"
    assert {array.dtype for array in inspected.arguments} == {np.dtype(np.float64)}
    assert inspected.arguments[0].shape[1] == 3
    eager = of_user(make_kernel(signed, "relu", device=None), "", "float32")
    assert isinstance(eager, InspectedKernel)
    assert eager.types == signed.nopython_signatures[1].args
