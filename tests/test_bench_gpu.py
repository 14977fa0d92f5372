"""The script that compares the CUDA kernels with their targets: in the simulator, and where there is no GPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu.targets import TARGETS

ROOT = Path(__file__).parents[1]


def run(*arguments, **environment):
    import os

    command = [sys.executable, "-m", "benchmarks.gpu", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.long
def test_it_runs_on_small_sizes_in_the_simulator():
    before = (ROOT / "README.md").read_bytes()
    done = run("--simulate", "--write", NUMBA_ENABLE_CUDASIM="1")
    assert done.returncode == 0, done.stderr
    for op in ("conv2d ", "conv2d_backward ", "dense ", "relu ", "max_pool2d ", "softmax "):
        assert op in done.stderr
    assert (ROOT / "README.md").read_bytes() == before


def test_without_a_gpu_it_says_so_in_a_line():
    done = run(NUMBA_ENABLE_CUDASIM="0", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_the_results_have_every_target_that_can_be_predicted():
    kept = json.loads((ROOT / "docs" / "results" / "gpu.json").read_text())
    assert kept["predicted"]["figures"].keys() == {each.key for each in TARGETS if not each.is_measured_only}
    assert kept["measured"].startswith("unmeasured")
    readme = (ROOT / "README.md").read_text()
    assert all(f"| {each.name} |" in readme for each in TARGETS)
