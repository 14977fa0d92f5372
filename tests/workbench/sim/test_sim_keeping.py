"""Compiled kernels are kept on disk: found by later processes, compiled anew when anything that they reach changes."""

import enum
import json
import os
import shutil
import subprocess
import sys
import time
import types
from collections import namedtuple

import numpy as np
import pytest
from numba import cuda, float32, float64, int64
from numba.cuda import libdevice

from kernels.compile.cache_files import read_sealed, write_sealed
from kernels.compile.disk_cache import cache_folder
from workbench.sim import simulator
from workbench.sim.common.facts import Facts
from workbench.sim.common.modes import Mode
from workbench.sim.common.sites import SITES, Site
from workbench.sim.compiler import compilation, keeping
from workbench.sim.compiler.fingerprints import fingerprint
from workbench.sim.compiler.linking import MachineCode, load
from workbench.sim.runtime.entries import entries

KINDS = (float64[:],)

SOURCE = """
import json, sys
import numpy as np
from numba import cuda, float32
from workbench.sim import KernelHazard, simulator
from workbench.sim.common.facts import Facts
from workbench.sim.compiler import compilation, keeping

made, real = [], compilation._made
compilation._made = lambda *given: made.append(1) or real(*given)
SCALE = 2

with simulator():
    @cuda.jit(device=True)
    def scaled(x):
        return SCALE * x

    @cuda.jit
    def right(x, y):
        part = cuda.shared.array(8, float32)
        t = cuda.threadIdx.x
        part[t] = scaled(x[t])
        cuda.syncthreads()
        y[t] = part[7 - t]

    @cuda.jit
    def racy(x, y):
        own_part = cuda.shared.array(8, float32)
        t = cuda.threadIdx.x
        own_part[t] = x[t]
        y[t] = own_part[7 - t]

    x, y, texts = np.arange(8, dtype=np.float32), np.zeros(8, np.float32), []
    right[1, 8](x, y)
    for kernel, length in ((racy, 8), (right, 7)):
        try:
            kernel[1, 8](x, np.zeros(length, np.float32))
        except KernelHazard as hazard:
            texts.append(str(hazard))
print(json.dumps({"made": len(made), "y": y.tolist(), "texts": texts}))
"""


def run(file):
    """Run a file with the compile cache beside it."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_CACHE_DIR": str(file.parent / "cache")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(file)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def file(tmp_path):
    """The file that is run; the cache beside it has the simulator, which takes long to compile, but no kernel."""
    entries()
    used = cache_folder()
    for part in used.glob("runtime-*"):
        shutil.copytree(part, tmp_path / "cache" / "compiled" / used.name / part.name)
    return tmp_path / "blur.py"


def kept_files(file):
    return {path for path in (file.parent / "cache").rglob("simulated/*/*") if path.is_file()}


def test_later_processes_find_kernels_on_disk(file):
    file.write_text(SOURCE, encoding="utf-8")
    first = run(file)
    assert first["made"] == len(kept_files(file)) >= 2
    assert first["y"] == [2.0 * (7 - t) for t in range(8)]
    assert "race in kernel racy: two threads touch own_part[" in first["texts"][0]
    assert "y[7] is outside the array" in first["texts"][1]

    assert run(file) == first | {"made": 0}

    for each in kept_files(file):
        each.write_bytes(each.read_bytes()[:-20] + bytes(20))
    assert run(file) == first

    file.write_text(SOURCE.replace("SCALE = 2", "SCALE = 3"), encoding="utf-8")
    changed = run(file)
    assert 1 <= changed["made"] < first["made"]  # the kernel that reaches the number; the other one was kept again
    assert changed["y"] == [3.0 * (7 - t) for t in range(8)]


def test_a_damaged_file_counts_as_absent_and_is_removed(tmp_path):
    file = tmp_path / "folder" / "kernel"
    assert read_sealed(file) is None
    write_sealed(file, b"machine code")
    assert read_sealed(file) == b"machine code"
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole[:10], b"", bytes(len(whole)), whole + b"."):
        file.write_bytes(damaged)
        assert read_sealed(file) is None
        assert not file.exists()


def test_what_cannot_be_written_is_not_kept(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    write_sealed(blocked / "kernel", b"machine code")
    assert read_sealed(blocked / "kernel") is None


def test_kernels_that_nobody_uses_are_removed_after_a_month(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "cache_folder", lambda: tmp_path)
    keeping._forget_old.cache_clear()
    keeping.keep("ab1", b"old", (), [Facts()])
    keeping.keep("ab2", b"used", (), [Facts()])
    keeping.keep("cd3", b"new", (), [Facts()])
    two_months_ago = time.time() - 60 * 86_400
    for key in ("ab1", "ab2"):
        os.utime(tmp_path / "simulated" / key[:2] / key, (two_months_ago, two_months_ago))
    assert keeping.kept("ab2").code == b"used"
    keeping._forget_old.cache_clear()
    keeping.keep("ef4", b"newer", (), [Facts()])
    assert {each.name for each in (tmp_path / "simulated").glob("*/*")} == {"ab2", "cd3", "ef4"}
    keeping._forget_old.cache_clear()


# fingerprints


BASE = """
def device(x):
    return x * FACTOR

device = cuda.jit(device=True)(device)

def kernel(y):
    y[0] = device(y[1]) + TABLE[0] + module.OFFSET + module.device(1)
"""


def names(**changes):
    module = types.ModuleType("user_module")
    module.OFFSET, module.unused = 4, object()
    module.device = changes.pop("module_device", cuda.jit(device=True)(lambda x: x + 1))
    vars(module).update(changes.pop("module", {}))
    return {"cuda": cuda, "FACTOR": 2, "TABLE": np.arange(3.0), "module": module, "unused": object()} | changes


def made(source=BASE, kinds=KINDS, mode=Mode.WATCHED, **changes):
    with simulator():
        space = names(**changes)
        exec(compile(source, "user.py", "exec"), space)
        return fingerprint(space["kernel"], kinds, mode)


def test_equal_kernels_have_equal_fingerprints():
    same = cuda.jit(device=True)(lambda x: x + 1)
    assert made(module_device=same) == made(module_device=same) is not None
    assert made(module_device=same, unused=3) == made(module_device=same)


class Color(enum.Enum):
    RED = 1


class OtherColor(enum.Enum):
    RED = 2


OtherColor.__qualname__, OtherColor.__name__ = Color.__qualname__, Color.__name__
Pair, OtherPair = namedtuple("Pair", "a b"), namedtuple("Pair", "b a")
SAME = cuda.jit(device=True)(lambda x: x + 1)

CHANGES = {
    "a global": {"FACTOR": 3},
    "the type of a global": {"FACTOR": 2.0},
    "another zero": {"FACTOR": -0.0},
    "a truth value": {"FACTOR": True},
    "a scalar of NumPy": {"FACTOR": np.float32(2)},
    "an element of an array": {"TABLE": np.array([0.0, 1.0, 2.5])},
    "the type of an array": {"TABLE": np.arange(3.0, dtype=np.float32)},
    "the order of an array": {"TABLE": np.arange(3.0)[::-1]},
    "an attribute of a module": {"module": {"OFFSET": 5}},
    "a function of a module": {"module_device": cuda.jit(device=True)(lambda x: x + 2)},
    "an enumeration": {"FACTOR": Color.RED},
    "its members": {"FACTOR": OtherColor.RED},
    "a named tuple": {"FACTOR": Pair(1, 2)},
    "its fields": {"FACTOR": OtherPair(1, 2)},
    "a plain tuple": {"FACTOR": (1, 2)},
    "a type of Numba": {"FACTOR": float32},
    "a type of NumPy": {"FACTOR": np.float32},
    "the types of arguments": {"kinds": (float32[:],)},
    "the layout of arguments": {"kinds": (float64[::1],)},
    "more arguments": {"kinds": (float64[:], int64)},
    "the mode": {"mode": Mode.PLAIN},
    "a device function": {"source": BASE.replace("x * FACTOR", "x + FACTOR")},
    "the kernel": {"source": BASE.replace("TABLE[0]", "TABLE[1]")},
    "a constant": {"source": BASE.replace("y[0]", "y[2]")},
    "the lines": {"source": "\n" + BASE},
    "its signature": {"source": BASE.replace("device=True", "'float64(float64)', device=True")},
    "inlining": {"source": BASE.replace("device=True", "device=True, inline='always'")},
}


def test_every_change_makes_another_fingerprint():
    found = {what: made(**{"module_device": SAME} | change) for what, change in CHANGES.items()}
    found["nothing"] = made(module_device=SAME)
    assert None not in found.values()
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("value", [object(), np.array([object()]), types.SimpleNamespace(), {"a": 1}])
def test_other_values_have_no_fingerprint(value):
    assert made(FACTOR=value) is None


def test_arrays_in_device_memory_have_no_fingerprint():
    with simulator():
        held = cuda.to_device(np.arange(3.0))
    assert made(TABLE=held) is None


def test_versions_and_settings_are_part_of_the_fingerprint(monkeypatch):
    before = made(module_device=SAME)
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert made(module_device=SAME) != before
    monkeypatch.delenv("NUMBA_OPT")
    assert made(module_device=SAME) == before
    monkeypatch.setattr("workbench.sim.compiler.fingerprints.sources", lambda: "others")
    assert made(module_device=SAME) != before


def test_numbers_of_places_depend_on_the_places_alone():
    site = Site(function="kernel", file="user.py", line=12)
    number = SITES.number_of(site)
    assert number == SITES.number_of(Site(function="kernel", file="user.py", line=12))
    assert 0 <= number < 2**31
    assert SITES.claim(number, site)
    assert not SITES.claim(number, Site(function="kernel", file="user.py", line=13))


@cuda.jit
def calls_the_c_library(y):
    y[0] = libdevice.j0(y[1])


@cuda.jit(device=True)
def doubled(x):
    return 2 * x


@cuda.jit
def calls_a_device_function(y):
    y[0] = doubled(y[1])


@cuda.jit
def prints(y):
    print(y[0])


@cuda.jit
def prints_recursively(y):
    count_down(y, 3)


@cuda.jit(device=True)
def count_down(y, depth):
    print(y[0], depth)
    if depth > 0:
        count_down(y, depth - 1)


def test_a_function_that_calls_itself_may_print(capfd):
    with simulator():
        prints_recursively[1, 1](np.ones(2))
    sys.stdout.flush()
    assert capfd.readouterr().out.split() == ["1.0", "3", "1.0", "2", "1.0", "1", "1.0", "0"]


@pytest.mark.parametrize(
    ("kernel", "is_kept"), [(calls_the_c_library, False), (prints, False), (calls_a_device_function, True)]
)
def test_machine_code_with_addresses_is_not_kept(kernel, is_kept, monkeypatch):
    keys = []
    monkeypatch.setattr(compilation, "keep", lambda key, *_: keys.append(key))
    monkeypatch.setattr(compilation, "kept", lambda _key: None)
    with simulator():
        kernel[1, 1](np.ones(2))
    assert bool(keys) == is_kept


def test_machine_code_for_which_a_symbol_is_missing_is_not_loaded():
    with pytest.raises(NotImplementedError, match="the simulator has no function no_such_function"):
        load(MachineCode("entry", b"", ("memcpy", "no_such_function")))
