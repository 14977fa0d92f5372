"""Random typed kernels give the results of numba-cuda's own simulator, raise no alarm, and never end the process."""

import pytest

from tests.cuda_fuzz import batches
from tests.cuda_fuzz.programs import Program

SEEDS = list(range(100, 106))


def test_random_kernels_agree_with_the_simulator_of_numba_cuda():
    assert {seed: fault for seed, fault in batches.faults(SEEDS, 1800) if fault} == {}


def test_a_kernel_that_ends_the_process_is_told(monkeypatch):
    module = 'import os, sys\nprint(\'{"seed": 1, "fault": ""}\', flush=True)\nif len(sys.argv) > 2: os.abort()\n'
    real = batches.subprocess.run
    monkeypatch.setattr(
        batches.subprocess, "run", lambda command, **options: real([command[0], "-c", module, *command[3:]], **options)
    )
    (first, second, third) = batches.faults([1, 2, 3], 60)
    assert first == (1, "")
    assert second[0] == 2
    assert second[1].startswith("the process ended with -6")
    assert third[0] == 1  # the next child says what this one printed: the kernel after the fatal one is run


@pytest.mark.parametrize("seed", range(50))
def test_programs_depend_on_the_seed_alone(seed):
    source = Program(seed).source
    assert source == Program(seed).source != Program(seed + 1).source
    compile(source, "kernel.py", "exec")
