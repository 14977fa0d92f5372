"""CUDA kernels inspected without a GPU.

The rest of this suite runs in Numba's simulator, which has no compiler, so what compiles does so in a process of its own.
Tested with libNVVM 13.0.88, ptxas 13.0.88 and nvdisasm 13.5.37.
"""

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from kernels.installation import install_command
from workbench.inspecting.cuda import sass
from workbench.inspecting.cuda.loops import find_loops, hottest
from workbench.inspecting.cuda.occupancy import occupancy
from workbench.inspecting.cuda.resources import read_resources
from workbench.system.compute_capability import LIMITS, parse_cc
from workbench.system.errors import InputError

SLOW = Path(__file__).parents[2] / "slow_kernels" / "gpu.py"

TWINS = {
    "double_sum": "single_sum",
    "long_index": "short_index",
    "spilling_tile": "fitting_tile",
    "indexed_locally": "indexed_by_constants",
    "divided_each": "divided_once",
    "found_by_division": "found_by_counting",
    "strided_threads": "neighbouring_threads",
    "strided_square": "neighbouring_square",
    "strided_flat": "neighbouring_flat",
    "strided_rows": "neighbouring_rows",
    "conflicting_threads": "padded_threads",
    "conflicting_product": "padded_product",
}
"""Slow kernels and their good twins."""

IN_PTX = ("strided_", "conflicting_")
"""The beginnings of the names of slow kernels that are found in PTX, which hardly depends on the compute capability."""

CASES = [(name, cc) for name in TWINS for cc in ("8.0", "9.0") if cc == "9.0" or not name.startswith(IN_PTX)]

ANSWERS = """
import json, sys
from workbench.system.errors import InputError
from workbench.inspecting.cuda import inspect_kernels
from workbench.inspecting.cuda.cuda_report import render_all
from workbench.target.resolve import Target

for line in sys.stdin:
    targets, op, dtype, ccs = json.loads(line)
    try:
        named = [Target(text=target, op=op) for target in targets]
        reports = inspect_kernels(named, dtype, [tuple(cc) for cc in ccs])
        answer = {"reports": [each.to_json() for each in reports], "text": render_all(reports, True, True)}
    except InputError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
"""
"""Inspects what each line of standard input names, and answers with a line."""


def start(**environment):
    """Start a process that inspects kernels."""
    return subprocess.Popen(
        [sys.executable, "-c", ANSWERS],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "0"} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(process, *targets, op=None, dtype="float32", ccs=((9, 0),)):
    """What an inspection in the process gives: reports and text, or an error."""
    print(json.dumps([targets, op, dtype, ccs]), file=process.stdin, flush=True)
    return json.loads(process.stdout.readline())


@pytest.fixture(scope="session")
def inspect():
    """Inspects kernels in a process that has imported everything; skips where NVIDIA's compiler tools are not installed."""
    with start() as process:
        if reason := ask(process).get("error"):
            pytest.skip(reason)
        yield partial(ask, process)


@pytest.fixture(scope="session")
def planted(inspect):
    """The reports of the slow kernels and their twins, by the name of what launches them and the compute capability."""
    found = inspect(str(SLOW))["reports"]
    names = [name for slow, cc in CASES if cc == "8.0" for name in (slow, TWINS[slow])]
    found += inspect(*(f"{SLOW}:{name}" for name in names), ccs=((8, 0),))["reports"]
    return {(each["implementation"], each["compute_capability"]): each for each in found}


@pytest.fixture(scope="session")
def relu(inspect):
    """The inspection of the built-in relu."""
    return inspect("relu", ccs=((8, 0), (12, 0)))


def marks(first):
    """The marked lines of the kernel with this first line, and of the device functions that it calls, with their kinds."""
    lines = SLOW.read_text().splitlines()
    functions, name = {}, ""
    for number, line in enumerate(lines, 1):
        if found := re.match(r"(?:def (\w+)\()?\S", line):
            name = found[1] or ""
        functions.setdefault(name, []).append((number, line))
    kernel = next(
        body for body in functions.values() if any(number >= first for number, _ in body) and body[0][0] >= first
    )
    called = {name for name in functions if name and any(f" {name}(" in line for _, line in kernel)}
    found = [*kernel, *(each for name in called for each in functions[name])]
    return sorted({(number, line.partition("# slow: ")[2]) for number, line in found if "# slow: " in line})


@pytest.mark.long
@pytest.mark.parametrize(("name", "cc"), CASES)
def test_planted_slow_downs_are_found_on_their_lines_and_nothing_else(planted, name, cc):
    report = planted[name, cc]
    expected = marks(report["line"])
    assert expected
    assert [(each["line"], each["kind"]) for each in report["findings"]] == expected
    for finding in report["findings"]:
        assert finding["file"] == str(SLOW)
        assert finding["what"]
        assert finding["remedy"]


@pytest.mark.parametrize(("name", "cc"), CASES)
def test_nothing_is_found_in_the_good_twin(planted, name, cc):
    assert planted[TWINS[name], cc]["findings"] == []


def test_every_slow_kernel_of_the_file_is_among_the_twins(planted):
    assert {name for name, _ in planted} == {*TWINS, *TWINS.values()}


@pytest.mark.parametrize("cc", ["8.0", "9.0"])
def test_the_options_of_cuda_jit_are_respected(planted, cc):
    spilling, fitting = planted["spilling_tile", cc]["resources"], planted["fitting_tile", cc]["resources"]
    assert spilling["registers"] == 48
    assert spilling["spill_store_bytes"] > 0
    assert fitting["registers"] > 64
    assert fitting["spill_store_bytes"] == fitting["local_bytes"] == 0


def test_host_code_shows_how_its_kernel_is_launched(planted):
    report = planted["strided_threads", "9.0"]
    assert report["kernel"] == "down_columns"
    assert report["launch"]["block"] == [32, 4, 1]
    assert report["launch"]["types"] == ["array(float32, 2d, C)"] * 2


def test_float64_is_found_in_float32_kernels_alone(inspect):
    (report,) = inspect(f"{SLOW}:double_sum", dtype="float64")["reports"]
    assert report["instructions"]["classes"]["float64"] > 0
    assert report["findings"] == []


@pytest.mark.parametrize("cc", ["8.0", "12.0"])
def test_a_report_tells_registers_occupancy_and_what_the_code_consists_of(relu, cc):
    (report,) = (each for each in relu["reports"] if each["compute_capability"] == cc)
    assert report["kernel"] == "_forward_fours"
    assert report["launch"]["block"] == [128, 1, 1]
    assert 8 <= report["resources"]["registers"] <= 64
    assert 0 < report["occupancy"]["share"] <= 1
    assert report["driver"] is None or report["driver"]["registers"] > 0
    assert sum(report["instructions"]["classes"].values()) == report["instructions"]["total"]
    assert sum(report["instructions"]["opcodes"].values()) == report["instructions"]["total"]
    assert set(report["instructions"]["access_bits"]["global load"]) == {"128"}
    assert sum(loop["hottest"] for loop in report["loops"]) == 1
    assert f".target sm_{cc.replace('.', '')}" in report["ptx"]
    assert "LDG" in report["sass"]


def test_the_text_has_a_table_over_compute_capabilities_the_loop_and_the_source(relu):
    text = relu["text"]
    assert re.search(r"compute capability +8\.0 +12\.0", text)
    assert re.search(r"registers per thread +\d+ +\d+\n", text)
    assert "nothing found" in text
    assert "the innermost loop of _forward_fours on 8.0" in text
    assert re.search(r"\d+ +\d+ +\d+ +store\(y, i, values\)", text)


WIDTHS = [(8, 32), (12, 10), (16, 16), (20, 8), (24, 16), (31, 4), (48, 2), (256, 1)]

BLOCKS = f"""
from numba import cuda
from workbench import implements

@cuda.jit
def along_rows(x, y):
    j, i = cuda.grid(2)
    if i < x.shape[0] and j < x.shape[1]:
        y[i, j] = max(x[i, j], x.dtype.type(0))

@cuda.jit
def down_columns(x, y):
    i, j = cuda.grid(2)
    if i < x.shape[0] and j < x.shape[1]:
        y[i, j] = max(x[i, j], x.dtype.type(0))

@implements("relu")
def every_width(x, y):
    table, result = (each.reshape(each.shape[0], each.size // each.shape[0]) for each in (x, y))
    for block in {WIDTHS}:
        along_rows[1, block](table, result)
        down_columns[1, block](table, result)
    along_rows[1, (2, 64)](table, result)
    down_columns[1, (4, 8)](table, result)
"""


def test_neighbouring_threads_are_those_of_a_warp_whatever_the_width_of_the_block(inspect, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(BLOCKS)
    reports = inspect(str(file))["reports"]
    found = {(each["kernel"], tuple(each["launch"]["block"][:2])): each["findings"] for each in reports}
    narrow = found.pop(("along_rows", (2, 64)))
    assert [(each["kind"], "make the block 32 threads wide" in each["remedy"]) for each in narrow] == [
        ("strided", True)
    ]
    assert found.pop(("down_columns", (4, 8))) == []  # 4 x 8 floats: as many pieces of 32 bytes in either direction
    for (kernel, block), findings in found.items():
        expected = [("strided", 15)] if kernel == "down_columns" else []
        assert [(each["kind"], each["line"]) for each in findings] == expected, block
    assert len(found) == 2 * len(WIDTHS)
    square = found["down_columns", (16, 16)][0]["what"]
    assert "a warp touches 16 pieces of 32 bytes where its values would fit into 4" in square


USER = """
from numba import cuda, float32
from workbench import implements

@cuda.jit(device=True)
def double(value):
    return value * 0.1 + 0.7

@cuda.jit("void(float32[::1], float32[::1])")
def eager(x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = double(x[i])

@cuda.jit(launch_bounds=(64, 2))
def lazy(x, y):
    i = cuda.grid(1)
    scratch = cuda.shared.array(0, float32)
    if i < x.size:
        scratch[cuda.threadIdx.x] = x[i]
        y[i] = scratch[cuda.threadIdx.x]

@implements("relu")
def several(x, y):
    flat = cuda.device_array(x.size, x.dtype)
    stream = cuda.stream()
    eager[-(-x.size // 64), 64, stream](x.reshape(x.size), flat)
    lazy[-(-x.size // 64), 64, stream, 256](flat, y.reshape(y.size))
    lazy.forall(x.size)(flat, y.reshape(y.size))
    stream.synchronize()
"""


def test_explicit_signatures_device_functions_streams_and_forall(inspect, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(USER)
    reports = inspect(str(file))["reports"]
    assert [each["kernel"] for each in reports] == ["eager", "lazy", "lazy"]
    eager, lazy, for_all = reports
    assert [(each["kind"], each["line"]) for each in eager["findings"]] == [("float64", 7)]  # in the device function
    assert lazy["launch"]["dynamic_shared_bytes"] == 256
    assert lazy["occupancy"]["blocks"] > 0
    assert for_all["launch"]["block"] is None
    assert for_all["occupancy"] is None


RESTRICTED = """
from numba import cuda
from workbench import implements

@implements("softmax", when={"K": 7}, dtypes="float32", grid=lambda x: x.shape[0], block=32)
@cuda.jit
def of_seven(x, y):
    if cuda.threadIdx.x < 7:
        y[cuda.blockIdx.x, cuda.threadIdx.x] = x[cuda.blockIdx.x, cuda.threadIdx.x]
"""


def test_a_kernel_for_some_calls_is_launched_with_one_of_them(inspect, tmp_path):
    file = tmp_path / "restricted.py"
    file.write_text(RESTRICTED)
    assert "x 64x7" in inspect(str(file))["text"]
    assert inspect(str(file), dtype="float64")["error"].endswith("for float32 only, as it declares; --dtype float32")


def test_names_may_have_any_letters(inspect, tmp_path):
    file = tmp_path / "ü" / "küche.py"
    file.parent.mkdir()
    file.write_text(USER.replace("lazy", "größer"), encoding="utf-8")
    found = inspect(str(file))
    eager, larger, _ = found["reports"]
    assert [(each["file"], each["line"]) for each in eager["findings"]] == [(str(file), 7)]
    assert (larger["kernel"], larger["file"]) == ("größer", str(file))
    assert re.search(r"\d+ +\d+ +scratch\[cuda.threadIdx.x\] = x\[i\]", found["text"])
    assert "größer" in larger["sass"]
    assert str(file) in larger["sass"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def relu(x, y):\n    pass\n", ["launches no CUDA kernel"]),
        (
            "@cuda.jit\ndef k(x, y):\n    y[0] = x.nothing\n\ndef relu(x, y):\n    k[1, 32](x, y)\n",
            ["cannot compile k: Unknown attribute 'nothing' of type array(", "(mine.py:6)"],
        ),
        (  # not an error of Numba's kind
            "@cuda.jit\ndef k(x, y):\n    return 1\n\ndef relu(x, y):\n    k[1, 32](x, y)\n",
            ["cannot compile k: ", "CUDA kernel must have void return type"],
        ),
    ],
)
def test_what_cannot_be_inspected_is_one_line(inspect, tmp_path, body, words):
    file = tmp_path / "mine.py"
    file.write_text(
        "from numba import cuda\nfrom workbench import implements\n\n"
        + body.replace("def relu", '@implements("relu", device="cuda")\ndef relu')
    )
    error = inspect(str(file))["error"]
    assert len(error.splitlines()) == 1
    for word in words:
        assert word in error


def test_the_simulator_has_no_compiler():
    with start(NUMBA_ENABLE_CUDASIM="1") as process:
        assert "unset it" in ask(process, "relu")["error"]


def test_missing_tools_are_named_with_their_remedy(run_python):
    code = (
        "from cuda import pathfinder\n"
        "pathfinder.find_nvidia_binary_utility = lambda name: None\n"
        "from workbench.inspecting.cuda import inspect_kernels\n"
        "from workbench.system.errors import InputError\n"
        "try:\n    inspect_kernels([])\nexcept InputError as error:\n    print(error)"
    )
    pytest.importorskip("cuda.pathfinder", reason="without numba-cuda there is no pathfinder to look for tools")
    said = run_python(code, NUMBA_ENABLE_CUDASIM="0")
    assert "ptxas (nvidia-cuda-nvcc)" in said
    assert "nvdisasm (nvidia-cuda-nvdisasm)" in said
    assert install_command(extra="ptx") in said


@pytest.mark.parametrize(
    ("cc", "threads", "registers", "shared_bytes", "blocks", "limiters"),
    [
        # 256 threads are 8 warps; 64 registers x 32 = 2,048 a warp; 16,384 of a scheduler's part hold 8 warps, 4 parts 32:
        # 4 blocks
        ((8, 0), 256, 64, 0, 4, ("registers",)),
        # 33 registers x 32 = 1,056, in units of 256 1,280 a warp: 12 warps a part, 48 in all, 6 blocks of 8
        ((8, 0), 256, 33, 0, 6, ("registers",)),
        # 2,048 threads / 256
        ((8, 0), 256, 32, 0, 8, ("registers", "warps")),
        # a warp each: 32 blocks at most, 24 on 8.9, 16 on 7.5 and 8.6
        ((9, 0), 32, 16, 0, 32, ("blocks",)),
        ((8, 9), 32, 16, 0, 24, ("blocks",)),
        ((8, 6), 32, 16, 0, 16, ("blocks",)),
        ((7, 5), 32, 16, 0, 16, ("blocks",)),
        # 48 KiB and the system's 1 KiB: 228 / 49 on 9.0, 100 / 49 on 8.6; without that 1 KiB 64 / 48 on 7.5
        ((9, 0), 128, 32, 48 * 1024, 4, ("shared memory",)),
        ((8, 6), 128, 32, 48 * 1024, 2, ("shared memory",)),
        ((7, 5), 128, 32, 48 * 1024, 1, ("shared memory",)),
        # more than a block may ask for
        ((8, 9), 128, 32, 100 * 1024, 0, ("shared memory",)),
        # 1,024 threads of 80 registers: 32 warps of 2,560 are more than the 65,536 there are
        ((12, 0), 1024, 80, 0, 0, ("registers",)),
        # 1,536 threads / 1,024
        ((12, 0), 1024, 32, 0, 1, ("warps",)),
    ],
)
def test_occupancy_is_that_of_the_cuda_toolkit(cc, threads, registers, shared_bytes, blocks, limiters):
    """Worked out by the rules of cuda_occupancy.h (CUDA 13.0) and the programming guide's table of compute capabilities."""
    found = occupancy(LIMITS[cc], threads=threads, registers=registers, shared_bytes=shared_bytes)
    assert (found.blocks, found.limiters) == (blocks, limiters)
    assert found.share == found.warps / LIMITS[cc].warps


def test_ptxas_messages_are_read():
    messages = """ptxas info    : Compiling entry function 'other' for 'sm_80'
ptxas info    : Function properties for other
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers, 360 bytes cmem[0]
ptxas info    : Function properties for kernel
    16 bytes stack frame, 12 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 4096 bytes smem, 512 bytes cmem[0], 8 bytes cmem[2]
"""
    found = read_resources(messages, "kernel")
    assert found.to_json() == {
        "registers": 40,
        "barriers": 1,
        "local_bytes": 16,
        "spill_store_bytes": 12,
        "spill_load_bytes": 20,
        "shared_bytes": 4096,
        "constant_bytes": 520,
    }


LISTING = """
kernel:
.text.kernel:
	//## File "/mine.py", line 3
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_2:
	//## File "/helper.py", line 9 inlined at "/mine.py", line 4
        /*0010*/                   LDG.E.64 R4, [R2.64] ;
.L_x_1:
        /*0020*/                   FFMA R6, R4, R5.reuse, R6 ;
        /*0030*/               @P0 BRA `(.L_x_1) ;
	//## File "/mine.py", line 5
        /*0038*/              @!P1 CALL.REL.NOINC `(.L_x_4) ;
        /*0040*/                   BRA `(.L_x_2) ;
.L_x_4:
        /*0050*/                   EXIT ;
.L_x_3:
        /*0060*/                   BRA `(.L_x_3);
"""


def test_loops_nest_and_the_padding_is_none():
    code, subroutines = sass.parse(LISTING, "kernel")
    outer, inner = find_loops(code)
    assert subroutines == ()
    assert [each.address for each in outer.instructions] == [0x10, 0x20, 0x30, 0x38, 0x40]
    assert [each.address for each in inner.instructions] == [0x20, 0x30]
    assert (outer.depth, outer.innermost, inner.depth, inner.innermost) == (1, False, 2, True)
    assert hottest((outer, inner)) is inner


def test_instructions_know_their_lines_and_registers():
    code, _ = sass.parse(LISTING, "kernel")
    load, multiply = code.instructions[1:3]
    assert load.stack == (("/helper.py", 9), ("/mine.py", 4))
    assert sass.registers_written(load) == {"R4", "R5"}
    assert multiply.text == "FFMA R6, R4, R5, R6"
    assert sass.registers_written(multiply) == {"R6"}


@pytest.mark.parametrize(("text", "cc"), [("80", (8, 0)), ("9.0", (9, 0)), ("100", (10, 0)), ("sm_120", (12, 0))])
def test_compute_capabilities_are_read(text, cc):
    assert parse_cc(text) == cc


@pytest.mark.parametrize("text", ["", "8", "81", "ninety", "-90"])
def test_an_unknown_compute_capability_is_refused(text):
    with pytest.raises(InputError, match="must be one of 75, 80"):
        parse_cc(text)
