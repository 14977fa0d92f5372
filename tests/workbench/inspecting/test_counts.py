"""``workbench inspect --device sim``: what makes a CUDA kernel slow, by what its warps do."""

import json
import re
from pathlib import Path

import pytest

from workbench.cli import run

SLOW = Path(__file__).parents[2] / "slow_kernels" / "counted.py"
SOURCE = SLOW.read_text().splitlines()
NAMES = re.findall(r"^def ((?:slow|good)_\w+)", SLOW.read_text(), flags=re.MULTILINE)


COMPILING = re.compile(r"compiling for this machine|compiled .* in \d+\.\d s")


@pytest.fixture
def inspect(capfd, warm_children):
    """Run the command; return exit code, standard output and standard error, without what it says of compilations."""

    def invoke(*arguments):
        code = run(["inspect", *map(str, arguments), "--device", "sim"])
        out, err = capfd.readouterr()
        return (
            code,
            out,
            "".join(line for line in err.splitlines(keepends=True) if not COMPILING.fullmatch(line.strip())),
        )

    return invoke


def planted(name):
    """The lines and kinds that the comments of a kernel name."""
    first = next(number for number, line in enumerate(SOURCE) if line.startswith(f"def {name}("))
    found = set()
    for number, line in enumerate(SOURCE[first:], first + 1):
        if number > first + 1 and re.match(r"\S", line):
            break
        found |= {(number, kind) for kind in re.findall(r"# slow: (\S+)", line)}
    return found


def test_finds_what_is_planted_and_nothing_else(inspect, tmp_path):
    target = tmp_path / "counters.json"
    code, out, err = inspect(SLOW, "--case", "x=32x1024", "--json", target)
    assert (code, err) == (0, "")
    document = json.loads(target.read_text())
    found = {
        each["implementation"]: {
            (one["line"], one["kind"]) for launch in each["launches"] for one in launch["findings"]
        }
        for each in document["counters"]
    }
    # an idle-threads finding is on the first line of the kernel, which is its decorator's or its own
    assert {name: {kind for _, kind in lines} for name, lines in found.items()} == {
        name: {kind for _, kind in planted(name)} for name in NAMES
    }
    for name, lines in found.items():
        assert {each for each in lines if each[1] != "idle-threads"} == {
            each for each in planted(name) if each[1] != "idle-threads"
        }
    assert "fix: " in out
    assert "nothing found" in out


def test_the_table_names_arrays_and_counts(inspect):
    code, out, _ = inspect(f"{SLOW}:slow_by_stride", "--case", "x=4x1024")
    assert code == 0
    rows = [line.split() for line in out.splitlines() if " load " in line or " store " in line]
    assert [row[1:] for row in rows] == [
        ["load", "x,", "4", "B", "20", "32", "32", "4", "12%"],
        ["store", "y,", "4", "B", "20", "32", "32", "4", "12%"],
    ]


PRODUCT = """
from numba import cuda, float32
from workbench import implements


@implements("dense", grid=lambda y: (-(-y.shape[1] // 32), y.shape[0]), block=32)
@cuda.jit
def product(x, w, b, y):
    k, n = cuda.grid(2)
    if k < y.shape[1]:
        total = float32(0)
        for i in range(x.shape[1]):
            total += x[n, i] * w[k, i]
        y[n, k] = total + b[k]
"""


@pytest.mark.parametrize("terms", [1, 3, 64, 250])
@pytest.mark.parametrize("cc", ["80", "90"])
def test_instructions_are_counted_in_loops_that_the_compiler_unrolls(terms, cc, inspect, tmp_path):
    """Every term takes two loads and one FFMA, whatever the loop around it; the sum with the bias an FADD."""
    (tmp_path / "product.py").write_text(PRODUCT)
    target = tmp_path / "counters.json"
    words = ("--case", f"x=4x{terms} w=64x{terms}", "--cc", cc, "--json", target)
    code, out, err = inspect(tmp_path / "product.py", *words)
    assert (code, err) == (0, "")
    assert f"machine code for {cc[0]}.{cc[1]}" in out
    (launch,) = json.loads(target.read_text())["counters"][0]["launches"]
    classes, warps = launch["instructions"]["classes"], 8
    assert classes["global load"] == pytest.approx(warps * (2 * terms + 1), rel=0.01)
    assert classes["float32"] == pytest.approx(warps * (terms + 1), rel=0.01)
    assert classes["global store"] == warps
    issued = launch["instructions"]["issued"]
    assert sum(each["issued"] for each in launch["instructions"]["lines"]) == pytest.approx(issued, rel=0.05)


LOOP = """
from numba import cuda, float32
from workbench import implements


def factory(rounds):
    @cuda.jit
    def work(x, y):
        i = cuda.grid(1)
        if i < y.shape[0]:
            total = x[i]
            for k in range({rounds}):
                total = total * float32(1.0001) + float32(0.5)
            y[i] = max(total, float32(0))

    return work


few, many = factory(3), factory({count})
many = implements("relu", grid=lambda y: -(-y.shape[0] // 128), block=128)(many)
few = implements("relu", grid=lambda y: -(-y.shape[0] // 128), block=128)(few)
"""


@pytest.mark.parametrize(("rounds", "count"), [("rounds", each) for each in (1000, 1003, 1024)] + [("x.shape[0]", 0)])
def test_loops_without_accesses_are_counted_however_they_are_unrolled(rounds, count, inspect, tmp_path):
    """An FFMA for each round, and one more instruction or two in float32; kernels of one name are told apart."""
    (tmp_path / "loop.py").write_text(LOOP.format(rounds=rounds, count=count))
    target = tmp_path / "counters.json"
    code, _, err = inspect(tmp_path / "loop.py", "--case", "x=1000", "--json", target)
    assert (code, err) == (0, "")
    found = json.loads(target.read_text())["counters"]
    issued = sorted(each["launches"][0]["instructions"]["classes"]["float32"] / 32 for each in found)
    if count:
        assert issued[0] < 8
    assert issued[-1] == pytest.approx(count or 1000, rel=0.02)


REMAINDERS = """
from numba import cuda, float32
from workbench import implements


@implements("relu", grid=lambda y: -(-y.shape[0] // 128), block=128)
@cuda.jit
def gather(x, y):
    i = cuda.grid(1)
    if i < y.shape[0]:
        total = float32(0)
        for k in range(501):
            total += x[(i + k) % x.shape[0]]
        y[i] = max(total, float32(0))
"""


def test_a_loop_with_subroutines_and_a_rest_is_counted(inspect, tmp_path):
    """501 rounds with a load and a division in 64 bits each."""
    (tmp_path / "gather.py").write_text(REMAINDERS)
    target = tmp_path / "counters.json"
    code, _, err = inspect(tmp_path / "gather.py", "--case", "x=256", "--json", target)
    assert (code, err) == (0, "")
    ((launch,),) = (each["launches"] for each in json.loads(target.read_text())["counters"])
    assert launch["instructions"]["classes"]["global load"] == pytest.approx(8 * 501, rel=0.02)
    assert launch["instructions"]["classes"]["float32"] >= 8 * 501
    assert launch["instructions"]["issued"] > 20 * 8 * 501


SHARED = """
from numba import cuda, float32, uint32
from workbench import implements


@cuda.jit(device=True)
def moved(place, distance):
    return uint32(place + distance)


@implements("relu", grid=lambda y: -(-y.shape[0] // 128), block=128)
@cuda.jit
def choice(x, y):
    i = cuda.grid(1)
    if i < y.shape[0]:
        total, k, step = float32(0), uint32(0), uint32(i)
        if x.shape[0] > 255:
            while k < uint32(x.shape[0]):
                total += x[moved(k, uint32(0))]
                k = uint32(k + uint32(1))
        else:
            while k < uint32(x.shape[0]):
                total += x[moved(k, step)] * float32(0.5)
                step = moved(step, uint32(i))
                k = moved(k, step)
        y[i] = max(total, float32(0))
"""


def test_what_no_thread_reached_is_not_counted(inspect, tmp_path):
    """A function's line is executed, but has instructions only where it is not."""
    (tmp_path / "choice.py").write_text(SHARED)
    target = tmp_path / "counters.json"
    code, _, err = inspect(tmp_path / "choice.py", "--case", "x=256", "--json", target)
    assert (code, err) == (0, "")
    ((launch,),) = (each["launches"] for each in json.loads(target.read_text())["counters"])
    issued = {each["line"]: each["issued"] for each in launch["instructions"]["lines"]}
    (unreached,) = [number for number, line in enumerate(SHARED.splitlines(), 1) if "0.5" in line]
    assert issued.get(unreached, 0) < 8
    assert launch["instructions"]["classes"]["global load"] == pytest.approx(8 * 256, rel=0.02)


@pytest.mark.parametrize("op", ["relu", "relu_backward", "avg_pool2d_backward", "sum_pool2d"])
def test_stores_of_built_in_kernels_are_issued_as_often_as_counted(op, inspect, tmp_path):
    """The compiler makes a choice of two values of loads that run under a predicate, and never merges these stores."""
    target = tmp_path / "counters.json"
    assert inspect(op, "--json", target)[0] == 0
    for launch in json.loads(target.read_text())["counters"][0]["launches"]:
        stores = sum(each["requests"] for each in launch["accesses"] if each["access"] == "store")
        assert launch["instructions"]["classes"]["global store"] == stores


RACY = """
from numba import cuda
from workbench import implements


@implements("relu", grid=1, block=64)
@cuda.jit
def racy(x, y):
    for i in range(x.size):
        y.reshape(y.size)[i] = max(x.reshape(x.size)[i], cuda.threadIdx.x * 0)
"""


def test_a_hazard_is_told_instead(inspect, tmp_path):
    (tmp_path / "racy.py").write_text(RACY)
    code, out, err = inspect(tmp_path / "racy.py", "--case", "x=2x2")
    assert code == 1
    assert "not counted further, for a hazard" in out
    assert "race" in out
    assert err.startswith("workbench: racy: a hazard")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["relu", "--case", "no-such-case"], "no case of this name"),
        (["relu", "--case", "w=2x2"], "has no w"),
        (["relu", "--asm"], "shows no machine code"),
        (["relu", "--cc", "77"], "unknown compute capability"),
        (["no_such.py"], "no such file"),
        (["nothing"], "nothing"),
    ],
)
def test_misuse_is_one_line(arguments, words, inspect):
    code, out, err = inspect(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_compilation_is_told(tmp_path, capfd, warm_children):
    (tmp_path / "product.py").write_text(PRODUCT)
    assert run(["inspect", str(tmp_path / "product.py"), "--device", "sim", "--case", "x=2x2 w=2x2"]) == 0
    first, *others = capfd.readouterr().err.splitlines()
    assert first == "compiling for this machine"
    assert any(line.strip().startswith("compiled product in ") for line in others)


def test_a_case_is_for_counters(capfd):
    assert run(["inspect", "relu", "--case", "relu-4k"]) == 2
    assert "add --device sim" in capfd.readouterr().err
