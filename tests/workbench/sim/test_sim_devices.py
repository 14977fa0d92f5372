"""The simulated GPU: properties, limits, memory, random numbers; all follow the compute capability of the settings."""

import numpy as np
import pytest
from numba import cuda

from workbench.sim import KernelHazard, simulating, simulator
from workbench.system.compute_capability import SIMULATED


@pytest.fixture(autouse=True)
def in_the_simulator():
    with simulator(seed=0):
        yield


@cuda.jit
def nothing():
    pass


@pytest.mark.parametrize("capability", SIMULATED)
def test_the_device_says_what_the_limits_are(capability, capsys):
    with simulating(capability=capability):
        device = cuda.get_current_device()
        assert device.compute_capability == cuda.current_context().compute_capability == capability
        assert cuda.gpus[0].name == device.name
        assert device.WARP_SIZE == 32
        assert device.MULTIPROCESSOR_COUNT > 0
        nothing[1, device.MAX_THREADS_PER_BLOCK, 0, device.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN]()
        for threads, shared in (
            (device.MAX_THREADS_PER_BLOCK + 1, 0),
            (1, device.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN + 1),
        ):
            with pytest.raises(KernelHazard) as raised:
                nothing[1, threads, 0, shared]()
            assert raised.value.hazards[0].kind == "limit"
        cuda.detect()
        assert f"COMPUTE_CAPABILITY_MAJOR: {capability[0]}" in capsys.readouterr().out
    with pytest.raises(AttributeError, match="the simulated GPU has no attribute SPEED"):
        _ = device.SPEED


def test_blocks_that_can_wait_for_each_other():
    nothing[1, 1]()
    most = cuda.jit("()")(nothing.py_func).overloads[()].max_cooperative_grid_blocks
    assert most(1024) == most((32, 32)) == 64  # as many threads can wait in the simulator
    assert most(256, 200 << 10) == 132  # the shared memory lets one block run on each multiprocessor
    with simulating(capability=(7, 5)):
        assert most(1024) == 40
        assert most(512) == 80


def test_the_memory_is_that_of_the_machine():
    free, total = cuda.current_context().get_memory_info()
    assert 0 < free <= total
    assert isinstance(total, int)


def test_generators_of_random_numbers_are_made_in_moments():
    from numba.cuda.random import create_xoroshiro128p_states, xoroshiro128p_uniform_float32

    @cuda.jit
    def draw(states, y):
        i = cuda.grid(1)
        y[i] = xoroshiro128p_uniform_float32(states, i)

    states, y = create_xoroshiro128p_states(4096, seed=1), np.zeros(4096, np.float32)
    known = states.copy_to_host()
    assert tuple(known[0]) == (10451216379200822465, 10451216379200822465)
    assert tuple(known[63]) == (17677729522822470240, 14054645298976636003)
    draw[32, 128](states, y)
    assert abs(y.mean() - 0.5) < 0.03
    assert len(set(y.tolist())) > 4000
    assert tuple(states.copy_to_host()[0]) != tuple(known[0])
