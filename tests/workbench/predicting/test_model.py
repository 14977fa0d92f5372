"""The parts of the model: the queueing network, caches, chains of instructions, figures of GPUs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.inspecting.cuda.sass import Instruction, parse
from workbench.predicting.caches import touched, traffic
from workbench.predicting.chains import operands, warp_cycles
from workbench.predicting.demands import pipes
from workbench.predicting.gpus import GPUS, PROCESSORS, find_gpu, gpu_of_device
from workbench.predicting.queueing import cycle_time, least_cycle_time, most_cycle_time
from workbench.sim.common.sites import Site
from workbench.sim.counting.counters import AccessCounters, LaunchCounters
from workbench.sim.counting.locality import DISTANCES, Footprint
from workbench.system.compute_capability import LIMITS
from workbench.system.errors import InputError


@pytest.mark.parametrize(
    ("opcode", "clocks"),
    [("HMMA.16816.F32.BF16", 2), ("HMMA.1688.F32.TF32", 2), ("HMMA.1688.F32.BF16", 1), ("DMMA.884", None)],
)
def test_tensor_cores_multiply_tf32_at_half_the_rate(opcode, clocks):
    instruction = Instruction(address=0, predicate="", opcode=opcode, operands="R4, R8, R12, R4", stack=())
    found = dict(pipes(instruction, GPUS["a100"]))  # 1024 multiply-adds a clock
    assert found.get("tensor cores") == clocks
    assert GPUS["h100"].mma_share < 1 == GPUS["a100"].mma_share


TIMES = st.floats(0, 1e4)
SERVERS = st.lists(TIMES, min_size=1, max_size=3)


@given(SERVERS, TIMES)
def test_a_single_customer_waits_for_nobody(demands, delay):
    assert cycle_time(1, demands, delay) == pytest.approx(sum(demands) + delay)


@given(st.integers(1, 80), SERVERS, TIMES)
def test_the_time_lies_between_its_bounds(customers, demands, delay):
    found = cycle_time(customers, demands, delay)
    assert least_cycle_time(customers, demands, delay) <= found * (1 + 1e-9)
    assert found <= most_cycle_time(customers, demands, delay) * (1 + 1e-9)


@given(st.integers(1, 40), SERVERS, TIMES)
def test_more_customers_are_never_slower(customers, demands, delay):
    assert cycle_time(customers + 1, demands, delay) <= cycle_time(customers, demands, delay) * (1 + 1e-9)


def test_many_customers_keep_the_slowest_server_busy():
    assert cycle_time(1000, [3, 10, 2], 500) == pytest.approx(10, rel=1e-3)


def test_two_customers_and_a_delay_by_hand():
    """One: 4 + 6 = 10 a round, a queue of 0.4 on average. Two: (4 x 1.4 + 6) / 2."""
    assert cycle_time(2, [4], 6) == pytest.approx(5.8)


def launch_of(grid, footprints, accesses=()):
    """A launch of which one block in each was recorded."""
    return LaunchCounters(
        kernel="k",
        identity=0,
        grid=grid,
        block=(32, 1, 1),
        dynamic_bytes=0,
        recorded=(0,),
        cut=False,
        accesses=tuple(accesses),
        blocks=(),
        meetings=(),
        unreached=frozenset(),
        threads=32,
        idle_threads=0,
        hottest_address=0,
        footprints=tuple(footprints),
        work=(1,),
    )


def footprint(bytes_, *shared, access="load", size=1 << 40):
    return Footprint(array="x", size=size, access=access, bytes=bytes_, shared=(*shared, 0, 0, 0)[:3])


def test_blocks_touch_what_they_do_not_share():
    assert touched(footprint(100), 10, (100, 1, 1)) == 1000
    assert touched(footprint(100, 1.0), 10, (100, 1, 1)) == 100
    assert touched(footprint(100, 0.5), 3, (100, 1, 1)) == pytest.approx(200)
    assert touched(footprint(100, 1.0, 0.0), 20, (10, 10, 1)) == 200  # two rows of blocks
    assert touched(footprint(100, 0.0, 1.0), 20, (10, 10, 1)) == 1000  # ten columns, the same in both rows


def test_a_stream_moves_every_byte_once():
    found = traffic(launch_of((1000, 1, 1), [footprint(4096), footprint(4096, access="store")]), 1e5, 1 << 20, 100)
    assert (found.loaded, found.stored, found.resident) == (4096e3, 4096e3, False)


def test_blocks_touch_no_more_than_the_array():
    """A block that reads at random touches much, of an array that is small."""
    assert touched(footprint(100, size=250), 10, (100, 1, 1)) == 250
    found = traffic(launch_of((1000, 1, 1), [footprint(4096, size=4 << 20)]), 1e5, 50 << 20, 100)
    assert found.resident


def test_small_arrays_are_in_the_second_level():
    found = traffic(launch_of((10, 1, 1), [footprint(4096)]), 1e5, 1 << 20, 100)
    assert (found.loaded, found.resident) == (0, True)


def test_columns_are_loaded_again_unless_the_cache_holds_a_row_of_blocks():
    """A product: each block has rows of a, shared along x, and columns of b, shared along y."""
    launch = launch_of((16, 16, 1), [footprint(65536, 1.0, 0.0), footprint(65536, 0.0, 1.0)])
    held = traffic(launch, 1e5, 2 << 20, 8)  # a row of blocks touches 17 x 64 KiB
    lost = traffic(launch, 1e5, 1 << 20, 8)
    assert held.loaded == 2 * 16 * 65536
    assert lost.loaded == (16 + 16 * 16) * 65536
    together = traffic(launch, 1e5, 1 << 20, 64)  # four rows of blocks run at a time
    assert together.loaded == (16 + 4 * 16) * 65536


@pytest.mark.parametrize(("at_a_time", "turns"), [(512, 1), (600, 1), (128, 4), (100, 6)])
def test_blocks_that_run_at_a_time_move_an_array_once_even_if_neighbours_share_nothing(at_a_time, turns):
    size = 64 << 20  # 512 blocks of 1 MiB: each part is touched by eight of them
    found = traffic(launch_of((512, 1, 1), [footprint(1 << 20, size=size)]), 1e5, 50 << 20, at_a_time)
    assert found.loaded == turns * size


def access_of(reuse, **changes):
    """A load of float32 by a warp, with reuse distances by class."""
    classes = [0] * (DISTANCES + 1)
    for number, count in reuse.items():
        classes[number] = count
    found = AccessCounters(
        site=Site(function="k", file="k.py", line=1),
        block=None,
        array="x",
        memory="global",
        access="load",
        bytes=4,
        executions=32,
        requests=1,
        sectors=4,
        sectors_needed=4,
        bytes_used=128,
        wavefronts=1,
        least_wavefronts=1,
        wavefronts_by_8=0,
        wavefronts_by_16=0,
        lines=1,
        reuse=tuple(classes),
        ways={},
        addresses=32,
        most_at_one_address=1,
    )
    return replace(found, **changes)


def test_the_first_level_has_what_is_used_again_soon():
    """It holds 64 lines: classes up to 6 (fewer than 64) are hits, half of class 7 too would not be."""
    access = access_of({0: 10, 6: 20, 7: 40, DISTANCES: 5})
    found = traffic(launch_of((1, 1, 1), [footprint(4096)], [access]), 64 * 128, 1 << 20, 1)
    assert found.sectors(access) == 45
    assert found.sectors(replace(access, access="store")) == 4


def listing(*lines):
    """A kernel of these instructions, one a line; a name alone is a label."""
    text, address = [".text.k:", "k:"], 0
    for line in lines:
        if line.endswith(":"):
            text.append(line)
            continue
        text += ['//## File "k.py", line 1', f"        /*{address:04x}*/                   {line} ;"]
        address += 16
    return parse("\n".join(text), "k")[0]


def clocks(code, executed=None):
    """The clocks of a warp on an H100 whose loads take 500."""
    executed = executed or [1.0] * len(code.instructions)
    return warp_cycles(code, executed, GPUS["h100"], lambda _: 500.0)


def test_dependent_instructions_wait_for_each_other():
    chain = listing(*["FFMA R1, R1, R2, R1"] * 10, "EXIT")
    apart = listing(*[f"FFMA R{n}, R20, R21, R{n}" for n in range(10)], "EXIT")
    assert clocks(chain) == pytest.approx(40, abs=5)
    assert clocks(apart) == pytest.approx(11, abs=5)


def test_loads_are_waited_for_at_their_first_use():
    together = listing("LDG.E R1, [R10.64]", "LDG.E R2, [R12.64]", "FADD R3, R1, R2", "EXIT")
    one_by_one = listing("LDG.E R10, [R10.64]", "LDG.E R2, [R10.64]", "FADD R3, R2, R2", "EXIT")
    assert clocks(together) == pytest.approx(505, abs=8)
    assert clocks(one_by_one) == pytest.approx(1005, abs=8)


def test_a_loop_counts_as_often_as_it_runs():
    code = listing(".L_1:", "FFMA R1, R1, R2, R1", "IADD3 R5, R5, 0x1, RZ", "@P0 BRA `(.L_1)", "EXIT")
    once, often = clocks(code, [1, 1, 1, 1]), clocks(code, [100, 100, 100, 1])
    each = (often - once) / 99
    assert 9 <= each <= 14  # three instructions, and the jump back


def test_a_loop_that_few_enter_takes_its_share():
    """The loads of an inner loop end as early as the loop that a quarter of the warps enter."""
    code = listing(
        ".L_1:",
        "IADD3 R6, R6, 0x1, RZ",
        ".L_2:",
        "LDG.E R2, [R10.64]",
        "FADD R3, R3, R2",
        "@P0 BRA `(.L_2)",
        "@P1 BRA `(.L_1)",
        "EXIT",
    )
    seldom, always = clocks(code, [0.25, *[16.0] * 3, 0.25, 1.0]), clocks(code, [1.0, *[64.0] * 3, 1.0, 1.0])
    assert seldom == pytest.approx(always / 4, rel=0.1)


def test_what_a_loop_loads_ahead_is_not_waited_for_twice():
    ahead = listing(
        "LDG.E R1, [R10.64]",
        ".L_1:",
        "FADD R3, R3, R1",
        "LDG.E R1, [R10.64]",
        *["FADD R4, R4, R5"] * 150,
        "@P0 BRA `(.L_1)",
        "EXIT",
    )
    executed = [1, *[10] * 153, 1]
    assert clocks(ahead, executed) == pytest.approx(500 + 10 * 615, rel=0.1)


@pytest.mark.parametrize(
    ("text", "read", "written"),
    [
        ("FFMA R1, R2, R3, R4", {"R2", "R3", "R4"}, {"R1"}),
        ("LDG.E.128 R4, [R10.64]", {"R10", "R11"}, {"R4", "R5", "R6", "R7"}),
        ("STG.E.64 [R2.64], R8", {"R2", "R3", "R8", "R9"}, set()),
        ("ISETP.GE.AND P0, PT, R1, R2, PT", {"R1", "R2"}, {"P0"}),
        ("IMAD.WIDE R2, R5, R6, R8", {"R5", "R6", "R8"}, {"R2", "R3"}),
    ],
)
def test_registers_are_read_and_written(text, read, written):
    (instruction,) = listing(text).instructions
    found = operands(instruction)
    assert read <= found[0]
    assert written <= found[1]
    assert not (found[1] - written) & {f"R{n}" for n in range(32)}


TERAFLOPS = {
    "h100": 66.9,
    "h200": 66.9,
    "a100": 19.5,
    "rtx4090": 82.6,
    "l4": 30.3,
    "a6000": 38.7,
    "rtx3090": 35.6,
    "t4": 8.1,
}
"""In float32, as NVIDIA states them."""


@pytest.mark.parametrize("key", GPUS)
def test_figures_of_gpus_make_the_stated_rate(key):
    gpu = find_gpu(key.upper())
    assert gpu.float32_gflops / 1e3 == pytest.approx(TERAFLOPS[key], rel=0.02)
    assert gpu.cc in LIMITS
    assert gpu.cc in PROCESSORS
    assert 0.5 < gpu.memory_share <= 1
    assert gpu.l2_gbps > gpu.memory_gbps


def test_the_names_of_drivers_are_told_apart():
    names = {
        "NVIDIA H100 80GB HBM3": "h100",
        "NVIDIA H200": "h200",
        "NVIDIA A100-SXM4-80GB": "a100",
        "NVIDIA GeForce RTX 4090": "rtx4090",
        "NVIDIA L4": "l4",
        "NVIDIA RTX A6000": "a6000",
        "NVIDIA GeForce RTX 3090": "rtx3090",
        "Tesla T4": "t4",
    }
    assert {name: gpu_of_device(name).key for name in names} == names
    assert gpu_of_device("NVIDIA L40S") is None
    assert gpu_of_device("NVIDIA GeForce RTX 4090 Laptop GPU") is None


def test_an_unknown_gpu_names_the_known_ones():
    with pytest.raises(InputError, match="must be one of h100"):
        find_gpu("v100")
