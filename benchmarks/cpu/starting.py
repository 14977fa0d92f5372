"""Measure the time of ``workbench train`` to its first step, and the memory of training, ours and PyTorch's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

PEAK = """
from pathlib import Path
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
print(int(peak.split()[1]) / 1024)
"""
"""Prints the peak resident size of its process so far, in MiB."""

OUR_EPOCH = f"""
import sys
from workbench.cli import run

code = run(sys.argv[1:])
{PEAK}
sys.exit(code)
"""

TORCH_EPOCH = f"""
import sys
import numpy as np
import torch
from workbench.datasets import load, to_unit
from workbench.network.presets import PRESET_IMAGE_SIZE, layer_spec
from workbench.network.spec import Parameters, build
from workbench.peers.networks import Training, TorchNetwork
from workbench.network.loop import EVALUATION_BATCH

torch.set_num_threads(int(sys.argv[1]))
data, rng = load("mnist"), np.random.default_rng(0)
network = build(layer_spec("lenet5", 10), (1, *PRESET_IMAGE_SIZE), 10)
run = TorchNetwork(network, Parameters.initial(network, rng), "torch eager", Training(), "cpu")
order = rng.permutation(len(data.train_labels))
for start in range(0, len(order), 64):
    chosen = order[start : start + 64]
    run.train_step(to_unit(data.train_images[chosen]), data.train_labels[chosen])
for start in range(0, len(data.test_labels), EVALUATION_BATCH):
    run.infer(to_unit(data.test_images[start : start + EVALUATION_BATCH]))
{PEAK}
"""
"""The work of ``workbench train --epochs 1`` in PyTorch: an epoch of LeNet-5, batch 64, and the test images."""


def first_steps(threads: int, repeats: int) -> dict[str, float]:
    """Return the seconds to the first step of an epoch, from an empty compile cache, and the median of later starts."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = [_train(Path(folder), threads)[0] for _ in range(1 + repeats)]
    return {"empty": seconds[0], "warm": median(seconds[1:])}


def peak_mib(threads: int) -> dict[str, float]:
    """Return the peak resident size of a training run of one epoch, with a filled compile cache, ours and PyTorch's."""
    with tempfile.TemporaryDirectory() as folder:
        _train(Path(folder), threads)
        ours = _train(Path(folder), threads)[1]
    return {"workbench": ours, "torch": _peak_of(TORCH_EPOCH, [str(threads)], {})}


def _train(folder: Path, threads: int) -> tuple[float, float]:
    """Train for an epoch with a compile cache in ``folder``; return the seconds to the first step and the peak in MiB."""
    out = Path(tempfile.mkdtemp(dir=folder)) / "run"
    arguments = ["train", "--epochs", "1", "--threads", str(threads), "--out", str(out)]
    peak = _peak_of(OUR_EPOCH, arguments, {"NUMBA_CACHE_DIR": str(folder)})
    return json.loads((out / "run.json").read_text())["first_step_seconds"], peak


def _peak_of(code: str, arguments: list[str], environment: dict[str, str]) -> float:
    """Run code that ends with PEAK; return the number that it prints."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{arguments}: ended with {done.returncode}: {done.stderr[-500:]}")
    return float(done.stdout.splitlines()[-1])
