"""The simulator: what it finds, what it reports, and what it accepts. The zoo (make sim-zoo) has many more kernels."""

import importlib.metadata
import inspect
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numba import cuda, float32, int32

from kernels.installation import install_command
from tests.cuda_zoo import FAULTY, RIGHT
from workbench.sim import KernelHazard, SimulatorSettings, simulating, simulator
from workbench.system.errors import InputError
from workbench.target.command_device import SIM

N = 64


@pytest.fixture(autouse=True)
def in_the_simulator(request):
    if "plain" in request.keywords:
        yield
        return
    with simulator(seed=0):
        yield


@cuda.jit
def shifted(x, y):
    tile = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    y[t] = tile[N - 1 - t]


@cuda.jit
def shifted_in_order(x, y):
    tile = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    y[t] = tile[N - 1 - t]


@cuda.jit
def all_write(y, value):
    y[0] = value


@cuda.jit
def all_but_one_write(y, lazy):
    tile = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    if cuda.blockIdx.x != lazy:
        tile[t] = 1
    y[cuda.grid(1)] = tile[t]


@cuda.jit
def beyond(x, y):
    i = cuda.grid(1)
    y[i] = x[i + 1]


@cuda.jit
def first_come(counter, places):
    places[cuda.grid(1)] = cuda.atomic.add(counter, 0, 1)


@cuda.jit
def raises(x):
    if x[cuda.grid(1)] < 0:
        raise ValueError("a negative number")


@cuda.jit
def endless(x):
    endless_too(x, 0)


@cuda.jit(device=True)
def endless_too(x, depth):
    if x[0] >= 0:
        endless_too(x, depth + 1)
    x[0] = depth


@cuda.jit
def prefix(x, total):
    """Sums by pairs in shared memory, over a width that the launch gives."""
    part = cuda.shared.array(0, int32)
    t, width = cuda.threadIdx.x, cuda.blockDim.x
    part[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    step = width // 2
    while step > 0:
        if t < step:
            part[t] += part[t + step]
        cuda.syncthreads()
        step //= 2
    if t == 0:
        cuda.atomic.add(total, 0, part[0])


def line_of(kernel, text):
    """The number of the line of a kernel's source that contains a text."""
    lines, first = inspect.getsourcelines(kernel.py_func)
    return next(first + place for place, line in enumerate(lines) if text in line)


def hazards(kernel, grid, block, *arguments, shared=0):
    """What a launch raises."""
    with pytest.raises(KernelHazard) as raised:
        kernel[grid, block, 0, shared](*arguments)
    return raised.value.hazards


def floats(size):
    return np.arange(size, dtype=np.float32)


def test_a_race_is_told_with_lines_threads_array_and_element():
    (found,) = hazards(shifted, 1, N, floats(N), floats(N))
    writes, reads = line_of(shifted, "tile[t] ="), line_of(shifted, "y[t] =")
    assert (found.kind, found.kernel, sorted(found.lines)) == ("race", "shifted", [writes, reads])
    assert found.text.splitlines() == [
        f"race in kernel shifted: two threads touch tile[32] in shared memory, one reads (line {reads}), the other writes "
        f"(line {writes})",
        f"  thread (31, 0, 0) of block (0, 0, 0) reads it at test_sim.py:{reads}  y[t] = tile[N - 1 - t]",
        f"  thread (32, 0, 0) of block (0, 0, 0) writes it at test_sim.py:{writes}  tile[t] = x[t]",
        "  Nothing orders the two accesses: on a GPU either may come first.",
        "  Put cuda.syncthreads() between the two lines, where all threads of the block reach it.",
    ]


def test_a_launch_after_one_with_a_hazard_is_clean():
    for _ in range(3):
        hazards(shifted, 1, N, floats(N), floats(N))
        y = floats(N)
        shifted_in_order[1, N](floats(N), y)
        assert np.array_equal(y, floats(N)[::-1])


def test_races_are_looked_for_unless_switched_off():
    x, y = floats(N), np.zeros(N, np.float32)
    with simulating(hazards=False, seed=0):
        shifted[1, N](x, y)
    hazards(shifted, 1, N, x, y)


def test_a_block_finds_nothing_that_an_earlier_one_wrote():
    """Of more blocks than are under way at once the last one has the memory of one that is done."""
    blocks = 100
    (found,) = hazards(all_but_one_write, blocks, N, np.zeros(blocks * N, np.float32), blocks - 1)
    assert (found.kind, found.lines) == ("uninitialised", (line_of(all_but_one_write, "y[cuda.grid(1)]"),))
    assert f"block ({blocks - 1}, 0, 0)" in found.text
    all_but_one_write[blocks, N](np.zeros(blocks * N, np.float32), blocks)


def test_writes_of_the_same_value_are_races_unless_allowed():
    y = np.zeros(1, np.float32)
    assert "the same value" in hazards(all_write, 1, N, y, float32(3))[0].text
    with simulating(allow_same_value=True):
        all_write[1, N](y, float32(3))
    assert y[0] == 3


def test_an_index_outside_an_array_is_told_and_ends_the_launch():
    x, y = floats(N), np.zeros(N, np.float32)
    (found,) = hazards(beyond, 1, N, x, y)
    assert (found.kind, found.lines) == ("out-of-bounds", (line_of(beyond, "y[i]"),))
    assert found.summary == "x[64] is outside the array, of shape (64,)"
    assert "thread (63, 0, 0) of block (0, 0, 0)" in found.text
    with simulating(hazards=False):
        assert hazards(beyond, 1, N, x, y)[0].kind == "out-of-bounds"


def test_exceptions_and_endless_recursion_are_told():
    (found,) = hazards(raises, 1, N, floats(N) - 10)
    assert (found.kind, found.lines) == ("exception", (line_of(raises, "raise Value"),))
    assert "ValueError: a negative number" in found.summary
    raises[1, N](floats(N))
    (found,) = hazards(endless, 1, 1, floats(1))
    assert found.kind == "stack"


def test_the_order_of_threads_is_drawn_by_the_seed():
    def order(seed):
        counter, places = np.zeros(1, np.int32), np.zeros(4 * N, np.int32)
        with simulating(seed=seed):
            first_come[4, N](counter, places)
        assert sorted(places) == list(range(4 * N))
        return places.tolist()

    assert order(0) == list(range(4 * N))
    assert order(1) == list(reversed(range(4 * N)))
    assert order(2) == order(2) != order(3)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(blocks=st.integers(1, 9), log_width=st.integers(0, 10), seed=st.integers(0, 2**32 - 1))
def test_a_reduction_is_right_in_every_shape_and_order(blocks, log_width, seed):
    width = 1 << log_width
    x = np.random.default_rng(seed).integers(-1000, 1000, blocks * width).astype(np.int32)
    total = np.zeros(1, np.int32)
    for hazards_on in (True, False):
        with simulating(seed=seed, hazards=hazards_on):
            prefix[blocks, width, 0, 4 * width](x, total)
    assert total[0] == 2 * x.sum()
    if width > 1:  # shared memory that is too small is an index outside it
        with simulating(seed=seed):
            assert hazards(prefix, blocks, width, x, total, shared=4 * width - 4)[0].kind == "out-of-bounds"


def test_limits_are_those_of_the_capability():
    x, total = np.zeros(N, np.int32), np.zeros(1, np.int32)
    with simulating(capability=(8, 0)):
        prefix[1, N, 0, 100 << 10](x, total)
    with simulating(capability=(7, 5)):
        (found,) = hazards(prefix, 1, N, x, total, shared=100 << 10)
    assert (found.kind, found.lines) == ("limit", (line_of(prefix, "def prefix"),))
    assert "compute capability 7.5 allows at most 65536" in found.text
    assert hazards(prefix, 1, 1025, x, total)[0].kind == "limit"
    with pytest.raises(InputError, match=r"compute capability \(5, 2\)"), simulating(capability=(5, 2)):
        pass


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((floats(N),), "shifted takes 2 arguments but 1 were given"),
        ((floats(N), "text"), "a kernel takes arrays, records, numbers and tuples of them, not str"),
        ((floats(N), [1.0]), "a kernel takes arrays, records, numbers and tuples of them, not list"),
    ],
)
def test_what_cannot_be_an_argument_is_refused_in_one_line(arguments, text):
    with pytest.raises(TypeError) as raised:
        shifted[1, N](*arguments)
    assert str(raised.value) == text


def test_launches_of_several_python_threads_do_not_meet():
    results = [np.zeros(N, np.float32) for _ in range(8)]
    threads = [
        threading.Thread(target=lambda y=y, k=k: shifted_in_order[1, N](floats(N) + k, y))
        for k, y in enumerate(results)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, y in enumerate(results):
        assert np.array_equal(y, (floats(N) + k)[::-1])


@pytest.mark.parametrize("kind", sorted({entry.fault for entry in FAULTY}))
def test_a_fault_of_each_kind_is_found_at_its_line(kind):
    entry = next(each for each in FAULTY if each.fault == kind)
    more = {} if entry.capability is None else {"capability": entry.capability}
    with simulating(seed=3, strict=True, **more), pytest.raises(KernelHazard) as raised:
        entry.run(entry.arguments(np.random.default_rng(3)))
    found = raised.value.hazards
    assert {each.kind for each in found} == {kind}
    assert all(set(each.lines) <= entry.marked_lines() for each in found)


def test_the_zoo_is_as_large_as_it_is_said_to_be():
    assert len(FAULTY) >= 30
    assert len(RIGHT) >= 30
    assert all(entry.marked_lines() for entry in FAULTY)


@pytest.mark.plain
def test_the_plain_simulator_is_put_back():
    from numba.cuda.simulator import api, kernel
    from numba.cuda.simulator.cudadrv import devicearray

    def looks():
        owners = (cuda, api, kernel.FakeCUDAKernel, kernel.FakeOverload, devicearray.FakeCUDAArray)
        return [dict(vars(owner)) for owner in owners]

    before = looks()
    with simulator() as outer, simulator(seed=5) as inner:
        assert (outer, inner) == (SimulatorSettings(), SimulatorSettings(seed=5))
        assert hasattr(cuda, "shared")
        assert looks() != before
    assert looks() == before
    y = np.zeros(1, np.float32)
    all_write[1, 2](y, np.float32(1))  # a race that the plain simulator does not see
    assert y[0] == 1


WITHOUT = """
import os, sys
os.environ["NUMBA_ENABLE_CUDASIM"] = {sim!r}
{before}
from workbench.system.errors import InputError
from workbench.sim import simulator
try:
    with simulator():
        pass
except InputError as error:
    print(error)
"""


@pytest.mark.plain
@pytest.mark.parametrize(
    ("sim", "before", "said"),
    [
        ("0", "from numba import cuda", "numba.cuda was imported for a GPU; set NUMBA_ENABLE_CUDASIM=1 before"),
        ("1", "sys.modules['numba.cuda.simulator.kernel'] = os", "has no supported simulator"),
        ("1", "sys.modules['numba.cuda.types'] = os", "has no supported simulator (module 'os' has no attribute"),
    ],
)
def test_where_it_cannot_run_it_says_why(sim, before, said):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(sim=sim, before=before)], capture_output=True, text=True, check=True
    )
    assert "the CUDA simulator cannot run here: " in done.stdout
    assert said in done.stdout


@pytest.mark.plain
def test_versions_are_read_by_the_first_block_alone(monkeypatch):
    with simulator():
        pass
    monkeypatch.setattr(importlib.metadata, "version", None)
    with simulator():
        pass


@pytest.mark.plain
def test_without_numba_cuda_a_command_says_what_to_install(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    absence = SIM.absence()
    assert absence == f"numba-cuda is not installed; {install_command(extra='sim')}"
    assert "pip install 'numba-cuda<" in absence


MINE = """
from numba import cuda, float64
from workbench import implements

@implements("relu", grid=1, block=64, shared=70_000)
@cuda.jit
def my_relu(x, y):
    best = cuda.shared.array(1, float64)
    flat_x, flat_y = x.reshape(x.size), y.reshape(y.size)
    for i in range(cuda.threadIdx.x, x.size, 64):
        best[0] = 0
        flat_y[i] = best[0] if flat_x[i] <= 0 else flat_x[i]
"""


@pytest.mark.plain
def test_check_reports_a_users_race_and_what_allows_it(tmp_path, warm_workbench):
    (tmp_path / "mine.py").write_text(MINE)
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    words = ["check", "mine.py", "--device", "sim", "--dtype", "float32", "--examples", "8"]
    done = warm_workbench([*words, "--json", "out.json"], tmp_path, environment)
    assert done.returncode == 1, done.stderr
    (row,) = json.loads((tmp_path / "out.json").read_text())["results"]
    assert row["reason"].startswith(
        "race: two threads touch best[0] in shared memory, one writes (line 11), the other writes"
    )
    assert "    thread (1, 0, 0) of block (0, 0, 0) writes it at mine.py:11  best[0] = 0" in done.stdout
    allowed = warm_workbench([*words, "--allow-same-value", "--cc", "8.0"], tmp_path, environment)
    assert (allowed.returncode, allowed.stdout.splitlines()[-1]) == (0, "1 pass"), allowed.stdout
    smaller = warm_workbench([*words, "--allow-same-value", "--cc", "7.5"], tmp_path, environment)
    assert smaller.returncode == 1
    assert (
        "limit: my_relu is launched with 70000 bytes of dynamic shared memory; compute capability 7.5" in smaller.stdout
    )
    refused = warm_workbench(["check", "relu", "--device", "cpu", "--cc", "8.0"], tmp_path, environment)
    assert refused.returncode == 2
    assert "--cc: is for the simulator; add --device sim" in refused.stderr
